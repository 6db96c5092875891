"""Small models of random weights, saved as their libraries save them, and the libraries' own calls."""

from pathlib import Path
from typing import Any

import torch

from arms.encoders.torchvision_guard import import_torchvision
from tests.encoders.cuts import randomise
from tests.fakes import VOCABULARY_SIZE, image_params, text_params, tiny_tokenizer

import_torchvision()

import timm  # noqa: E402
import transformers  # noqa: E402
from timm.data import create_transform, resolve_data_config  # noqa: E402
from timm.models._hub import save_for_hf  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
SMALL_VIT = {"embed_dim": 24, "depth": 3, "num_heads": 2}
# timm's architecture, what makes it small, and its last features: of a ViT, or a map of channels first or last.
TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "siglip": ("vit_base_patch16_siglip_224", {**SMALL_VIT, "img_size": 64}),
    "siglip2": ("vit_base_patch16_siglip_256", {**SMALL_VIT, "img_size": 64}),
    "dinov2": ("vit_small_patch14_reg4_dinov2", {**SMALL_VIT, "img_size": 56, "init_values": 0.5}),
    "dinov3": ("vit_small_patch16_dinov3", {**SMALL_VIT, "img_size": 64}),
    "eva02": ("eva02_tiny_patch14_224", {**SMALL_VIT, "img_size": 56}),
    "vit-average": ("vit_base_patch16_rpn_224", {**SMALL_VIT, "img_size": 64}),
    "vit-fc-norm": ("vit_base_patch16_224", {**SMALL_VIT, "img_size": 64, "global_pool": "avg"}),
    "efficientnet": ("test_efficientnet", {}),
    "mobilenet": ("mobilenetv3_small_050", {}),
    "convnext": ("test_convnext", {}),
    "resnet": ("test_resnet", {}),
    "swin": ("swin_tiny_patch4_window7_224", {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 1)}),
    "vit-rel-pos": ("vit_relpos_small_patch16_224", {**SMALL_VIT, "img_size": 64}),
    "fastvit": ("fastvit_t8", {"layers": (1, 1, 1, 1)}),
}
TIMM_VITS = ("siglip", "siglip2", "dinov2", "dinov3", "eva02", "vit-average", "vit-fc-norm")

_TEXT_SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
_COMMON = {**_TEXT_SIZES, "vocab_size": VOCABULARY_SIZE, "max_position_embeddings": 32}
_DECODER = {**_COMMON, "num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 0, "use_cache": True}
TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "albert": ("Albert", {**_COMMON, "embedding_size": 4}),
    "bert decoder": ("Bert", {**_COMMON, "is_decoder": True}),
    "deberta-v2": ("DebertaV2", {**_COMMON, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "gemma3_text": ("Gemma3Text", {**_DECODER, "sliding_window": 4}),
    "mpnet": ("MPNet", _COMMON),
    "qwen3": ("Qwen3", _DECODER),
    "roberta-prelayernorm": ("RobertaPreLayerNorm", _COMMON),
    "roformer": ("RoFormer", {**_COMMON, "embedding_size": 16}),
    "t5": ("T5", {"d_model": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2, "vocab_size": VOCABULARY_SIZE}),
}
MODERNBERT = {
    **_COMMON,
    "global_attn_every_n_layers": 3,
    "local_attention": 6,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0),
}


def save_timm(folder: Path, name: str) -> Path:
    """A timm model as the hub has it."""
    architecture, arguments = TIMM[name]
    torch.manual_seed(1)
    model = timm.create_model(architecture, **arguments)
    randomise(model)
    save_for_hf(model, str(folder), model_args=arguments, safe_serialization=True)
    return folder


def timms_own(folder: Path, pictures: list) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings and last features, by timm as its users call it."""
    model = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()
    transform = create_transform(**resolve_data_config({}, model=model))
    batch = torch.stack([transform(picture) for picture in pictures])
    with torch.inference_mode():
        return model(batch), model.forward_features(batch)


def save_text(folder: Path, family: str, settings: dict[str, Any]) -> Path:
    """A transformers model of texts with its tokenizer."""
    torch.manual_seed(1)
    config = getattr(transformers, f"{family}Config")(**settings)
    model = getattr(transformers, f"{family}Model")(config)
    randomise(model)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), **SPECIAL).save_pretrained(folder)
    return folder


def image_settings(library: str, folder: Path, **changes: Any) -> Any:
    return image_params(
        **{"library": library, "model": str(folder), "architecture": None, "resize": "own", "store_tokens": False}
        | changes
    )


def text_settings(folder: Path, **changes: Any) -> Any:
    return text_params(**{"model": str(folder), "architecture": None, "vocabulary_size": None} | changes)
