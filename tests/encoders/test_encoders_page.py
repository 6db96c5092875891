"""The settings on docs/encoders.md, with small models of the same families in the place of those on the hub."""

import json
import re
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from arms.encoders.joint import build_joint_encoder
from arms.encoders.pair import build_encoders
from arms.encoders.torchvision_guard import import_torchvision
from arms.params.encoders import EncodersParams
from tests.docs.markdown import read_blocks
from tests.encoders.cuts import TEXTS as QUESTIONS
from tests.encoders.cuts import image_batch, pictures, run, text_batch
from tests.encoders.joint_models import save_joint
from tests.encoders.libraries import MODERNBERT, TEXTS, save_text, save_timm
from tests.fakes import image_params, text_params

import_torchvision()

import open_clip  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/encoders.md").read_text(encoding="utf-8")
BLOCKS = [block.text for block in read_blocks(PAGE) if block.language == "yaml"]
SNIPPETS = [text for text in BLOCKS if text.startswith("image:")]
(PAIR,) = [text for text in BLOCKS if text.startswith("pair:")]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
XLM_ROBERTA = {**SIZES, "vocab_size": 250, "max_position_embeddings": 34, "pad_token_id": 1}


def siglip2_of_timm(folder):
    return save_timm(folder, "siglip2")


def dinov3_of_timm(folder):
    return save_timm(folder, "dinov3")


def siglip2_of_transformers(folder):
    sizes = {"vision_config": {**SIZES, "image_size": 32, "patch_size": 16}, "text_config": {**SIZES, "vocab_size": 40}}
    transformers.SiglipModel(transformers.SiglipConfig(**sizes)).save_pretrained(folder)
    transformers.SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def mobileclip(folder):
    folder.mkdir(exist_ok=True)
    vision = {"timm_model_name": "test_byobnet", "timm_pool": "avg", "timm_proj": None, "image_size": 160}
    text = {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1, "no_causal_mask": True}
    model = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text, "custom_text": True}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))
    clip = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    tensors = {key: value.contiguous() for key, value in clip.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return f"local-dir:{folder}"


def e5(folder):
    return save_text(folder, "XLMRoberta", XLM_ROBERTA)


def modernbert(folder):
    return save_text(folder, "ModernBert", MODERNBERT)


def qwen3_embedding(folder):
    library = pytest.importorskip("sentence_transformers", reason="pip install 'arms[sentences]'")
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    settings = {**TEXTS["qwen3"][1], "max_position_embeddings": 64}
    first = Transformer(str(save_text(folder / "parts", "Qwen3", settings)))
    modules = [first, Pooling(16, pooling_mode="lasttoken"), Normalize()]
    prompts = {"query": "Instruct: find it\nQuery:", "document": ""}
    library.SentenceTransformer(modules=modules, device="cpu", prompts=prompts).save(str(folder / "whole"))
    return folder / "whole"


SMALL = {
    "timm/vit_base_patch16_siglip_224.v2_webli": siglip2_of_timm,
    "timm/vit_small_patch16_dinov3.lvd1689m": dinov3_of_timm,
    "google/siglip2-base-patch16-224": siglip2_of_transformers,
    "hf-hub:apple/MobileCLIP-S2-OpenCLIP": mobileclip,
    "intfloat/multilingual-e5-small": e5,
    "Qwen/Qwen3-Embedding-0.6B": qwen3_embedding,
    "answerdotai/ModernBERT-base": modernbert,
}


def test_each_family_is_there():
    named = re.findall(r"model: (\S+)@COMMIT", PAGE)
    assert set(named) == SMALL.keys() | {"Qwen/Qwen2-VL-2B-Instruct"}
    assert len(SNIPPETS) == 4


@pytest.mark.parametrize("text", SNIPPETS, ids=lambda text: re.search(r"model: (\S+)@", text)[1])
def test_settings_of_the_page(text, tmp_path):
    pinned = text.replace("COMMIT", "0" * 40).replace("SHA256", "ab" * 32)
    settings = YAML(typ="safe", pure=True).load(pinned)
    EncodersParams.model_validate(settings)  # as they stand there
    assert settings.pop("pair") is None
    for modality, section in settings.items():
        small = SMALL[section["model"].partition("@")[0]](tmp_path / modality)
        section |= {"model": str(small), "sha256": None, "precision": "float32"}
    encoders = build_encoders(EncodersParams.model_validate(settings), seed=1)
    with torch.inference_mode():
        _, image = run(encoders.image, image_batch(encoders.image, pictures(90, 70)))
        _, question = run(encoders.text, text_batch(encoders.text, QUESTIONS))
    assert image["pooled"].shape == (3, encoders.image.width)
    assert question["pooled"].shape == (len(QUESTIONS), encoders.text.width)
    assert ("tokens" in encoders.image.crossing) == settings["image"]["store_tokens"]
    if settings["text"].get("prompt") == "query":
        assert encoders.text.fingerprint["prompt"] == "Instruct: find it\nQuery:"


def test_the_joint_encoder_of_the_page(tmp_path):
    pinned = PAIR.replace("COMMIT", "0" * 40).replace("SHA256", "ab" * 32)
    section = YAML(typ="safe", pure=True).load(pinned)["pair"]
    both = {"image": image_params(), "text": text_params()}
    EncodersParams.model_validate({**both, "pair": section})
    section |= {"model": str(save_joint(tmp_path, "qwen2-vl")), "sha256": None, "precision": "float32"}
    encoder = build_joint_encoder(EncodersParams.model_validate({**both, "pair": section}))
    assert encoder.trunk(encoder.example(1))["pooled"].norm().item() == pytest.approx(1, abs=1e-5)
    assert encoder.takes_no_picture
