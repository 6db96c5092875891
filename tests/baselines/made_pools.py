"""Pools whose VLMs follow a few skills, so that a new one can be told from its outcomes alone."""

from dataclasses import dataclass

import numpy as np

from arms.features.loader import Queries
from tests.baselines.made_vectors import queries_of

NUM_OLD = 6


@dataclass(frozen=True)
class Pool:
    """N queries and the outcomes of six VLMs and of a new one; the VLMs' facts as vectors of shape (7, 3)."""

    queries: Queries
    outcomes: np.ndarray
    new: np.ndarray
    facts: np.ndarray

    @property
    def vlms(self):
        return tuple("abcdef")


def make_pool(count, seed):
    """A VLM is right where a sum of three numbers of the query, weighted by its skills, is positive; eight are seen."""
    skills = np.random.default_rng(99).normal(size=(NUM_OLD + 1, 3))
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 8))
    outcomes = (vectors[:, :3] @ skills.T + 0.3 * rng.normal(size=(count, NUM_OLD + 1)) > 0).astype(np.float32)
    facts = skills / np.linalg.norm(skills, axis=1, keepdims=True)
    return Pool(queries_of(vectors), outcomes[:, :-1], outcomes[:, -1], facts.astype(np.float32))
