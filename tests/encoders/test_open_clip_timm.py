"""open_clip's models with a tower of timm (SigLIP, MobileCLIP), against open_clip itself."""

import json

import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from safetensors.torch import save_file

from arms.encoders.image import build_image_encoder
from arms.errors import ArmsError
from tests.encoders.cuts import EXACT, check_bfloat16, check_gradients, image_batch, pictures, randomise, run
from tests.fakes import image_params

TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}
# Of open_clip's own configurations, with small towers of the same kinds.
TOWERS = {
    "siglip": {"timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "none", "image_size": 160},
    "linear": {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160},
    "mlp": {"timm_model_name": "test_vit2", "timm_pool": "avg", "timm_proj": "mlp", "image_size": 160},
    "mobileclip": {"timm_model_name": "test_byobnet", "timm_pool": "avg", "timm_proj": None, "image_size": 160},
    "attention-pool": {"timm_model_name": "test_byobnet", "timm_pool": "rot_attn", "timm_proj": "", "image_size": 160},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder for each model, as open_clip saves it."""
    root = tmp_path_factory.mktemp("open_clip")
    for name, vision in TOWERS.items():
        config = {"embed_dim": 96 if name == "siglip" else 8, "vision_cfg": vision, "text_cfg": TEXT}
        (root / name).mkdir()
        (root / name / "open_clip_config.json").write_text(
            json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}})
        )
        torch.manual_seed(1)
        clip = open_clip.CLIP(**config)
        randomise(clip)
        tensors = {key: value.contiguous() for key, value in clip.state_dict().items()}
        save_file(tensors, root / name / "open_clip_model.safetensors")
    return root


def build(hub, name, **changes):
    settings = {"model": f"local-dir:{hub / name}", "architecture": None, "pretrained": "own", "resize": "own"}
    return build_image_encoder(image_params(**settings | changes), seed=1)


def towers_own(hub, name, images):
    clip, _, transform = open_clip.create_model_and_transforms(f"local-dir:{hub / name}")
    batch = torch.stack([transform(image) for image in images])
    with torch.inference_mode():
        return clip.eval().encode_image(batch), clip.visual.trunk.forward_features(batch)


@pytest.mark.parametrize("name", TOWERS)
def test_features_and_tokens_are_open_clips(hub, name):
    images = pictures(90, 170)
    encoder = build(hub, name)
    batch = image_batch(encoder, images)
    with torch.inference_mode():
        _, output = run(encoder, batch)
    pooled, features = towers_own(hub, name, images)
    torch.testing.assert_close(output["pooled"], pooled, **EXACT)
    tokens = features if features.ndim == 3 else features.flatten(2).transpose(1, 2)
    torch.testing.assert_close(output["tokens"], tokens, **EXACT)
    assert (encoder.width, encoder.token_width) == (pooled.shape[1], tokens.shape[2])
    check_bfloat16(encoder, batch)


@pytest.mark.parametrize("name", [name for name in TOWERS if "vit" in TOWERS[name]["timm_model_name"]])
@pytest.mark.parametrize("tunable_layers", [1, 3, "all"])
def test_a_vit_is_cut(hub, name, tunable_layers):
    images = pictures(90, 170)
    encoder = build(hub, name, tunable_layers=tunable_layers)
    batch = image_batch(encoder, images)
    _, output = run(encoder, batch)
    torch.testing.assert_close(output["pooled"], towers_own(hub, name, images)[0], **EXACT)
    check_gradients(encoder, batch)


def test_any_other_is_refused_by_name(hub):
    with pytest.raises(
        ArmsError, match=r"mobileclip/own: timm's ByobNet cannot be cut; set tunable_layers: 0, got all"
    ):
        build(hub, "mobileclip", tunable_layers="all")


def test_the_resizing_is_the_models_own_or_that_of_the_settings(hub):
    """open_clip's own is a crop unless a model says otherwise."""
    images = pictures(90, 170, 1)
    own = image_transform_v2(PreprocessCfg(size=160, mean=(0.5,) * 3, std=(0.5,) * 3), is_train=False)
    encoder, squashed = build(hub, "siglip"), build(hub, "siglip", resize="squash")
    with torch.inference_mode():
        ours = encoder.trunk[0][0](image_batch(encoder, images))["pixels"]
    assert torch.equal(ours[0], own(images[0]))
    assert encoder.fingerprint["resize"] == "shortest"
    assert squashed.fingerprint["resize"] == "squash"
    assert len(encoder.fingerprint["config"]) == 64


def test_an_architecture_of_ones_own():
    architecture = {"embed_dim": 8, "vision_cfg": TOWERS["linear"]}
    encoder = build_image_encoder(image_params(architecture=architecture), seed=5)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        clip = open_clip.CLIP(**architecture, text_cfg=TEXT).eval()
    images = pictures(160, 160)
    transform = image_transform_v2(PreprocessCfg(size=160, resize_mode="squash"), is_train=False)
    with torch.inference_mode():
        expected = clip.visual(torch.stack([transform(image) for image in images]))
        _, output = run(encoder, image_batch(encoder, images))
    torch.testing.assert_close(output["pooled"], expected, **EXACT)
