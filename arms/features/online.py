"""Features of queries that arrive one by one: encoded at once and never stored."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from arms.encoders.base import Encoder
from arms.encoders.pair import EncoderPair
from arms.features.loader import Features, Queries
from arms.features.trunk import run_trunk


def encode_queries(
    encoders: EncoderPair, images: Sequence[Image.Image], questions: Sequence[str], device: torch.device
) -> Queries:
    """Encode N queries up to the cut; a repeated question is encoded once."""
    texts = list(dict.fromkeys(questions))
    image_features = _features(encoders.image, [encoders.image.read(image) for image in images], device)
    text_features = encode_texts(encoders, texts, device)
    return Queries(
        ids=tuple(str(row) for row in range(len(images))),
        images=image_features,
        texts=text_features,
        image_rows=np.arange(len(images), dtype=np.int64),
        text_rows=text_features.rows(questions),
    )


def encode_texts(encoders: EncoderPair, texts: Sequence[str], device: torch.device) -> Features:
    """Features of distinct texts, keyed by the texts themselves."""
    features = _features(encoders.text, encoders.text.tokenize(texts), device)
    return Features(features.arrays, {text: row for row, text in enumerate(texts)})


def _features(encoder: Encoder, inputs: list[np.ndarray], device: torch.device) -> Features:
    encoder.trunk.to(device)
    return Features(run_trunk(encoder, inputs, device), {str(row): row for row in range(len(inputs))})
