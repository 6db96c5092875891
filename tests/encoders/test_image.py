"""The image encoder against open_clip's own towers and transforms."""

import io
import json

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import save_file

from arms.data.appearance import APPEARANCE, as_seen
from arms.encoders.image import build_image_encoder
from arms.errors import ArmsError
from tests.encoders.cuts import EXACT, image_batch, pictures, run
from tests.fakes import RESNET, VIT, image_params

TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}
TOWERS = {
    "tiny-vit": VIT,
    "tiny-resnet": RESNET,
    "tiny-timm": {"embed_dim": 8, "vision_cfg": {"timm_model_name": "test_byobnet", "image_size": 160}},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder of checkpoints as open_clip saves them, of small models registered under their names."""
    folder = tmp_path_factory.mktemp("open_clip")
    for name, config in TOWERS.items():
        (folder / f"{name}.json").write_text(json.dumps({**config, "text_cfg": TEXT}))
    open_clip.add_model_config(folder)
    for name in ("tiny-vit", "tiny-resnet"):
        clip = open_clip.create_model(name)
        torch.save({"epoch": 1, "name": name, "state_dict": clip.state_dict()}, folder / f"{name}.pt")
        save_file({key: value.contiguous() for key, value in clip.state_dict().items()}, folder / f"{name}.safetensors")
    return folder


def from_hub(hub, name, **changes):
    checkpoint = str(hub / f"{name}.pt")
    return build_image_encoder(image_params(model=name, architecture=None, pretrained=checkpoint, **changes), seed=1)


def test_an_architecture_of_ones_own_is_open_clips_from_the_seed():
    for architecture in (VIT, {**VIT, "quick_gelu": True}, RESNET):
        encoder = build_image_encoder(image_params(architecture=architecture, tunable_layers=1), seed=5)
        with torch.random.fork_rng():
            torch.manual_seed(5)
            clip = open_clip.CLIP(**architecture, text_cfg=TEXT).eval()
        images = pictures()
        transform = image_transform_v2(PreprocessCfg(size=32, resize_mode="squash"), is_train=False)
        expected = clip.visual(torch.stack([transform(image) for image in images]))
        torch.testing.assert_close(run(encoder, image_batch(encoder, images))[1]["pooled"], expected, **EXACT)


def test_building_leaves_the_global_random_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    build_image_encoder(image_params(), seed=5)
    assert torch.rand(1) == expected


@pytest.mark.parametrize("size", [32, [32, 48]])
@pytest.mark.parametrize("resize", ["shortest", "longest", "squash"])
def test_preprocessing_is_open_clips(resize, size):
    architecture = {"embed_dim": 8, "vision_cfg": {**VIT["vision_cfg"], "image_size": size}}
    encoder = build_image_encoder(image_params(architecture=architecture, resize=resize), seed=1)
    normalise = encoder.trunk[0][0]
    size = tuple(size) if isinstance(size, list) else size
    transform = image_transform_v2(PreprocessCfg(size=size, resize_mode=resize), is_train=False)
    rng = np.random.default_rng(0)
    for height, width in ((32, 32), (20, 50), (97, 31), (6, 6), (1, 9)):
        colours = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8), mode="RGBA")
        for image in [colours.convert(mode) for mode in ("RGB", "L", "LA", "1", "CMYK", "P")] + [colours]:
            seen = as_seen(image)  # open_clip would resize a palette's numbers, and drop what alpha says
            pixels = encoder.read(image)
            assert pixels.dtype == np.uint8
            assert pixels.flags.c_contiguous
            ours = normalise({"pixels": torch.from_numpy(pixels)[None]})["pixels"][0]
            assert torch.equal(ours, transform(seen)), (image.mode, height, width)


def test_reading_from_files_and_streams(tmp_path):
    encoder = build_image_encoder(image_params(), seed=1)
    (image,) = pictures(40, 60, 1)
    image.save(tmp_path / "a.png")
    expected = encoder.read(image)
    stream = io.BytesIO((tmp_path / "a.png").read_bytes())
    for source in (str(tmp_path / "a.png"), tmp_path / "a.png", stream):
        np.testing.assert_array_equal(encoder.read(source), expected)


def test_pretrained_weights_come_from_either_format(hub):
    state = torch.load(hub / "tiny-vit.pt", weights_only=True)["state_dict"]
    for suffix in ("pt", "safetensors"):
        settings = image_params(model="tiny-vit", architecture=None, pretrained=str(hub / f"tiny-vit.{suffix}"))
        encoder = build_image_encoder(settings, seed=1)
        assert torch.equal(encoder.trunk[-1].visual.proj, state["visual.proj"])
        assert torch.equal(encoder.trunk[0][1].visual.conv1.weight, state["visual.conv1.weight"])


@pytest.mark.parametrize("pretrained", ["openai", "/nowhere/weights.pt"])
def test_weights_that_a_checkpoint_brings_are_not_looked_for(pretrained):
    settings = image_params(model="RN50", architecture=None, pretrained=pretrained, tunable_layers="all")
    encoder = build_image_encoder(settings, seed=1, load_weights=False)
    assert encoder.name == f"RN50/{pretrained}"


@pytest.fixture
def tag(hub, monkeypatch):
    """A pretrained tag of the tiny ViT, with preprocessing and an activation that its architecture does not show."""
    config = {
        "file": str(hub / "tiny-vit.pt"),
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.2, 0.1),
        "interpolation": "bilinear",
        "resize_mode": "squash",
        "quick_gelu": True,
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-vit", {"mine": config})
    return config


def test_a_tag_brings_its_preprocessing_and_activation(hub, tag):
    settings = image_params(model="tiny-vit", architecture=None, pretrained="mine", tunable_layers=1, resize="shortest")
    images = pictures(50, 40)
    clip, _, _ = open_clip.create_model_and_transforms("tiny-vit", pretrained="mine", force_quick_gelu=True)
    preprocess = PreprocessCfg(32, mean=tag["mean"], std=tag["std"], interpolation="bilinear")
    transform = image_transform_v2(preprocess, is_train=False)
    expected = clip.eval().visual(torch.stack([transform(image) for image in images]))
    encoder = build_image_encoder(settings, seed=1)
    torch.testing.assert_close(run(encoder, image_batch(encoder, images))[1]["pooled"], expected, **EXACT)
    bare = build_image_encoder(settings, seed=1, load_weights=False)
    bare.trunk.load_state_dict(encoder.trunk.state_dict())
    bare.tail.load_state_dict(encoder.tail.state_dict())
    torch.testing.assert_close(run(bare, image_batch(bare, images))[1]["pooled"], expected, **EXACT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tunable_layers": 4}, "image encoder own architecture, seed 1 has 3 layers, got 4; use 0 to 3, or all"),
        ({"architecture": {"vision_cfg": {}}}, "image.architecture: expected an open_clip model configuration"),
        ({"architecture": {"embed_dim": 8, "vision_cfg": {"layer": 3}}}, "got {'embed_dim': 8, 'vision_cfg': {'layer'"),
        ({"architecture": {**VIT, "custom_text": True}}, "unexpected keyword argument 'custom_text'"),
        (
            {"architecture": {"embed_dim": 8, "vision_cfg": {**VIT["vision_cfg"], "pos_embed_type": "cosine"}}},
            "image.architecture: expected an open_clip model configuration",
        ),
        (
            {"architecture": {"embed_dim": 8, "vision_cfg": {**VIT["vision_cfg"], "pool_type": "none"}}},
            "image encoder own architecture, seed 1: a tower without pooling (pool_type: none, attentional_pool:",
        ),
        (
            {"architecture": {"embed_dim": 8, "vision_cfg": {**VIT["vision_cfg"], "attentional_pool": "cascade"}}},
            "has no embedding; use pool_type: tok or avg, or attentional_pool: true",
        ),
        ({"model": "ViT-B-33"}, "image encoder 'ViT-B-33' with weights None could not be loaded: Model config for"),
        (
            {"model": "ViT-B-32", "pretrained": "opnai"},
            "with weights 'opnai' could not be loaded: Pretrained value 'opnai' is not a known tag or valid file path",
        ),
        (
            {"model": "tiny-timm", "tunable_layers": 1},
            "image encoder tiny-timm/seed 1: timm's ByobNet cannot be cut; set tunable_layers: 0, got 1",
        ),
        (
            {
                "architecture": {
                    "embed_dim": 8,
                    "vision_cfg": {"timm_model_name": "test_vit", "timm_model_pretrained": True},
                }
            },
            "image.architecture names a further model, timm_model_name 'test_vit', which would be loaded",
        ),
    ],
)
def test_errors(hub, changes, message):
    own = {"architecture": None} if "model" in changes else {}
    with pytest.raises(ArmsError) as caught:
        build_image_encoder(image_params(**own, **changes), seed=1)
    assert message in str(caught.value)


def test_weights_of_another_architecture(hub):
    settings = image_params(model="tiny-vit", architecture=None, pretrained=str(hub / "tiny-resnet.pt"))
    with pytest.raises(ArmsError, match=r"image encoder 'tiny-vit' with weights .*could not be loaded"):
        build_image_encoder(settings, seed=1)


class TestFingerprint:
    """It changes when, and only when, what crosses the cut changes."""

    @staticmethod
    def of(seed=1, vision=None, **changes):
        architecture = {"embed_dim": 8, "vision_cfg": {**VIT["vision_cfg"], **(vision or {})}}
        return build_image_encoder(image_params(architecture=architecture, **changes), seed=seed).fingerprint

    def test_it_is_json(self):
        for tunable_layers in (0, 1, "all"):
            fingerprint = self.of(tunable_layers=tunable_layers)
            assert json.loads(json.dumps(fingerprint)) == fingerprint

    def test_it_says_how_pictures_are_read(self):
        for tunable_layers in (0, 1, "all"):
            assert self.of(tunable_layers=tunable_layers)["pictures"] == APPEARANCE

    def test_pixels_depend_on_the_size_and_resizing_alone(self):
        pixels = self.of(tunable_layers="all")
        assert pixels == self.of(seed=2, vision={"width": 16, "layers": 2}, tunable_layers="all", store_tokens=False)
        assert pixels == self.of(tunable_layers=3)
        assert pixels != self.of(tunable_layers="all", resize="longest")
        assert pixels != self.of(tunable_layers="all", vision={"image_size": 48})

    def test_states_depend_on_the_trunk(self):
        states = self.of(tunable_layers=1)
        assert states == self.of(tunable_layers=1)
        assert states == self.of(tunable_layers=1, store_tokens=False)
        others = (
            self.of(tunable_layers=2),
            self.of(tunable_layers=1, seed=2),
            self.of(tunable_layers=0),
            self.of(tunable_layers=1, vision={"head_width": 8}),  # of the same weights
        )
        assert all(states != other for other in others)

    def test_pooled_depends_on_the_arrays_kept(self):
        assert self.of(store_tokens=True) != self.of(store_tokens=False)
        assert self.of(store_tokens=False)["arrays"] == ["pooled"]

    def test_of_weights_from_a_file(self, hub):
        def encoder(tunable_layers):
            return from_hub(hub, "tiny-vit", tunable_layers=tunable_layers)

        assert encoder(1).fingerprint["weights"] != self.of(tunable_layers=1)["weights"]
        assert encoder("all").fingerprint == self.of(tunable_layers="all")
