"""The judge: every router's metrics on a dataset's test splits, from score tables and outcomes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arms.data.prepared import Prepared
from arms.data.query_forms import query_forms
from arms.data.scores import Scores
from arms.data.splits import TEST_SPLITS
from arms.evaluation.calibration import vlm_calibration
from arms.evaluation.curves import em_by, reliability_records
from arms.evaluation.metrics import compare, evaluate_router, round_metrics
from arms.evaluation.outcomes import correct_of, is_answerable, is_complete
from arms.evaluation.pairwise import paired_differences
from arms.evaluation.singles import comparable_accuracy, num_comparable, single_vlm_em
from arms.selection.select import select

ByPool = dict[str, Scores]
Json = dict[str, Any]

_FEW = 100  # below so many complete cases of train the choice of the best single VLM is mostly chance

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Cases:
    """The complete cases of a split: its queries on which every VLM of a pool has an outcome.

    Attributes
    ----------
    rows : int array of shape (N,), their positions in the split
    ids : list of N str
    groups : array of shape (N,), the scene of each
    outcomes : float array of shape (N, S), 1 or 0
    """

    rows: np.ndarray
    ids: list[str]
    groups: np.ndarray
    outcomes: np.ndarray


class Judge:
    """Judges routers by their score tables and the recorded outcomes, all in the same way.

    A pool is judged on the complete cases of a split. Routers, single VLMs and the differences between them are so
    measured on the same queries, and every router has its whole pool to choose from.

    Parameters
    ----------
    prepared : Prepared
    best_possible : dict of str to Scores
        By pool: the true chances of being right, where a simulator knows them; else empty.
    samples, seed : int
        The bootstrap's draws and their seed.
    """

    def __init__(self, prepared: Prepared, best_possible: ByPool, *, samples: int, seed: int) -> None:
        self.prepared, self.best_possible = prepared, best_possible
        self._bootstrap: dict[str, Any] = {"samples": samples, "seed": seed}
        # Looked up once: all routers are judged on the same queries.
        self._ids_of: dict[str, list[str]] = {}
        self._groups_of: dict[str, np.ndarray] = {}
        self._outcomes_of: dict[tuple[str, tuple[str, ...]], np.ndarray] = {}
        self._cases_of: dict[tuple[str, tuple[str, ...]], Cases] = {}
        self._accuracy_of: dict[tuple[str, ...], np.ndarray] = {}

    def metrics(self, by_pool: ByPool) -> Json:
        """The metrics of one router, split -> pool -> name -> value."""
        return {
            split: {pool: self.metrics_on(split, scores) for pool, scores in sorted(by_pool.items())}
            for split in TEST_SPLITS
        }

    def singles(self) -> Json:
        """The EM of each single VLM, split -> pool -> VLM."""
        pools = {"base": self.prepared.base, "extended": self.prepared.extended}
        tables: Json = {}
        for split in TEST_SPLITS:
            tables[split] = {}
            for pool, vlms in pools.items():
                cases = self.cases(split, vlms)
                table = single_vlm_em(cases.outcomes, cases.groups, **self._bootstrap, vlms=vlms)
                tables[split][pool] = {vlm: round_metrics(values) for vlm, values in table.items()}
        return tables

    def reliability(self, routers: dict[str, ByPool]) -> list[Json]:
        """Reliability curves of some routers."""
        return [
            round_metrics(record)
            for name, by_pool in routers.items()
            for split in TEST_SPLITS
            for pool, scores in by_pool.items()
            for cases in [self.cases(split, scores.vlms)]
            for record in reliability_records(scores.at(cases.ids), cases.outcomes, router=name, split=split, pool=pool)
        ]

    def vlm_calibration(self, by_pool: ByPool) -> Json:
        """How well one router's confidences in each VLM are calibrated, split -> pool -> VLM."""
        return {
            split: {
                pool: round_metrics(vlm_calibration(scores.at(cases.ids), cases.outcomes, scores.vlms))
                for pool, scores in by_pool.items()
                for cases in [self.cases(split, scores.vlms)]
            }
            for split in TEST_SPLITS
        }

    def breakdown(self, routers: dict[str, ByPool], column: str) -> list[Json]:
        """The EM of every router for each benchmark, task, language or form; for the last see `query_forms`."""
        return [
            round_metrics(record)
            for name, by_pool in routers.items()
            for split in TEST_SPLITS
            for pool, scores in by_pool.items()
            for cases in [self.cases(split, scores.vlms)]
            for record in em_by(
                column,
                self._column(split, column)[cases.rows],
                selected=self.selected(split, scores),
                outcomes=cases.outcomes,
                groups=cases.groups,
                **self._bootstrap,
                router=name, split=split, pool=pool,
            )
        ]  # fmt: skip

    def _column(self, split: str, name: str) -> np.ndarray:
        queries = self.prepared.split(split)
        return query_forms(queries) if name == "form" else queries[name].to_numpy()

    def compare(self, one: Scores, other: Scores, split: str) -> Json:
        """Difference of EM between two routers over one pool, `one` minus `other`, with its paired 95 % interval."""
        correct, groups = self._answered(split, [one, other])
        return round_metrics(compare(correct[:, 0], correct[:, 1], groups, **self._bootstrap))

    def pairs(self, routers: dict[str, ByPool]) -> list[Json]:
        """Every router against every other one on each split and pool: paired differences of EM with intervals."""
        records: list[Json] = []
        for pool in dict.fromkeys(pool for by_pool in routers.values() for pool in by_pool):
            here = {name: by_pool[pool] for name, by_pool in routers.items() if pool in by_pool}
            for split in TEST_SPLITS:
                differences = paired_differences(*self._answered(split, list(here.values())), **self._bootstrap)
                records += map(round_metrics, differences.records(list(here), split=split, pool=pool))
        return records

    def metrics_on(self, split: str, scores: Scores) -> Json:
        """The metrics of one score table on one split, which may be val; those of a partial replay come second."""
        ceiling = self.best_possible.get(scores.pool)
        metrics = evaluate_router(
            confidence=scores.at(self.ids(split)),
            selected=self._replayed(split, scores),
            outcomes=self.outcomes(split, scores.vlms),
            groups=self.groups(split),
            best_single=self.best_single(scores.vlms),
            best_possible=None if ceiling is None else self._replayed(split, ceiling),
            **self._bootstrap,
        )
        return round_metrics(metrics)

    def best_single(self, vlms: Sequence[str]) -> np.ndarray:
        """Each VLM's accuracy on train, by which the best single one is chosen; see `comparable_accuracy`."""
        key = tuple(vlms)
        if key not in self._accuracy_of:
            outcomes = self.outcomes("train", vlms)
            if (count := num_comparable(outcomes)) < min(_FEW, len(outcomes)):
                logger.warning(
                    "the best single VLM of %s is chosen on %s", ", ".join(vlms),
                    f"only {count} training queries with all outcomes" if count else
                    "different training queries for each VLM, as none has all outcomes",
                )  # fmt: skip
            self._accuracy_of[key] = comparable_accuracy(outcomes)
        return self._accuracy_of[key]

    def selected(self, split: str, scores: Scores) -> np.ndarray:
        """The position in its pool of the VLM that is chosen for each of the complete cases."""
        return select(scores.at(self.cases(split, scores.vlms).ids), scores.policy, scores.vlms)

    def cases(self, split: str, vlms: Sequence[str]) -> Cases:
        """The queries of a split on which a pool is judged."""
        key = (split, tuple(vlms))
        if key not in self._cases_of:
            rows = np.flatnonzero(is_complete(self.outcomes(split, vlms)))
            ids = [self.ids(split)[row] for row in rows]
            self._cases_of[key] = Cases(rows, ids, self.groups(split)[rows], self.outcomes(split, vlms)[rows])
        return self._cases_of[key]

    def ids(self, split: str) -> list[str]:
        """All queries of a split."""
        if split not in self._ids_of:
            self._ids_of[split] = self.prepared.split(split)["query_id"].tolist()
        return self._ids_of[split]

    def groups(self, split: str) -> np.ndarray:
        """The scene of each query of a split."""
        if split not in self._groups_of:
            self._groups_of[split] = self.prepared.scene_groups(self.ids(split))
        return self._groups_of[split]

    def outcomes(self, split: str, vlms: Sequence[str]) -> np.ndarray:
        """The outcomes on all queries of a split, shape (N, S), NaN unknown."""
        key = (split, tuple(vlms))
        if key not in self._outcomes_of:
            self._outcomes_of[key] = self.prepared.outcome_matrix(self.ids(split), vlms)
        return self._outcomes_of[key]

    def _answered(self, split: str, several: Sequence[Scores]) -> tuple[np.ndarray, np.ndarray]:
        """Which of R routers over one pool were right on each answerable query, shape (N, R); and the groups."""
        cases = self.cases(split, several[0].vlms)
        kept = is_answerable(cases.outcomes)
        correct = [correct_of(self.selected(split, scores), cases.outcomes)[kept] for scores in several]
        return np.stack(correct, axis=1), cases.groups[kept]

    def _replayed(self, split: str, scores: Scores) -> np.ndarray:
        """The VLM chosen on each query of a split among those whose outcome is known there; -1 where none is."""
        known = ~np.isnan(self.outcomes(split, scores.vlms))
        return select(scores.at(self.ids(split)), scores.policy, scores.vlms, known)
