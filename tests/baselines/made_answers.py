"""Queries with answers to them, for tests of routers that read answers."""

from dataclasses import replace

import numpy as np

from arms.features.labelled import Answers
from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings, unit_norm
from tests.fakes import label

NOTHING = Features({}, {})
VLMS = ("a", "b", "c", "d")
RIGHT = (0.7, 0.55, 0.5, 0.45)  # each VLM's chance of being right, whatever the query


def unit(vectors):
    return unit_norm(vectors).astype(np.float32)


def make(count, seed, image_width=4):
    """A right answer lies close to its question's embedding, a wrong one anywhere; VLMs err independently.

    So the query tells nothing of who is right, and the answers tell nearly all.
    """
    rng = np.random.default_rng(seed)
    text, image = unit(rng.normal(size=(count, 8))), unit(rng.normal(size=(count, image_width)))
    outcomes = rng.random((count, 4)) < RIGHT
    truths = unit(text + 0.2 * unit(rng.normal(size=text.shape)))
    wrong = unit(rng.normal(size=(4 * count, 8)))
    rows = np.arange(count)
    answer_rows = np.where(outcomes, rows[:, None], count + np.arange(4 * count).reshape(count, 4))
    shared = np.zeros(count, dtype=np.int64)
    queries = Queries(tuple(map(str, rows)), NOTHING, NOTHING, shared, shared, Embeddings(text, image))
    return label(queries, outcomes, VLMS, answers=Answers(np.concatenate([truths, wrong]), answer_rows, rows))


def without(made, recorded):
    """The same, answers missing where `recorded`, bool of shape (N, S) or (S,), is False."""
    return replace(made, answers=replace(made.answers, rows=np.where(recorded, made.answers.rows, -1)))
