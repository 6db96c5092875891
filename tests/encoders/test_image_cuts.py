"""Trunk and tail against open_clip's own towers, cut everywhere, with every option that a tower has."""

import json

import open_clip
import pytest
import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transform import PreprocessCfg, image_transform_v2

from arms.encoders.image import build_image_encoder
from tests.encoders.cuts import (
    EXACT,
    check_bfloat16,
    check_gradients,
    image_batch,
    num_parameters,
    pictures,
    randomise,
    run,
)
from tests.fakes import RESNET, VIT, image_params

TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}


def shrunk(config):
    """A small model with all the flags of an open_clip configuration."""
    vision = config["vision_cfg"]
    if isinstance(vision["layers"], list):
        small = {"layers": [2, 1, 1, 1], "width": 8, "image_size": 64}
    else:
        small = {"layers": 3, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 16}
    texts = {name: {**TEXT, "width": 24} for name in ("text_cfg", "multimodal_cfg") if name in config}
    return {**config, "embed_dim": 24, "vision_cfg": {**vision, **small}, **texts}


def shipped():
    """Every configuration in open_clip with a tower that can be cut; those alike when shrunk are one."""
    configs = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    alike = {
        json.dumps(shrunk(config), sort_keys=True): f"cut-{name}"
        for name, config in configs.items()
        if "timm_model_name" not in config["vision_cfg"]
    }
    return {name: json.loads(config) for config, name in alike.items()}


def vit(quick_gelu=False, **vision):
    return {"embed_dim": 12, "quick_gelu": quick_gelu, "vision_cfg": {**VIT["vision_cfg"], **vision}}


# The options of open_clip that no configuration of its own uses, and some of those that one does.
OPTIONS = {
    "vit": VIT,
    "vit-avg": vit(pool_type="avg", no_ln_pre=True, final_ln_after_pool=True, quick_gelu=True),
    "vit-attention-pool": vit(attentional_pool=True, attn_pooler_heads=2, attn_pooler_queries=4),
    "vit-attention-pool-avg": vit(attentional_pool=True, attn_pooler_heads=3, pool_type="avg"),
    "vit-oblong": vit(image_size=[32, 48], ls_init_value=0.5, mlp_ratio=2.5),
    "vit-sines": vit(pos_embed_type="sin_cos_2d"),
    "vit-patch-dropout": vit(patch_dropout=0.5),
    "vit-kwargs": vit(norm_kwargs={"eps": 0.1}, act_kwargs={"approximate": "tanh"}),
    "vit-plain-norms": vit(norm_kwargs={"elementwise_affine": False}),
    "vit-normed-attention": vit(qk_norm=True, scale_attn=True, scale_fc=True, scale_attn_inner=True, ls_init_value=0.5),
    "vit-scaled-heads": vit(scale_heads=True),
    "vit-custom-blocks": vit(block_type="custom"),
    "resnet": {**RESNET, "vision_cfg": {**RESNET["vision_cfg"], "layers": [1, 2, 1, 1]}},
}
TOWERS = {**{f"cut-{name}": config for name, config in OPTIONS.items()}, **shipped()}
DEPTHS = {
    name: len(layers) if isinstance(layers := config["vision_cfg"]["layers"], list) else layers
    for name, config in TOWERS.items()
}
EVERY_CUT = [(name, layers) for name, depth in DEPTHS.items() for layers in (*range(depth + 1), "all")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder of checkpoints as open_clip saves them, of the towers registered under their names."""
    folder = tmp_path_factory.mktemp("open_clip")
    for name, config in TOWERS.items():
        (folder / f"{name}.json").write_text(json.dumps({"text_cfg": TEXT, **config}))
    open_clip.add_model_config(folder)
    for name in TOWERS:
        clip = open_clip.create_model(name)
        randomise(clip)
        torch.save(clip.state_dict(), folder / f"{name}.pt")
    return folder


def from_hub(hub, name, **changes):
    checkpoint = str(hub / f"{name}.pt")
    return build_image_encoder(image_params(model=name, architecture=None, pretrained=checkpoint, **changes), seed=1)


def towers_own(hub, name):
    """open_clip's own tower, set to give its token states too where it can, and its transform."""
    model, _, transform = open_clip.create_model_and_transforms(name, pretrained=str(hub / f"{name}.pt"))
    if not isinstance(model.visual, ModifiedResNet):
        model.visual.output_tokens = True
    return model.eval().visual, transform


def states_of_resnet(visual, batch):
    """Pooled embedding and last feature map."""
    output = visual.forward_intermediates(batch, indices=1)
    return output["image_features"], output["image_intermediates"][0].flatten(2).transpose(1, 2)


@pytest.mark.parametrize(("name", "tunable_layers"), EVERY_CUT)
def test_trunk_and_tail_are_open_clips_tower(hub, name, tunable_layers):
    images = pictures(50, 40)
    encoder = from_hub(hub, name, tunable_layers=tunable_layers, resize="shortest")
    crossing, output = run(encoder, image_batch(encoder, images))
    visual, transform = towers_own(hub, name)
    batch = torch.stack([transform(image) for image in images])
    pooled, tokens = states_of_resnet(visual, batch) if isinstance(visual, ModifiedResNet) else visual(batch)
    torch.testing.assert_close(output["pooled"], pooled, **EXACT)
    torch.testing.assert_close(output["tokens"], tokens, **EXACT)
    assert output["pooled"].shape == (3, encoder.width)
    assert output["tokens"].shape[::2] == (3, encoder.token_width)
    kinds = {0: ("pooled", "tokens"), DEPTHS[name]: ("pixels",), "all": ("pixels",)}
    assert encoder.crossing == kinds.get(tunable_layers, ("states",))
    assert set(crossing) >= set(encoder.crossing)


@pytest.mark.parametrize(("name", "tunable_layers"), EVERY_CUT)
def test_gradients_reach_exactly_the_tail(hub, name, tunable_layers):
    encoder = from_hub(hub, name, tunable_layers=tunable_layers)
    check_gradients(encoder, image_batch(encoder, pictures()))
    assert num_parameters(encoder.trunk, encoder.tail) == num_parameters(towers_own(hub, name)[0])


@pytest.mark.parametrize("name", TOWERS)
def test_in_bfloat16(hub, name):
    encoder = from_hub(hub, name)
    check_bfloat16(encoder, image_batch(encoder, pictures()))


@pytest.mark.slow
@pytest.mark.parametrize(("model", "depth", "widths"), [("ViT-B-32", 12, (512, 768)), ("RN50", 4, (1024, 2048))])
def test_full_size(model, depth, widths):
    torch.manual_seed(2)
    visual = open_clip.create_model(model).eval().visual
    if model == "RN50":
        randomise(visual)
    images = pictures(12, 10, 2)  # with fine noise all would look the same
    transform = image_transform_v2(PreprocessCfg(size=224), is_train=False)
    with torch.inference_mode():
        expected = visual(torch.stack([transform(image) for image in images]))
    for tunable_layers in (*range(depth + 1), "all"):
        settings = image_params(model=model, architecture=None, tunable_layers=tunable_layers, resize="shortest")
        encoder = build_image_encoder(settings, seed=2)
        if model == "RN50":
            randomise(encoder.trunk, encoder.tail)
        with torch.inference_mode():
            _, output = run(encoder, image_batch(encoder, images))
        torch.testing.assert_close(output["pooled"], expected, **EXACT)
        assert (encoder.width, encoder.token_width) == widths
