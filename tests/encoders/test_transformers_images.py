"""Image models of transformers, frozen whole, against the library's own processor and call."""

import json

import pytest
import torch
import transformers

from arms.encoders.image import build_image_encoder
from arms.errors import ArmsError
from tests.encoders.cuts import EXACT, check_bfloat16, image_batch, pictures, randomise, run
from tests.encoders.libraries import image_settings

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
VIT = {**SIZES, "image_size": 32, "patch_size": 8}
TEXT = {**SIZES, "vocab_size": 40, "max_position_embeddings": 8}
CONVS = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
SQUARE = {"size": {"height": 32, "width": 32}}
FAMILIES = {
    "vit": ("ViT", VIT, "ViTImageProcessor", SQUARE),
    "dinov2": ("Dinov2", VIT, "BitImageProcessor", {"size": {"shortest_edge": 40}, "crop_size": SQUARE["size"]}),
    "dinov3": ("DINOv3ViT", {**VIT, "num_register_tokens": 2}, "DINOv3ViTImageProcessor", SQUARE),
    "siglip": ("Siglip", {"vision_config": VIT, "text_config": TEXT}, "SiglipImageProcessor", SQUARE),
    "clip": (
        "CLIP",
        {"vision_config": VIT, "text_config": TEXT, "projection_dim": 12},
        "CLIPImageProcessor",
        {"size": {"shortest_edge": 32}, "crop_size": SQUARE["size"]},
    ),
    "resnet": ("ResNet", CONVS, "ConvNextImageProcessor", {"size": {"shortest_edge": 32}}),
    "swin": (
        "Swin",
        {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 1], "window_size": 4},
        "ViTImageProcessor",
        SQUARE,
    ),
}


def save(folder, name):
    family, settings, processor, read = FAMILIES[name]
    torch.manual_seed(1)
    model = getattr(transformers, f"{family}Model")(getattr(transformers, f"{family}Config")(**settings))
    randomise(model)
    model.save_pretrained(folder)
    getattr(transformers, processor)(**read).save_pretrained(folder)
    return folder


def librarys_own(folder, name, images):
    """As the library's pages write it."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = transformers.AutoImageProcessor.from_pretrained(folder)(images=images, return_tensors="pt")
    with torch.inference_mode():
        if name in ("siglip", "clip"):
            states = model.vision_model(**inputs).last_hidden_state
            return model.get_image_features(**inputs).pooler_output, states
        output = model(**inputs)
    return output.pooler_output.flatten(1), output.last_hidden_state


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for name in FAMILIES:
        save(folder / name, name)
    return folder


def build(hub, name, **changes):
    return build_image_encoder(image_settings("transformers", hub / name, **changes), seed=1)


@pytest.mark.parametrize("name", FAMILIES)
def test_features_and_tokens_are_the_librarys(hub, name):
    images = pictures(50, 70)
    encoder = build(hub, name, store_tokens=True)
    batch = image_batch(encoder, images)
    with torch.inference_mode():
        _, output = run(encoder, batch)
    pooled, states = librarys_own(hub / name, name, images)
    torch.testing.assert_close(output["pooled"], pooled, **EXACT)
    states = states if states.ndim == 3 else states.flatten(2).transpose(1, 2)
    torch.testing.assert_close(output["tokens"], states, **EXACT)
    assert (encoder.width, encoder.token_width) == (pooled.shape[1], states.shape[2])
    check_bfloat16(encoder, batch)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_another_vector_than_the_models_own(hub, pooling):
    images = pictures(50, 70)
    encoder = build(hub, "dinov3", pooling=pooling)
    with torch.inference_mode():
        _, output = run(encoder, image_batch(encoder, images))
    _, states = librarys_own(hub / "dinov3", "dinov3", images)
    expected = states[:, 0] if pooling == "cls" else states.mean(dim=1)
    torch.testing.assert_close(output["pooled"], expected, **EXACT)
    assert encoder.fingerprint != build(hub, "dinov3").fingerprint


def test_the_fingerprint(hub):
    fingerprint = build(hub, "vit").fingerprint
    assert json.loads(json.dumps(fingerprint)) == fingerprint == build(hub, "vit").fingerprint
    assert (fingerprint["library"], fingerprint["arrays"]) == ("transformers", ["pooled"])


def test_it_cannot_be_cut(hub):
    with pytest.raises(ArmsError, match="transformers' ViTModel cannot be cut; set tunable_layers: 0, got all"):
        build(hub, "vit", tunable_layers="all")


def test_a_checkpoint_without_a_pooler(tmp_path):
    """Classifiers are saved without one, and transformers would make one up."""
    folder = save(tmp_path / "vit", "vit")
    transformers.ViTModel.from_pretrained(folder, add_pooling_layer=False).save_pretrained(folder)
    message = r"its files hold no weights for pooler.dense.bias, pooler.dense.weight; set image.pooling: cls or mean"
    with pytest.raises(ArmsError, match=message):
        build_image_encoder(image_settings("transformers", folder), seed=1)
    encoders = [
        build_image_encoder(image_settings("transformers", folder, pooling="cls"), seed=seed) for seed in (1, 2)
    ]
    assert encoders[0].fingerprint == encoders[1].fingerprint


def test_a_processor_that_gives_pictures_of_several_sizes(tmp_path):
    folder = save(tmp_path / "vit", "vit")
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, do_center_crop=False).save_pretrained(folder)
    with pytest.raises(ArmsError, match=r"gives pixels of shape \(3, 48, 32\) and \(3, 32, 48\) for two pictures"):
        build_image_encoder(image_settings("transformers", folder), seed=1)


def test_a_model_of_texts(tmp_path):
    config = transformers.BertConfig(**SIZES, vocab_size=40)
    transformers.BertModel(config).save_pretrained(tmp_path)
    transformers.ViTImageProcessor(**SQUARE).save_pretrained(tmp_path)
    with pytest.raises(ArmsError, match="cannot be run on a picture: ValueError: You must specify"):
        build_image_encoder(image_settings("transformers", tmp_path), seed=1)
