"""Thumbnails: small grey pictures in which near-copies look alike, whatever their size, format or line width."""

from collections.abc import Sequence

import numpy as np
from PIL import Image


def thumbnail_of(image: Image.Image, side: int) -> bytes:
    """A picture in `side` x `side` grey pixels, one byte each, row by row; its aspect ratio is not kept."""
    return image.convert("L").resize((side, side), Image.Resampling.BOX).tobytes()


def as_vectors(thumbnails: Sequence[bytes]) -> np.ndarray:
    """Thumbnails as vectors whose dot product is their correlation.

    Parameters
    ----------
    thumbnails : sequence of N bytes, all of D pixels

    Returns
    -------
    ndarray of shape (N, D), float32
        Less their mean, at unit norm. A picture of one single colour has nothing to compare: its vector is 0.
    """
    if not thumbnails:
        return np.zeros((0, 1), dtype=np.float32)
    vectors = np.frombuffer(b"".join(thumbnails), dtype=np.uint8).reshape(len(thumbnails), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=vectors, where=norms > 0)  # in place: a million thumbnails take 4 GB
