"""What routers learn from: queries with what is recorded about VLMs on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from arms.features.loader import Queries


@dataclass(frozen=True, eq=False)
class Answers:
    """What S VLMs answered to N queries, as embeddings of the distinct texts.

    Attributes
    ----------
    vectors : ndarray of shape (U, D), float32, rows of unit norm
    rows : ndarray of shape (N, S), int64
        The row of each VLM's answer; -1 where no answer is recorded.
    truth_rows : ndarray of shape (N,), int64
        The row of the right answer; -1 where it is unknown.
    """

    vectors: np.ndarray
    rows: np.ndarray
    truth_rows: np.ndarray

    def subset(self, index: np.ndarray) -> Self:
        """The answers to the queries at these positions, in this order."""
        return replace(self, rows=self.rows[index], truth_rows=self.truth_rows[index])


@dataclass(frozen=True, eq=False)
class Labelled:
    """N queries with the outcomes of S VLMs and what else is recorded; a field is None if the dataset lacks it.

    Attributes
    ----------
    queries : Queries
    vlms : tuple of S str
    outcomes : ndarray of shape (N, S), float32
        1 right, 0 wrong, NaN unknown.
    costs : ndarray of shape (N, S), float32, USD, or None
        What each answer cost, or an estimate; no NaN.
    tags, benchmarks : ndarray of shape (N,), str, or None
        The task and the benchmark of each query.
    answers : Answers or None
    profiles : ndarray of shape (S, D), float32, rows of unit norm, or None
        The text encoder's embedding of each VLM's profile sentence.
    vectors : ndarray of shape (N, D), float32
        The queries' feature vectors; empty until a router on pooled embeddings sets them.
    scenes : ndarray of shape (N,), int64, or None
        A code per query, equal where queries are of one scene; None where scenes are not known.
    """

    queries: Queries
    vlms: tuple[str, ...]
    outcomes: np.ndarray
    costs: np.ndarray | None = None
    tags: np.ndarray | None = None
    benchmarks: np.ndarray | None = None
    answers: Answers | None = None
    profiles: np.ndarray | None = None
    vectors: np.ndarray = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    scenes: np.ndarray | None = None

    def __post_init__(self) -> None:
        expected = (len(self.queries), len(self.vlms))
        if self.outcomes.shape != expected:
            raise ValueError(f"outcomes: expected shape {expected}, queries and VLMs, got {self.outcomes.shape}")

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def groups(self) -> np.ndarray:
        """A code per query, equal where queries are of one scene, or share their first image if scenes are not known.

        int64 array of shape (N,).
        """
        return self.queries.first_images if self.scenes is None else self.scenes

    @property
    def known(self) -> np.ndarray:
        """Where an outcome is recorded: bool array of shape (N, S)."""
        known: np.ndarray = ~np.isnan(self.outcomes)
        return known

    def subset(self, index: np.ndarray) -> Self:
        """The queries at these positions, in this order."""
        return replace(
            self,
            queries=self.queries.subset(index),
            outcomes=self.outcomes[index],
            costs=None if self.costs is None else self.costs[index],
            tags=None if self.tags is None else self.tags[index],
            benchmarks=None if self.benchmarks is None else self.benchmarks[index],
            answers=None if self.answers is None else self.answers.subset(index),
            vectors=self.vectors[index] if len(self.vectors) else self.vectors,
            scenes=None if self.scenes is None else self.scenes[index],
        )

    def over(self, vlms: Sequence[str]) -> Self:
        """The same queries with only these VLMs of the pool, in this order."""
        columns = [self.vlms.index(vlm) for vlm in vlms]
        answers = self.answers
        return replace(
            self,
            vlms=tuple(vlms),
            outcomes=self.outcomes[:, columns],
            costs=None if self.costs is None else self.costs[:, columns],
            answers=None if answers is None else replace(answers, rows=answers.rows[:, columns]),
            profiles=None if self.profiles is None else self.profiles[columns],
        )

    def forget(self, rows: np.ndarray, vlms: Sequence[str]) -> Self:
        """The same queries, with the outcomes of these VLMs unknown on some of them.

        Parameters
        ----------
        rows : ndarray of shape (N,), bool
            True where the outcomes become unknown.
        """
        outcomes = self.outcomes.copy()
        for vlm in vlms:
            outcomes[rows, self.vlms.index(vlm)] = np.nan
        return replace(self, outcomes=outcomes)

    def in_share(self, share: float, seed: int, *, at_least: int = 0) -> np.ndarray:
        """The queries of a random share of the groups: bool array of shape (N,). A larger share holds a smaller one."""
        distinct, group_of = np.unique(self.groups, return_inverse=True)
        count = max(at_least, round(share * len(distinct)))
        return np.isin(group_of, np.random.default_rng(seed).permutation(len(distinct))[:count])

    def with_outcomes(self) -> Self:
        """The queries on which some outcome is known."""
        return self.subset(np.flatnonzero(self.known.any(axis=1)))

    def comparable(self) -> Self:
        """The queries on which the VLMs can be compared: the complete cases, or all queries if there are none.

        So a VLM that was measured only on easy queries does not look better than the others. A VLM without any outcome
        has no part in this.
        """
        complete = _is_complete(self.outcomes)
        return self.subset(np.flatnonzero(complete)) if complete.any() else self

    def em(self, scores: np.ndarray) -> float:
        """EM of always taking the VLM of highest score, as `masked_em`; 0 where no query is answerable."""
        return masked_em(scores, self.outcomes) or 0.0


def masked_em(scores_NS: np.ndarray, outcomes_NS: np.ndarray) -> float | None:
    """Share of the answerable queries whose highest-scored VLM was right; None without such queries.

    It is over the complete cases, the queries on which every VLM has an outcome: on any other query a VLM without an
    outcome would never be chosen, and a net or setting that chooses it rightly would gain nothing. A VLM without any
    outcome here has no part in this. Only if no complete case is answerable is it a partial replay, over all queries,
    each with the VLMs whose outcome is known there.
    """
    answerable = (outcomes_NS == 1).any(axis=1)
    complete = answerable & _is_complete(outcomes_NS)
    kept = complete if complete.any() else answerable
    choice = np.where(np.isnan(outcomes_NS), -np.inf, scores_NS).argmax(axis=1)
    right = outcomes_NS[np.arange(len(choice)), choice] == 1
    return float(right[kept].mean()) if kept.any() else None


def _is_complete(outcomes_NS: np.ndarray) -> np.ndarray:
    """Where every VLM with any outcome has one: bool array of shape (N,)."""
    unknown_NS = np.isnan(outcomes_NS)
    seen_S = ~unknown_NS.all(axis=0)
    complete: np.ndarray = ~unknown_NS[:, seen_S].any(axis=1) & seen_S.any()
    return complete
