"""Queries made of plain vectors, for tests of routers on pooled embeddings; read them with features="concat"."""

import numpy as np

from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings

NOTHING = Features({}, {})
VLMS = ("a", "b", "c")


def queries_of(vectors):
    """Queries whose feature vectors are exactly these, shape (N, D)."""
    vectors = np.asarray(vectors, dtype=np.float32)
    rows = np.zeros(len(vectors), dtype=np.int64)
    embeddings = Embeddings(vectors, np.empty((len(vectors), 0), dtype=np.float32))
    return Queries(tuple(map(str, range(len(vectors)))), NOTHING, NOTHING, rows, rows, embeddings)


def learnable(count, seed, unknown=0.0):
    """Queries of five numbers: a is right where the first is positive, b elsewhere, c on a random 60 %."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 5))
    positive = vectors[:, 0] > 0
    outcomes = np.stack([positive, ~positive, rng.random(count) < 0.6], axis=1).astype(np.float32)
    outcomes[rng.random(outcomes.shape) < unknown] = np.nan
    return queries_of(vectors), outcomes


def noisy(count, seed):
    """Queries of five numbers that tell a little of three VLMs' outcomes, a fifth of which are unknown."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 5))
    chances = 1 / (1 + np.exp(-vectors[:, :3] - [0.5, 0.0, -0.5]))
    outcomes = (rng.random(chances.shape) < chances).astype(np.float32)
    outcomes[rng.random(outcomes.shape) < 0.2] = np.nan
    return queries_of(vectors), outcomes
