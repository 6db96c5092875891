"""Models of timm: frozen whole, and where they are plain ViTs cut everywhere, against timm itself."""

import json

import numpy as np
import pytest
import torch

from arms.encoders.image import build_image_encoder
from arms.encoders.precision import in_precision
from arms.errors import ArmsError
from tests.encoders.cuts import EXACT, check_bfloat16, check_gradients, image_batch, num_parameters, pictures, run
from tests.encoders.libraries import TIMM, TIMM_VITS, image_settings, save_timm, timms_own

WHOLE = tuple(name for name in TIMM if name not in TIMM_VITS)
EVERY_CUT = [(name, layers) for name in TIMM_VITS for layers in (0, 1, 2, 3, "all")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder of models as the hub keeps them."""
    folder = tmp_path_factory.mktemp("timm")
    for name in TIMM:
        save_timm(folder / name, name)
    return folder


def build(hub, name, **changes):
    return build_image_encoder(image_settings("timm", hub / name, **changes), seed=1)


@pytest.mark.parametrize("name", TIMM)
def test_features_and_tokens_are_timms(hub, name):
    images = pictures(90, 70)
    encoder = build(hub, name, store_tokens=True)
    with torch.inference_mode():
        _, output = run(encoder, image_batch(encoder, images))
    pooled, features = timms_own(hub / name, images)
    torch.testing.assert_close(output["pooled"], pooled, **EXACT)
    assert (output["pooled"].shape[1], output["tokens"].shape[2]) == (encoder.width, encoder.token_width)
    channels = features if features.ndim == 3 or name == "swin" else features.movedim(1, 3)
    torch.testing.assert_close(output["tokens"], channels.flatten(1, -2), **EXACT)
    assert encoder.crossing == ("pooled", "tokens")


@pytest.mark.parametrize(("name", "tunable_layers"), EVERY_CUT)
def test_a_vit_cut_anywhere_is_timms(hub, name, tunable_layers):
    images = pictures(90, 70)
    encoder = build(hub, name, tunable_layers=tunable_layers)
    batch = image_batch(encoder, images)
    check_gradients(encoder, batch)
    _, output = run(encoder, batch)
    pooled, features = timms_own(hub / name, images)
    torch.testing.assert_close(output["pooled"], pooled, **EXACT)
    if tunable_layers != 0:  # the pooled embedding is all that is kept there
        torch.testing.assert_close(output["tokens"], features, **EXACT)
    kinds = {0: ("pooled",), 3: ("pixels",), "all": ("pixels",)}
    assert encoder.crossing == kinds.get(tunable_layers, ("states",))
    assert num_parameters(encoder.trunk, encoder.tail) == num_parameters(build(hub, name).trunk)


@pytest.mark.parametrize("name", [*TIMM_VITS, "efficientnet", "convnext", "swin"])
def test_in_bfloat16(hub, name):
    encoder = build(hub, name, store_tokens=True)
    check_bfloat16(encoder, image_batch(encoder, pictures(90, 70)))


@pytest.mark.parametrize("name", WHOLE)
def test_what_cannot_be_cut_is_refused_by_name(hub, name):
    with pytest.raises(
        ArmsError, match=r"image encoder timm/.*: timm's \w+ cannot be cut; set tunable_layers: 0, got 1"
    ):
        build(hub, name, tunable_layers=1)


def test_pixels_are_timms(hub):
    """All of timm's transform but its last two steps, which the encoder takes."""
    encoder = build(hub, "efficientnet")
    pixels = encoder.read(pictures(90, 300, 1)[0])
    assert (pixels.dtype, pixels.shape) == (np.uint8, (3, 160, 160))


def test_the_fingerprint_says_what_the_weights_do_not(hub, tmp_path):
    encoder = build(hub, "siglip")
    fingerprint = encoder.fingerprint
    assert json.loads(json.dumps(fingerprint)) == fingerprint == build(hub, "siglip").fingerprint
    assert fingerprint["library"] == "timm"
    assert fingerprint != build(hub, "siglip", tunable_layers=1).fingerprint
    assert fingerprint != build(hub, "siglip", store_tokens=True).fingerprint
    assert fingerprint != in_precision(encoder, "bfloat16").fingerprint
    copy = save_timm(tmp_path / "siglip", "siglip")
    config = json.loads((copy / "config.json").read_text())
    config["model_args"]["num_heads"] = 4
    (copy / "config.json").write_text(json.dumps(config))
    other = build_image_encoder(image_settings("timm", copy), seed=1).fingerprint
    assert other["weights"] == fingerprint["weights"]
    assert other["config"] != fingerprint["config"]


def test_weights_that_do_not_fit(hub, tmp_path):
    folder = save_timm(tmp_path / "model", "resnet")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architecture": "test_efficientnet"}))
    with pytest.raises(ArmsError, match=r"image encoder '.*model' could not be loaded: EfficientNet has"):
        build_image_encoder(image_settings("timm", folder), seed=1)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ArmsError, match=r"expected timm's config.json with an architecture in"):
        build_image_encoder(image_settings("timm", folder), seed=1)


def test_tokens_where_there_are_none(hub, monkeypatch):
    monkeypatch.setattr("arms.encoders.images.timm_models.tokens_of", lambda features, width: None)
    with pytest.raises(ArmsError, match=r"hands out no token states; set image.store_tokens: false"):
        build(hub, "resnet", store_tokens=True)
    assert build(hub, "resnet").token_width == 0
