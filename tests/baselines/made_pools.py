"""Pools whose VLMs follow a few skills, so that a new one can be known by its outcomes."""

import numpy as np

from tests.baselines.made_vectors import label_vectors

OLD = tuple("abcdef")
NEW = "g"


def make_pool(count, seed):
    """Queries with outcomes and profiles, of width 3, of six VLMs and a new one.

    A VLM is right where a sum of three numbers of the query, weighted by its skills, is positive; eight are seen.
    """
    skills = np.random.default_rng(99).normal(size=(7, 3))
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 8))
    outcomes = vectors[:, :3] @ skills.T + 0.3 * rng.normal(size=(count, 7)) > 0
    profiles = skills / np.linalg.norm(skills, axis=1, keepdims=True)
    return label_vectors(vectors, outcomes, profiles=profiles.astype(np.float32))
