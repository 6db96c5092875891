"""Pooled embeddings of queries, and the feature vectors for routers that train no encoder."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from arms.errors import ArmsError

FeatureKind = Literal["image", "text", "pair", "concat", "normalised"]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The encoders' pooled embeddings of N queries, before any tuning.

    Attributes
    ----------
    text : ndarray of shape (N, D_q), float32
    image : ndarray of shape (N, D_g), float32
        The mean over a query's images; zeros without any.
    pair : ndarray of shape (N, D_p), float32, or None
        The joint encoder's; zeros where it cannot take a query. None without such an encoder.
    """

    text: np.ndarray
    image: np.ndarray
    pair: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.text)

    @property
    def has_image(self) -> np.ndarray:
        """Which queries have an image: bool array of shape (N,)."""
        return np.asarray(self.image.any(axis=1))

    def subset(self, index: np.ndarray) -> Self:
        """The embeddings of the queries at these positions, in this order."""
        return type(self)(*(side[index] for side in self.sides))

    @property
    def sides(self) -> list[np.ndarray]:
        """Text, image and, with a joint encoder, pair."""
        return [self.text, self.image] if self.pair is None else [self.text, self.image, self.pair]

    def matrix(self, kind: FeatureKind) -> np.ndarray:
        """Feature vectors of shape (N, D), float32, C-contiguous.

        `image`, `text` and `pair` are one side's embeddings at unit norm; `concat` is [q; g] as the encoders give them,
        with a joint encoder [q; g; p]; `normalised` is [q / |q|; g / |g|] / sqrt(2), whose inner product is the mean of
        both cosines, or of all three.

        Raises
        ------
        ArmsError
            If `kind` is pair and there is no joint encoder.
        """
        if kind == "concat":
            vectors = np.concatenate(self.sides, axis=1)
        elif kind == "normalised":
            vectors = np.concatenate([unit_norm(side) for side in self.sides], axis=1) / np.sqrt(len(self.sides))
        elif kind == "pair" and self.pair is None:
            raise ArmsError("features: pair needs a joint encoder: set `pair` in conf/encoders/, or use other features")
        else:
            vectors = unit_norm(getattr(self, kind))
        return np.ascontiguousarray(vectors, dtype=np.float32)


def unit_norm(vectors_ND: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean norm; a row of zeros stays zero."""
    norm_N1: np.ndarray = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return vectors_ND / norm_N1.clip(min=1e-12)
