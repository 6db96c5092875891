"""Routers without features: references that every other router should beat."""

from typing import Self

import numpy as np

from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.routers.base import BaseRouter


class BestSingleRouter(BaseRouter):
    """Always chooses the VLM that was right most often on the complete cases of train.

    Confidences are the shares of right answers there.
    """

    reads_queries = False

    def __init__(self, vlms: tuple[str, ...]) -> None:
        self.vlms = tuple(vlms)

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Take each VLM's share of right answers, where VLMs can be compared; see `BaseRouter.fit`."""
        train = train.comparable()
        known = train.known.sum(axis=0)
        self.shares = np.divide(np.nansum(train.outcomes, axis=0), known, out=np.zeros(len(known)), where=known > 0)
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """The same row for every query; see `BaseRouter.score`."""
        return np.tile(self.shares.astype(np.float32), (len(queries), 1))


class RandomRouter(BaseRouter):
    """Chooses a VLM uniformly at random."""

    reads_queries = False

    def __init__(self, vlms: tuple[str, ...], *, seed: int) -> None:
        self.vlms = tuple(vlms)
        self.seed = seed

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Learn nothing; see `BaseRouter.fit`."""
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """Uniform random numbers, the same for the same seed and number of queries; see `BaseRouter.score`."""
        return np.random.default_rng(self.seed).random((len(queries), len(self.vlms)), dtype=np.float32)
