"""Features of queries that arrive one by one: encoded at once and never stored."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from arms.encoders.base import Encoder
from arms.encoders.pair import EncoderPair
from arms.features.loader import Features, Queries, gather_queries
from arms.features.trunk import run_trunk

logger = logging.getLogger(__name__)

Pictures = Image.Image | Sequence[Image.Image]  # of one query


def encode_queries(
    encoders: EncoderPair, images: Sequence[Pictures], questions: Sequence[str], device: torch.device
) -> Queries:
    """Encode N queries up to the cut; a repeated question is encoded once, and so is one and the same picture object.

    Parameters
    ----------
    images : sequence of N PIL images, or sequences of them
        Each query's images, none included; beyond the encoders' `max_images` they are not read.
    """
    lists = [[of_query] if isinstance(of_query, Image.Image) else list(of_query) for of_query in images]
    most = encoders.image.max_images
    if more := sum(len(of_query) > most for of_query in lists):
        logger.warning("%d of %d queries have more than %d images; the first %d are read", more, len(lists), most, most)
    kept = [of_query[:most] for of_query in lists]
    pictures = {str(id(picture)): picture for of_query in kept for picture in of_query}
    read = [encoders.image.read(picture) for picture in pictures.values()]
    image_features = _features(encoders.image, list(pictures), read, device)
    image_keys = [[str(id(picture)) for picture in of_query] for of_query in kept]
    text_features = encode_texts(encoders, list(dict.fromkeys(questions)), device)
    ids = [str(row) for row in range(len(kept))]
    return gather_queries(ids, image_keys, questions, image_features, text_features)


def encode_texts(encoders: EncoderPair, texts: Sequence[str], device: torch.device) -> Features:
    """Features of distinct texts, keyed by the texts themselves."""
    return _features(encoders.text, list(texts), encoders.text.tokenize(texts), device)


def _features(encoder: Encoder, keys: list[str], inputs: list[np.ndarray], device: torch.device) -> Features:
    if not inputs:
        return Features({}, {})
    return Features(run_trunk(encoder, inputs, device), {key: row for row, key in enumerate(keys)})
