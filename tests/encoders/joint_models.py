"""Small vision-language models of random weights, saved as transformers saves them, and the library's own calls."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from arms.encoders.torchvision_guard import import_torchvision
from arms.params.encoders import PairEncoderParams
from tests.encoders.cuts import randomise
from tests.encoders.libraries import SPECIAL
from tests.fakes import tiny_tokenizer

import_torchvision()

import transformers  # noqa: E402
from transformers import AutoModel, AutoProcessor, PreTrainedTokenizerFast  # noqa: E402

_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
_DECODER = {
    **_SIZES,
    "num_key_value_heads": 1,
    "vocab_size": 300,
    "max_position_embeddings": 4096,
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}
_CHAT = (
    "{% for turn in messages %}{{ turn['role'] }}: {% for part in turn['content'] %}{% if part['type'] == 'image' %}"
    "PICTURE{% else %}{{ part['text'] }}{% endif %}{% endfor %} . {% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
_CORNERS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_TILES = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
FAMILIES = ("idefics3", "llava", "qwen2-vl", "vilt")
POOLINGS = {"idefics3": "mean", "llava": "last", "qwen2-vl": "last", "vilt": "cls"}


def _tokenizer(*tokens: str) -> Any:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), **SPECIAL)
    tokenizer.add_special_tokens({"additional_special_tokens": list(tokens)})
    return tokenizer


def _llava() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<image>")
    vision = transformers.CLIPVisionConfig(**_SIZES, image_size=32, patch_size=16)
    text = transformers.LlamaConfig(**_DECODER)
    place = tokenizer.convert_tokens_to_ids("<image>")
    config = transformers.LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=place, vision_feature_layer=-1
    )
    pictures = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    more = {"patch_size": 16, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return transformers.LlavaModel(config), transformers.LlavaProcessor(pictures, tokenizer, **more)


def _vilt() -> tuple[Any, Any]:
    config = transformers.ViltConfig(**_SIZES, vocab_size=300, image_size=32, patch_size=16, max_position_embeddings=40)
    pictures = transformers.ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=16)
    return transformers.ViltModel(config), transformers.ViltProcessor(pictures, _tokenizer())


def _qwen2_vl() -> tuple[Any, Any]:
    tokenizer = _tokenizer(*_CORNERS)
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    ids = dict(zip(names, tokenizer.convert_tokens_to_ids(list(_CORNERS)), strict=True))
    turning = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = transformers.Qwen2VLConfig(
        text_config={**_DECODER, "rope_parameters": turning},
        vision_config={"depth": 2, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2},
        **ids,
    )
    processor = transformers.Qwen2VLProcessor(
        transformers.Qwen2VLImageProcessor(size={"shortest_edge": 28 * 28, "longest_edge": 9 * 28 * 28}),
        tokenizer,
        transformers.Qwen2VLVideoProcessor(),
        chat_template=_CHAT.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return transformers.Qwen2VLModel(config), processor


def _idefics3() -> tuple[Any, Any]:
    tokenizer = _tokenizer(*_TILES, *(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)))
    config = transformers.Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_config={**_SIZES, "image_size": 32, "patch_size": 8},
        text_config=transformers.LlamaConfig(**_DECODER),
        scale_factor=2,
    )
    pictures = transformers.Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    template = _CHAT.replace("PICTURE", "<image>")
    processor = transformers.Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=template)
    return transformers.Idefics3Model(config), processor


_MAKE = {"idefics3": _idefics3, "llava": _llava, "qwen2-vl": _qwen2_vl, "vilt": _vilt}


def save_joint(folder: Path, family: str) -> Path:
    """A model with its processor."""
    torch.manual_seed(1)
    model, processor = _MAKE[family]()
    randomise(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def pair_params(folder: Path, family: str, **changes: Any) -> PairEncoderParams:
    settings = {
        "model": str(folder),
        "pooling": POOLINGS[family],
        "normalise": False,
        "max_tokens": 30,
        "max_images": 1 if family == "vilt" else 8,
        "longest_px": 64,
        "precision": "float32",
    }
    return PairEncoderParams(**settings | changes)


@torch.inference_mode()
def transformers_own(folder: Path, family: str, pictures: list[Image.Image], question: str) -> torch.Tensor:
    """The states of a picture or more and a question, shape (T, D), by transformers as its users call it."""
    processor = AutoProcessor.from_pretrained(folder)
    if family in ("idefics3", "qwen2-vl"):
        parts = [*({"type": "image", "image": picture} for picture in pictures), {"type": "text", "text": question}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": parts}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
    else:
        text = question if family == "vilt" else "<image>" * len(pictures) + question
        inputs = processor(images=pictures or None, text=text, return_tensors="pt")
    return AutoModel.from_pretrained(folder).eval()(**inputs).last_hidden_state[0]
