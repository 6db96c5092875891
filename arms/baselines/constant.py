"""Routers without features: references that any router has to be held against."""

from typing import Self

import numpy as np

from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.routers.base import BaseRouter


class BestSingleRouter(BaseRouter):
    """Always the VLM that was right most often in training; its confidences are those shares."""

    def __init__(self, vlms: tuple[str, ...]) -> None:
        self.vlms = tuple(vlms)

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Take each VLM's share of right answers; see `BaseRouter.fit`."""
        known = train.known.sum(axis=0)
        self.shares = np.divide(np.nansum(train.outcomes, axis=0), known, out=np.zeros(len(known)), where=known > 0)
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """The same row for every query; see `BaseRouter.score`."""
        return np.tile(self.shares.astype(np.float32), (len(queries), 1))


class RandomRouter(BaseRouter):
    """A uniform choice."""

    def __init__(self, vlms: tuple[str, ...], *, seed: int) -> None:
        self.vlms = tuple(vlms)
        self.seed = seed

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """There is nothing to learn; see `BaseRouter.fit`."""
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """Uniform random numbers, the same for the same seed and number of queries; see `BaseRouter.score`."""
        return np.random.default_rng(self.seed).random((len(queries), len(self.vlms)), dtype=np.float32)
