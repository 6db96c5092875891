"""Pooled embeddings of queries, for routers that train no encoder."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from arms.batch import move_batch
from arms.encoders.pair import EncoderPair
from arms.features.loader import Features, Queries


def add_embeddings(queries: Queries, encoders: EncoderPair, *, batch_size: int, device: torch.device) -> Queries:
    """Give queries the encoders' pooled embeddings: [q / |q|; g / |g|], of unit norm on each side.

    The tails are run as they are handed in, that is before any tuning.
    """
    if not len(queries):
        width = encoders.text.width + encoders.image.width
        return replace(queries, embeddings=np.empty((0, width), dtype=np.float32))
    text_ND = _pool(encoders.text.tail, queries.texts, queries.text_rows, batch_size, device)
    image_ND = _pool(encoders.image.tail, queries.images, queries.image_rows, batch_size, device)
    return replace(queries, embeddings=np.concatenate([text_ND, image_ND], axis=1))


@torch.inference_mode()
def _pool(tail: nn.Module, features: Features, rows: np.ndarray, batch_size: int, device: torch.device) -> np.ndarray:
    """Unit-norm pooled embeddings of some rows; each distinct row is run once."""
    distinct, inverse = np.unique(rows, return_inverse=True)
    tail.to(device).eval()
    parts = [
        tail(move_batch(features.take(distinct[start : start + batch_size]), device))["pooled"].float().cpu().numpy()
        for start in range(0, len(distinct), batch_size)
    ]
    pooled = np.concatenate(parts)
    return (pooled / np.linalg.norm(pooled, axis=1, keepdims=True).clip(min=1e-12))[inverse]
