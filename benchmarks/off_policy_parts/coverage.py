"""How often intervals of off-policy estimates hold the truth, over many logs of one kind."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from arms.errors import ArmsError
from arms.evaluation.off_policy.estimators import OffPolicy, estimate_cost, estimate_reward
from benchmarks.off_policy_parts.traffic import FloatArray, Population

ESTIMATORS = ("ips", "snips", "dr")


@dataclass
class Tally:
    """What came of one estimator on logs of one kind."""

    truth: float
    held: list[bool] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    width: list[float] = field(default_factory=list)

    def add(self, estimates: OffPolicy, estimator: str) -> None:
        """Add the estimate of one log."""
        found = getattr(estimates, estimator)
        self.held.append(found.low <= self.truth <= found.high)
        self.error.append(found.value - self.truth)
        self.width.append(found.high - found.low)

    def to_json(self) -> dict[str, Any]:
        """Coverage, mean error, its spread, and the mean width."""
        return {
            "truth": float(self.truth),
            "coverage": float(np.mean(self.held)) if self.held else None,
            "bias": float(np.mean(self.error)) if self.held else None,
            "sd": float(np.std(self.error)) if self.held else None,
            "width": float(np.mean(self.width)) if self.held else None,
        }


def simulate(population: Population, decisions: int, explore: float, runs: int, seed: int) -> Iterator[dict[str, Any]]:
    """A line for each target and estimator: coverage of EM and of cost over the runs that were not refused."""
    targets = population.targets()
    truths = {
        name: (mean_of(target, population.right), mean_of(target, population.cost_usd))
        for name, (target, _) in targets.items()
    }
    tallies = {
        (name, estimator, of): Tally(truths[name][of == "cost"])
        for name in targets
        for estimator in ESTIMATORS
        for of in ("em", "cost")
    }
    effective: dict[str, list[float]] = {name: [] for name in targets}
    for run in range(runs):
        rng = np.random.default_rng([seed, run, decisions, round(1000 * explore)])
        rows, logged = population.log(rng, decisions, explore)
        costs = replace(logged, value=population.cost_usd[rows, logged.chosen])
        for name, (target, confidence) in targets.items():
            try:
                reward = estimate_reward(replace(logged, confidence=confidence[rows]), target[rows])
            except ArmsError:
                continue
            effective[name].append(reward.effective)
            cost = estimate_cost(costs, target[rows])
            for estimator in ESTIMATORS:
                tallies[name, estimator, "em"].add(reward, estimator)
                tallies[name, estimator, "cost"].add(cost, estimator)
    for (name, estimator, of), tally in tallies.items():
        sizes = effective[name]
        yield {
            "target": name,
            "decisions": decisions,
            "explore": explore,
            "estimator": estimator,
            "of": of,
            "runs": runs,
            "refused": runs - len(sizes),
            "effective": float(np.median(sizes)) if sizes else None,
            **tally.to_json(),
        }


def mean_of(target: FloatArray, values: FloatArray) -> float:
    """What a policy earns or costs on average over the whole population."""
    return float((target * values).sum(axis=1).mean())
