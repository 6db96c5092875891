"""Routers that were run with several seeds: their metrics, and what may be claimed of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arms.data.scores import Scores
from arms.data.splits import TEST_SPLITS
from arms.evaluation.bootstrap import bootstrap_seed_means, interval
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.judge import ByPool, Judge
from arms.evaluation.metrics import round_metrics
from arms.evaluation.outcomes import correct_of, is_answerable, select_best_single
from arms.evaluation.pairwise import PairedDifferences, paired_differences

Json = dict[str, Any]
Runs = Sequence[ByPool]  # one router's score tables by pool, for each seed
Floats = np.ndarray


class SeedJudge:
    """Judges routers by the mean over their seeds, with intervals that hold the variance of the seeds too.

    Parameters
    ----------
    judge : Judge
    samples, seed : int
        The bootstrap's draws and their seed, those of the judge.
    """

    def __init__(self, judge: Judge, *, samples: int, seed: int) -> None:
        self.judge = judge
        self._bootstrap = {"samples": samples, "seed": seed}

    def metrics(self, runs: Runs, cost_judge: CostJudge) -> Json:
        """The mean over the seeds of each metric of `CostJudge.metrics`: split -> pool -> name -> value."""
        metrics = mean_metrics([cost_judge.metrics(by_pool) for by_pool in runs])
        if len(runs) > 1:
            for split, pools in metrics.items():
                for pool, values in pools.items():
                    if values["em"] is not None:
                        values |= self._intervals(split, [by_pool[pool] for by_pool in runs])
        return metrics

    def em_by_seed(self, runs: Runs) -> Json:
        """The EM of each seed: split -> pool -> list; an empty list without queries."""
        return {
            split: {
                pool: [round(float(em), 4) for em in self.correct(split, [run[pool] for run in runs]).mean(axis=0)]
                if self.counted(split, runs[0][pool].vlms).any()
                else []
                for pool in runs[0]
            }
            for split in TEST_SPLITS
        }

    def pairs(self, routers: Mapping[str, Runs]) -> list[Json]:
        """Every router against every other one on each split and pool, which is a family of claims: see `records`."""
        records: list[Json] = []
        pools = {pool: scores.vlms for runs in routers.values() for pool, scores in runs[0].items()}
        for pool, vlms in pools.items():
            here = {name: [run[pool] for run in runs] for name, runs in routers.items() if pool in runs[0]}
            for split in TEST_SPLITS:
                correct = [self.correct(split, tables) for tables in here.values()]
                differences = self.differences(split, vlms, correct)
                records += map(round_metrics, differences.records(list(here), split=split, pool=pool))
        return records

    def differences(
        self, split: str, vlms: Sequence[str], correct: Sequence[Floats], pairs: Sequence[tuple[int, int]] | None = None
    ) -> PairedDifferences:
        """Compare routers by what they got right on the queries that count; see `paired_differences`."""
        return paired_differences(correct, self._groups(split, vlms), **self._bootstrap, pairs=pairs)

    def correct(self, split: str, tables: Sequence[Scores]) -> Floats:
        """Whether each seed's run was right on the queries that count: float64 array of shape (N, seeds)."""
        vlms = tables[0].vlms
        outcomes, counted = self.judge.cases(split, vlms).outcomes, self.counted(split, vlms)
        return np.stack([correct_of(self.judge.selected(split, table), outcomes)[counted] for table in tables], axis=1)

    def counted(self, split: str, vlms: Sequence[str]) -> Floats:
        """Which of a split's complete cases EM is over, for a pool: bool array."""
        return is_answerable(self.judge.cases(split, vlms).outcomes)

    def _groups(self, split: str, vlms: Sequence[str]) -> Floats:
        return self.judge.cases(split, vlms).groups[self.counted(split, vlms)]

    def _intervals(self, split: str, tables: Sequence[Scores]) -> Json:
        """The intervals of EM and of the gain over the best single VLM."""
        vlms = tables[0].vlms
        outcomes = self.judge.cases(split, vlms).outcomes
        best = select_best_single(self.judge.best_single(vlms), outcomes)
        single = correct_of(best, outcomes)[self.counted(split, vlms)]
        draws = bootstrap_seed_means(
            [self.correct(split, tables), single], self._groups(split, vlms), **self._bootstrap
        )
        ends = dict(zip(("em_low", "em_high"), interval(draws[:, 0]), strict=True))
        ends |= dict(zip(("gain_low", "gain_high"), interval(draws[:, 0] - draws[:, 1]), strict=True))
        return round_metrics(ends)


def mean_metrics(runs: Sequence[Json]) -> Json:
    """The mean of each number over several (nested) dicts with the same keys; None where one of them has None."""
    first = runs[0]
    return {
        name: mean_metrics([run[name] for run in runs])
        if isinstance(first[name], dict)
        else _mean([run[name] for run in runs])
        for name in first
    }


def _mean(values: Sequence[float | int | None]) -> float | int | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    # A count is that of every run, and stays whole.
    return known[0] if len(set(known)) == 1 else round(float(np.mean(known)), 4)
