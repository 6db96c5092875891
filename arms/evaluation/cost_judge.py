"""The judge of costs: what every router's accuracy costs on a dataset's test splits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arms.data.costs import Expenses, costs_of
from arms.data.scores import Scores
from arms.data.splits import TEST_SPLITS
from arms.evaluation.cost_metrics import charge_of, evaluate_cost, router_curve
from arms.evaluation.cost_quality import Curve, oracle_point, single_vlm_points
from arms.evaluation.cost_records import Record, curve_records, point_records
from arms.evaluation.judge import ByPool, Judge
from arms.evaluation.metrics import round_metrics
from arms.evaluation.outcomes import correct_of
from arms.evaluation.strong_calls import weak_and_strong
from arms.params.costs import CostsParams

_PER_QUERIES = 1000  # a query's cost in USD would be lost in rounding
Point = tuple[float, float]


class CostJudge:
    """Judges what routers cost, on the complete cases and with the selections of a `Judge`.

    Parameters
    ----------
    judge : Judge
    params : CostsParams
        How the cost of an answer is estimated if none is recorded.
    """

    def __init__(self, judge: Judge, params: CostsParams) -> None:
        self.judge, self.params = judge, params
        self._costs_of: dict[tuple[str, tuple[str, ...]], Expenses] = {}

    def metrics(self, by_pool: ByPool) -> dict[str, Any]:
        """One router's metrics, those of `Judge.metrics` and of `metrics_on`: split -> pool -> name -> value."""
        return {
            split: {pool: values | round_metrics(self.metrics_on(split, by_pool[pool])) for pool, values in of.items()}
            for split, of in self.judge.metrics(by_pool).items()
        }

    def metrics_on(self, split: str, scores: Scores) -> dict[str, Any]:
        """The metrics of `evaluate_cost` for one score table, with `cost_usd_per_1k` queries instead of `cost_usd`."""
        train = self._costs("train", scores.vlms)
        weak, strong = weak_and_strong(train.expected.mean(axis=0), self.judge.best_single(scores.vlms))
        metrics = evaluate_cost(**self._arrays(split, scores), weak=weak, strong=strong)
        cost = metrics.pop("cost_usd")
        return {"cost_usd_per_1k": None if cost is None else cost * _PER_QUERIES} | metrics

    def curve(self, split: str, scores: Scores) -> Curve | None:
        """All operating points of a router; None if a cost is unknown."""
        return router_curve(**self._arrays(split, scores))

    def own_point(self, split: str, scores: Scores) -> Point | None:
        """Mean cost in USD and accuracy of a router's own selection; None if a cost is unknown."""
        arrays = self._arrays(split, scores)
        selected, outcomes = arrays["selected"], arrays["outcomes"]
        charges = charge_of(selected, arrays["charged_cost"], outcomes, arrays["asked"])
        if not len(charges) or np.isnan(charges).any():
            return None
        return float(charges.mean()), float(np.nanmean(correct_of(selected, outcomes)))

    def singles(self, split: str, vlms: Sequence[str]) -> dict[str, Point | None]:
        """Mean cost in USD and accuracy of always asking one VLM."""
        cost_S, accuracy_S = single_vlm_points(*self._charged(split, vlms))
        return {
            vlm: None if np.isnan([cost, accuracy]).any() else (float(cost), float(accuracy))
            for vlm, cost, accuracy in zip(vlms, cost_S, accuracy_S, strict=True)
        }

    def oracle(self, split: str, vlms: Sequence[str]) -> Point | None:
        """Mean cost in USD and accuracy of asking the least expensive VLM that is right."""
        return oracle_point(*self._charged(split, vlms))

    def sources(self, split: str, vlms: Sequence[str]) -> dict[str, str]:
        """For each VLM, whether its costs are recorded, partly recorded, estimated or unknown."""
        return dict(self._costs(split, vlms).sources)

    def records(self, routers: Mapping[str, ByPool], max_points: int = 60) -> list[Record]:
        """Curves and points of routers, single VLMs and the oracle, for each split and pool; see `cost_records`."""
        records: list[Record] = []
        pools = {pool: scores.vlms for by_pool in routers.values() for pool, scores in by_pool.items()}
        for split in TEST_SPLITS:
            for pool, vlms in pools.items():
                here = {name: by_pool[pool] for name, by_pool in routers.items() if pool in by_pool}
                labels = {"split": split, "pool": pool}
                for name, scores in here.items():
                    records += curve_records(self.curve(split, scores), max_points, name=name, **labels)
                own = {name: self.own_point(split, scores) for name, scores in here.items()}
                records += point_records("router", own, **labels)
                records += point_records("vlm", self.singles(split, vlms), **labels)
                records += point_records("oracle", {"oracle": self.oracle(split, vlms)}, **labels)
        return records

    def _arrays(self, split: str, scores: Scores) -> dict[str, Any]:
        cases, costs = self.judge.cases(split, scores.vlms), self._costs(split, scores.vlms)
        rows = scores.rows_of(cases.ids)
        return {
            "confidence": scores.confidence[rows],
            "selected": self.judge.selected(split, scores),
            "expected_cost": costs.expected[cases.rows],
            "charged_cost": costs.charged[cases.rows],
            "outcomes": cases.outcomes,
            "asked": None if scores.asked is None else scores.asked[rows],
        }

    def _charged(self, split: str, vlms: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """What each answer to the complete cases cost, and whether it was right; both of shape (N, S)."""
        cases = self.judge.cases(split, vlms)
        return self._costs(split, vlms).charged[cases.rows], cases.outcomes

    def _costs(self, split: str, vlms: Sequence[str]) -> Expenses:
        key = (split, tuple(vlms))
        if key not in self._costs_of:
            self._costs_of[key] = costs_of(self.judge.prepared, self.judge.ids(split), vlms, self.params)
        return self._costs_of[key]
