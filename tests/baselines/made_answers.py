"""Queries with answers to them, for tests of routers that read answers."""

from dataclasses import dataclass, replace

import numpy as np

from arms.baselines.facts import Answers, Facts
from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings

NOTHING = Features({}, {})
VLMS = ("a", "b", "c", "d")
RIGHT = (0.7, 0.55, 0.5, 0.45)  # each VLM's chance of being right, whatever the query


@dataclass(frozen=True)
class Made:
    """N queries, their answers, and outcomes of shape (N, 4)."""

    queries: Queries
    answers: Answers
    outcomes: np.ndarray

    @property
    def facts(self):
        return Facts(answers=self.answers)

    def subset(self, index):
        answers = replace(self.answers, rows=self.answers.rows[index], truth_rows=self.answers.truth_rows[index])
        return Made(self.queries.subset(index), answers, self.outcomes[index])

    def without(self, recorded):
        """Answers alone are missing where `recorded`, bool of shape (N, S), is False."""
        return replace(self, answers=replace(self.answers, rows=np.where(recorded, self.answers.rows, -1)))

    def pool(self, count):
        """The first VLMs alone."""
        return Made(self.queries, replace(self.answers, rows=self.answers.rows[:, :count]), self.outcomes[:, :count])


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def make(count, seed, image_width=4):
    """A right answer lies close to its question's embedding, a wrong one anywhere; VLMs err independently.

    So the query tells nothing of who is right, and the answers tell nearly all.
    """
    rng = np.random.default_rng(seed)
    text, image = unit(rng.normal(size=(count, 8))), unit(rng.normal(size=(count, image_width)))
    outcomes = (rng.random((count, 4)) < RIGHT).astype(np.float32)
    truths = unit(text + 0.2 * unit(rng.normal(size=text.shape)))
    wrong = unit(rng.normal(size=(4 * count, 8)))
    rows = np.arange(count)
    answer_rows = np.where(outcomes == 1, rows[:, None], count + np.arange(4 * count).reshape(count, 4))
    shared = np.zeros(count, dtype=np.int64)
    queries = Queries(tuple(map(str, rows)), NOTHING, NOTHING, shared, shared, Embeddings(text, image))
    return Made(queries, Answers(np.concatenate([truths, wrong]), answer_rows, rows), outcomes)
