"""Pooled embeddings prepared for small nets: centred and scaled."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Centring:
    """(x - mean) / scale, where scale is the root mean square of some vectors' entries around their mean.

    Pooled embeddings of unit norm lie in a narrow cone and have tiny entries, so a net learns slowly from them. One
    scale for all entries keeps the angles around the mean.

    Attributes
    ----------
    mean_D : ndarray of shape (D,), float32
    scale : float, > 0
    """

    mean_D: np.ndarray
    scale: float

    @classmethod
    def of(cls, vectors_ND: np.ndarray) -> Self:
        """The centring of these vectors; the scale is 1 if they are all equal or there are none."""
        if not len(vectors_ND):
            return cls(np.zeros(vectors_ND.shape[1], dtype=np.float32), 1.0)
        mean_D = vectors_ND.mean(axis=0, dtype=np.float64)
        scale = float(np.sqrt(np.square(vectors_ND - mean_D).mean()))
        return cls(mean_D.astype(np.float32), scale if scale > 1e-6 else 1.0)

    def __call__(self, vectors_MD: np.ndarray) -> Tensor:
        """Centre and scale vectors; float32."""
        return torch.from_numpy(((vectors_MD - self.mean_D) / self.scale).astype(np.float32))
