"""The judge: every router's metrics on a dataset's test splits, from score tables and outcomes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from arms.data.prepared import Prepared
from arms.data.scores import Scores
from arms.data.splits import TEST_SPLITS
from arms.evaluation.calibration import vlm_calibration
from arms.evaluation.curves import em_by, reliability_records
from arms.evaluation.metrics import compare, evaluate_router, round_metrics, single_vlm_em, train_accuracy
from arms.evaluation.outcomes import correct_of, is_answerable
from arms.evaluation.pairwise import paired_differences
from arms.selection.select import select

ByPool = dict[str, Scores]
Json = dict[str, Any]


class Judge:
    """Judges routers by their score tables and the recorded outcomes, all in the same way.

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
                outcomes = self.outcomes(split, vlms)
                table = single_vlm_em(outcomes, self.groups(split), **self._bootstrap, vlms=vlms)
                tables[split][pool] = {vlm: round_metrics(values) for vlm, values in table.items()}
        return tables

    def reliability(self, routers: dict[str, ByPool]) -> list[Json]:
        """Reliability curves of some routers."""
        return [
            round_metrics(record)
            for name, by_pool in routers.items()
            for split in TEST_SPLITS
            for pool, scores in by_pool.items()
            for record in reliability_records(
                scores.at(self.ids(split)), self.outcomes(split, scores.vlms), router=name, split=split, pool=pool
            )
        ]

    def vlm_calibration(self, by_pool: ByPool) -> Json:
        """How well one router's confidences in each VLM are calibrated, split -> pool -> VLM."""
        return {
            split: {
                pool: round_metrics(
                    vlm_calibration(scores.at(self.ids(split)), self.outcomes(split, scores.vlms), scores.vlms)
                )
                for pool, scores in by_pool.items()
            }
            for split in TEST_SPLITS
        }

    def breakdown(self, routers: dict[str, ByPool], column: str) -> list[Json]:
        """The EM of every router for each benchmark, task or language."""
        return [
            round_metrics(record)
            for name, by_pool in routers.items()
            for split in TEST_SPLITS
            for pool, scores in by_pool.items()
            for record in em_by(
                column,
                self.prepared.split(split)[column].to_numpy(),
                selected=self.selected(split, scores),
                outcomes=self.outcomes(split, scores.vlms),
                groups=self.groups(split),
                **self._bootstrap,
                router=name, split=split, pool=pool,
            )
        ]  # fmt: skip

    def compare(self, one: Scores, other: Scores, split: str) -> Json:
        """Difference of EM between two routers over one pool, `one` minus `other`, with its paired 95 % interval."""
        outcomes = self.outcomes(split, one.vlms)
        kept = is_answerable(outcomes)
        correct, other_correct = (correct_of(self.selected(split, scores), outcomes)[kept] for scores in (one, other))
        return round_metrics(compare(correct, other_correct, self.groups(split)[kept], **self._bootstrap))

    def pairs(self, routers: dict[str, ByPool]) -> list[Json]:
        """Every router against every other one on each split and pool: paired differences of EM with intervals."""
        records: list[Json] = []
        pools = {pool: scores.vlms for by_pool in routers.values() for pool, scores in by_pool.items()}
        for pool, vlms in pools.items():
            here = {name: by_pool[pool] for name, by_pool in routers.items() if pool in by_pool}
            for split in TEST_SPLITS:
                outcomes = self.outcomes(split, vlms)
                kept = is_answerable(outcomes)
                correct = [correct_of(self.selected(split, scores), outcomes)[kept] for scores in here.values()]
                differences = paired_differences(np.stack(correct, 1), self.groups(split)[kept], **self._bootstrap)
                records += map(round_metrics, differences.records(list(here), split=split, pool=pool))
        return records

    def metrics_on(self, split: str, scores: Scores) -> Json:
        """The metrics of one score table on one split, which may be val."""
        train_outcomes = self.outcomes("train", scores.vlms)
        ceiling = self.best_possible.get(scores.pool)
        metrics = evaluate_router(
            confidence=scores.at(self.ids(split)),
            selected=self.selected(split, scores),
            outcomes=self.outcomes(split, scores.vlms),
            groups=self.groups(split),
            best_single=train_accuracy(train_outcomes),
            best_possible=None if ceiling is None else self.selected(split, ceiling),
            **self._bootstrap,
        )
        return round_metrics(metrics)

    def selected(self, split: str, scores: Scores) -> np.ndarray:
        """The position in its pool of the VLM that is chosen for each query, among those with a known outcome."""
        known = ~np.isnan(self.outcomes(split, scores.vlms))
        return select(scores.at(self.ids(split)), scores.policy, scores.vlms, known)

    def ids(self, split: str) -> list[str]:
        """The queries of a split."""
        if split not in self._ids_of:
            self._ids_of[split] = self.prepared.split(split)["query_id"].tolist()
        return self._ids_of[split]

    def groups(self, split: str) -> np.ndarray:
        """The scene of each query of a split."""
        if split not in self._groups_of:
            self._groups_of[split] = self.prepared.scene_groups(self.ids(split))
        return self._groups_of[split]

    def outcomes(self, split: str, vlms: Sequence[str]) -> np.ndarray:
        """The outcomes of a split, shape (N, S), NaN unknown."""
        key = (split, tuple(vlms))
        if key not in self._outcomes_of:
            self._outcomes_of[key] = self.prepared.outcome_matrix(self.ids(split), vlms)
        return self._outcomes_of[key]
