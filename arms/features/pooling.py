"""Run the encoders' tails for pooled embeddings, for routers that train no encoder."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from arms.device import place
from arms.encoders.batch import move_batch
from arms.encoders.pair import EncoderPair
from arms.features.loader import Features, Queries
from arms.features.online import encode_texts
from arms.features.pooled import Embeddings, unit_norm


def add_embeddings(queries: Queries, encoders: EncoderPair, *, batch_size: int, device: torch.device) -> Queries:
    """Give queries the encoders' pooled embeddings: of several images the mean, of none zeros.

    The tails run as they are, so pass encoders that no router has tuned.
    """
    pair_ND = None if queries.pairs is None else queries.pairs.vectors().numpy()
    if not len(queries):
        text_0D, image_0D = (np.empty((0, of.width), dtype=np.float32) for of in (encoders.text, encoders.image))
        return replace(queries, embeddings=Embeddings(text_0D, image_0D, pair_ND))
    text_ND = pool_features(encoders.text.tail, queries.texts, queries.text_rows, batch_size, device)
    there_NP = queries.image_rows >= 0
    image_ND = np.zeros((len(queries), encoders.image.width), dtype=np.float32)
    if there_NP.any():
        each_ID = pool_features(encoders.image.tail, queries.images, queries.image_rows[there_NP], batch_size, device)
        np.add.at(image_ND, there_NP.nonzero()[0], each_ID)
        image_ND /= there_NP.sum(axis=1, keepdims=True).clip(min=1)
    return replace(queries, embeddings=Embeddings(text_ND, image_ND, pair_ND))


def embed_texts(texts: Sequence[str], encoders: EncoderPair, *, batch_size: int, device: torch.device) -> np.ndarray:
    """Encode M texts at once, without a store: shape (M, D_q), float32, rows of unit norm."""
    if not texts:
        return np.empty((0, encoders.text.width), dtype=np.float32)
    features = encode_texts(encoders, texts, device)
    return unit_norm(pool_features(encoders.text.tail, features, np.arange(len(texts)), batch_size, device))


@torch.inference_mode()
def pool_features(
    tail: nn.Module, features: Features, rows: np.ndarray, batch_size: int, device: torch.device
) -> np.ndarray:
    """Pooled embeddings of some rows, shape (N, D), float32; each distinct row is computed once."""
    distinct, inverse = np.unique(rows, return_inverse=True)
    place(tail, device)
    parts = [
        tail(move_batch(features.take(distinct[start : start + batch_size]), device))["pooled"].float().cpu().numpy()
        for start in range(0, len(distinct), batch_size)
    ]
    return np.concatenate(parts)[inverse]
