"""The encoder pairs that are compared, and their embeddings of drawn pictures and of texts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer

from arms.encoders.bundled import bundled_folder
from arms.encoders.pair import EncoderPair, build_encoders
from arms.features import pooled
from arms.features.online import encode_queries
from arms.features.pooling import add_embeddings
from arms.params.encoders import EncodersParams, TunableLayers, read_encoders_params

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Embeddings:
    """Pooled embeddings of N pictures and of the N texts about them, shape (N, D) each."""

    images: np.ndarray
    texts: np.ndarray


def bundled(layers: TunableLayers) -> EncodersParams:
    """The bundled pair with so many layers to be trained with the head."""
    return _cut(read_encoders_params("bundled"), layers)


def untrained(layers: TunableLayers) -> EncodersParams:
    """The bundled architectures as they are before any training."""
    image = json.loads((bundled_folder("image") / "open_clip_config.json").read_text())["model_cfg"]
    text = json.loads((bundled_folder("text") / "config.json").read_text())
    names = ("dim", "n_layers", "n_heads", "hidden_dim", "max_position_embeddings")
    content = read_encoders_params("bundled").model_dump()
    content["image"] |= {"model": None, "pretrained": None, "architecture": _pick(image, ("embed_dim", "vision_cfg"))}
    content["text"] |= {"model": None, "architecture": _pick(text, names), "vocabulary_size": text["vocab_size"]}
    return _cut(EncodersParams.model_validate(content), layers)


def bundled_tokenizer() -> Tokenizer:
    """The bundled vocabulary, for an untrained text tower beside the trained one."""
    return Tokenizer.from_file(str(bundled_folder("text") / "tokenizer.json"))


def build(params: EncodersParams, seed: int) -> EncoderPair:
    """Both encoders, with the bundled vocabulary."""
    return build_encoders(params, seed=seed, tokenizer=bundled_tokenizer())


def embed(pair: EncoderPair, pictures: np.ndarray, texts: Sequence[str], batch_size: int = 64) -> Embeddings:
    """Embeddings of pictures of shape (N, 3, H, W), uint8, and of texts, as a nearest-neighbour router takes them."""
    parts = [
        _embed_batch(pair, pictures[start : start + batch_size], texts[start : start + batch_size])
        for start in range(0, len(texts), batch_size)
    ]
    return Embeddings(
        images=pooled.unit_norm(np.concatenate([part.image for part in parts])),
        texts=pooled.unit_norm(np.concatenate([part.text for part in parts])),
    )


def _embed_batch(pair: EncoderPair, pictures: np.ndarray, texts: Sequence[str]) -> pooled.Embeddings:
    images = [Image.fromarray(picture.transpose(1, 2, 0)) for picture in pictures]
    queries = encode_queries(pair, images, texts, _CPU)
    embedded = add_embeddings(queries, pair, batch_size=len(texts), device=_CPU).embeddings
    assert embedded is not None
    return embedded


def _cut(params: EncodersParams, layers: TunableLayers) -> EncodersParams:
    content = params.model_dump()
    for modality in ("image", "text"):
        content[modality]["tunable_layers"] = layers
    content["image"]["store_tokens"] = layers == 0
    return EncodersParams.model_validate(content)


def _pick(content: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: content[name] for name in names}
