"""Compare the ways to extend the pool: with all outcomes of the new VLMs, with few, and after less training of Phi."""

import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import click
import numpy as np

from arms.baselines.registry import build_router
from arms.data.atomic import atomic_file
from arms.data.prepared import write_json
from arms.data.profiles import VlmProfile
from arms.data.scores import Scores
from arms.device import choose_device
from arms.evaluation.judge import SPLITS, Judge
from arms.extension.strategies import extend_incrementally, extend_independently
from arms.features.loader import Queries
from arms.features.pooling import add_embeddings
from arms.params import read_section
from arms.routers.arms import ArmsRouter
from arms.routers.base import Router
from arms.routers.cascade import CascadeRouter
from stages.inputs import SCORED_SPLITS, Inputs, load_phi, read_inputs, router_scores
from stages.train import fit_phi
from stages.workspace import Stopwatch, Workspace, open_workspace, progress_bar, stage
from studies.variants import PARAMS, RESULTS, StudyParams

THETAS = tuple(round(0.5 + 0.05 * step, 2) for step in range(11))
FEW = (0, 16, 64, 256, 1024)
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
Json = dict[str, Any]

logger = logging.getLogger("studies.extension")


@click.command()
@click.argument("part", type=click.Choice(["strategies", "few-shot", "initial"]))
def main(part: str) -> None:
    """Write studies/results/<data>/extension/PART.json."""
    bench, watch = open_bench(), Stopwatch()
    studies = {"strategies": compare_strategies, "few-shot": study_few_shot, "initial": study_initial}
    content = studies[part](bench)
    file = RESULTS / bench.workspace.params.data / "extension" / f"{part}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as draft:
        write_json(content, draft)
    logger.info("extension, %s: in %.1f s", part, watch.elapsed_s)


@dataclass(frozen=True)
class Bench:
    """What every part works on: the dataset, Phi as the pipeline trained it, and the judge.

    Attributes
    ----------
    seeds : tuple of int
        Of the studies; one of them where they are to be quick.
    """

    workspace: Workspace
    inputs: Inputs
    phi: ArmsRouter
    judge: Judge
    seeds: tuple[int, ...]

    @property
    def extended(self) -> list[VlmProfile]:
        """The profiles of the extended pool, Phi's own first."""
        return list(self.inputs.prepared.vlms)

    @property
    def new(self) -> list[VlmProfile]:
        """The profiles of the new VLMs."""
        return [vlm for vlm in self.extended if vlm.name in self.inputs.prepared.new]

    def scored(self, name: str, router: Router) -> Scores:
        """A router's scores over the extended pool."""
        return router_scores(name, "extended", router, self.inputs.queries(*SCORED_SPLITS))

    def alone(self) -> Scores:
        """Phi's scores over its own pool, in the extended one: the new VLMs are never chosen."""
        own = self.scored("phi", self.phi)
        unknown = np.zeros((len(own.query_ids), len(self.new)), dtype=np.float32)
        vlms = own.vlms + tuple(vlm.name for vlm in self.new)
        return replace(own, vlms=vlms, confidence=np.concatenate([own.confidence, unknown], axis=1))


def open_bench() -> Bench:
    """Read the pipeline's settings, features and Phi."""
    workspace, params = open_workspace(), read_section(PARAMS, StudyParams)
    inputs, encoders = read_inputs(workspace)
    evaluate = workspace.params.evaluate
    judge = Judge(inputs.prepared, {}, samples=evaluate.bootstrap_samples, seed=evaluate.seed)
    seeds = tuple(params.seeds[:1] if params.quick else params.seeds)
    return Bench(workspace, inputs, load_phi(workspace, encoders), judge, seeds)


# --- With all outcomes of the new VLMs ---------------------------------------------------------------------------


def compare_strategies(bench: Bench) -> Json:
    """Every strategy on the extended pool, against Phi alone and against training on everything anew."""
    whole, seconds = timed(partial(_retrained, bench))
    routers: dict[str, tuple[Router, float]] = {"full retraining": (whole, seconds)}
    for name in ("incremental", "independent"):
        routers[name] = timed(partial(extend, bench, name, bench.phi))
    routers["zero-shot"] = timed(lambda: bench.phi.over(bench.extended))
    alone = bench.alone()
    scores = {name: bench.scored(name, router) for name, (router, _) in routers.items()}
    scores["kNN"], fit_s = timed(partial(_knn_scores, bench))
    times = {name: seconds for name, (_, seconds) in routers.items()} | {"kNN": fit_s, "Phi alone": 0.0}
    scores["Phi alone"] = alone
    strategies = {
        name: {
            "seconds": round(times[name], 2),
            "metrics": {split: bench.judge.metrics_on(split, own) for split in SPLITS},
            "over_phi_alone": {split: bench.judge.compare(own, alone, split) for split in SPLITS},
            "over_full": {split: bench.judge.compare(own, scores["full retraining"], split) for split in SPLITS},
            "new_share": {split: _new_share(bench, own, split) for split in SPLITS},
        }
        for name, own in scores.items()
    }
    cascade = routers["independent"][0]
    assert isinstance(cascade, CascadeRouter)
    return {
        "new": [vlm.name for vlm in bench.new],
        "strategies": strategies,
        "forgotten": _forgotten(bench, routers["incremental"][0]),
        "theta": list(_theta_records(bench, cascade)),
    }


def extend(bench: Bench, strategy: str, phi: ArmsRouter, known: np.ndarray | None = None) -> Router:
    """Extend Phi by one of the two strategies.

    Parameters
    ----------
    known : ndarray of shape (N,), bool, optional
        The training queries with outcomes of the new VLMs, and then no val outcomes of them are used; all by default.
    """
    train, val, params = bench.inputs.queries("train"), bench.inputs.queries("val"), bench.workspace.params.extend
    count = len(bench.inputs.prepared.base)
    outcomes, val_outcomes = (bench.inputs.outcomes(part, bench.inputs.prepared.extended) for part in (train, val))
    if known is not None:
        outcomes[~known, count:] = np.nan
        val_outcomes[:, count:] = np.nan
    with progress_bar(strategy, "steps") as progress:
        if strategy == "incremental":
            return extend_incrementally(
                phi, bench.extended, train, outcomes, val, val_outcomes, params.incremental,
                on_epoch=_ignore, progress=progress,
            )  # fmt: skip
        own_val, own_outcomes = (val, val_outcomes[:, count:]) if known is None else (None, None)
        return extend_independently(
            phi, bench.new, train, outcomes[:, count:], own_val, own_outcomes, params.independent,
            theta=params.theta, on_epoch=_ignore, progress=progress,
        )  # fmt: skip


def _retrained(bench: Bench) -> ArmsRouter:
    """A router over the extended pool, trained on all outcomes from nothing."""
    _, encoders = read_inputs(bench.workspace)
    params, phi = bench.workspace.params, bench.phi
    train, val = bench.inputs.queries("train"), bench.inputs.queries("val")
    names = bench.inputs.prepared.extended
    with progress_bar("full retraining", "steps") as progress:
        router = ArmsRouter(
            bench.extended, encoders, params.router, params.train,
            epochs=params.epochs, seed=params.seed, device=phi.device, progress=progress,
        )  # fmt: skip
        return router.fit(train, bench.inputs.outcomes(train, names), val, bench.inputs.outcomes(val, names))


def _new_share(bench: Bench, scores: Scores, split: str) -> float | None:
    """Share of the queries for which a new VLM is chosen."""
    chosen = bench.judge.selected(split, scores)
    return round(float((chosen >= len(bench.inputs.prepared.base)).mean()), 4) if len(chosen) else None


def _forgotten(bench: Bench, router: Router) -> Json:
    """On the base pool: Phi, the incremental router, and what the latter has over the former."""
    assert isinstance(router, ArmsRouter)
    queries = bench.inputs.queries(*SCORED_SPLITS)
    before = router_scores("phi", "base", bench.phi, queries)
    after = router_scores("incremental", "base", router.over(bench.phi.profiles), queries)
    return {
        split: {
            "before": bench.judge.metrics_on(split, before),
            "after": bench.judge.metrics_on(split, after),
            "after_minus_before": bench.judge.compare(after, before, split),
        }
        for split in SPLITS
    }


def _theta_records(bench: Bench, cascade: CascadeRouter) -> Iterator[Json]:
    """EM of the cascade by theta, with both routers calibrated and with neither."""
    for calibrated in (True, False):
        scores = bench.scored("independent", cascade if calibrated else _uncalibrated(cascade))
        for theta in THETAS:
            at_theta = replace(scores, policy=scores.policy | {"theta": theta})
            for split in ("val", *SPLITS):
                metrics = bench.judge.metrics_on(split, at_theta)
                yield {"theta": theta, "split": split, "calibrated": calibrated, "em": metrics["em"]}


def _uncalibrated(cascade: CascadeRouter) -> CascadeRouter:
    phi, *thetas = (copy.copy(router) for router in (cascade.phi, *cascade.thetas))
    for router in (phi, *thetas):
        router.temperature = 1.0
    return CascadeRouter(phi, thetas, theta=cascade.theta)


# --- With few outcomes of the new VLMs ---------------------------------------------------------------------------


def study_few_shot(bench: Bench) -> list[Json]:
    """EM of the extended pool after n outcomes of each new VLM, by strategy and draw."""
    records = []
    for seed in bench.seeds:
        for count in FEW:
            for strategy, scores in _few_shot(bench, draw_known(bench.inputs, count, seed)).items():
                metrics = {split: bench.judge.metrics_on(split, scores) for split in SPLITS}
                records += [
                    {"outcomes": count, "strategy": strategy, "split": split, "seed": seed, "em": metrics[split]["em"]}
                    for split in SPLITS
                ]
    return records


def draw_known(inputs: Inputs, count: int, seed: int) -> np.ndarray:
    """Which training queries have outcomes of the new VLMs: `count` of those that have, at random, shape (N,)."""
    outcomes = inputs.outcomes(inputs.queries("train"), inputs.prepared.new)
    candidates = np.flatnonzero(~np.isnan(outcomes).all(axis=1))
    known = np.zeros(len(outcomes), dtype=bool)
    known[np.random.default_rng(seed).permutation(candidates)[:count]] = True
    return known


def _few_shot(bench: Bench, known: np.ndarray) -> dict[str, Scores]:
    scores = {
        "incremental": bench.scored("incremental", extend(bench, "incremental", bench.phi, known)),
        "kNN": _knn_scores(bench, known),
    }
    if known.any():
        scores["independent"] = bench.scored("independent", extend(bench, "independent", bench.phi, known))
    return scores


def _knn_scores(bench: Bench, known: np.ndarray | None = None) -> Scores:
    """kNN over the extended pool; new outcomes go into its index without any training."""
    inputs, params = bench.inputs, bench.workspace.params
    train, val, scored = (_embedded(bench, splits) for splits in (("train",), ("val",), SCORED_SPLITS))
    outcomes, val_outcomes = (inputs.outcomes(part, inputs.prepared.extended) for part in (train, val))
    if known is not None:
        outcomes[~known, len(inputs.prepared.base) :] = np.nan
        val_outcomes[:, len(inputs.prepared.base) :] = np.nan
    router = build_router("knn", inputs.prepared.extended, params.baselines["knn"], seed=params.seed)
    return router_scores("knn", "extended", router.fit(train, outcomes, val, val_outcomes), scored)


def _embedded(bench: Bench, splits: tuple[str, ...]) -> Queries:
    device = choose_device(bench.workspace.params.runtime.device)
    _, encoders = read_inputs(bench.workspace)  # untuned, as the kNN baseline has them
    return add_embeddings(bench.inputs.queries(*splits), encoders, batch_size=256, device=device)


# --- After less training of Phi ----------------------------------------------------------------------------------


def study_initial(bench: Bench) -> list[Json]:
    """EM of the extended pool where Phi, trained on a share of the images, is extended incrementally on all."""
    records = []
    for seed in bench.seeds:
        for share in SHARES:
            scores = bench.scored("incremental", extend(bench, "incremental", _phi_on(bench, share, seed)))
            for split in SPLITS:
                em = bench.judge.metrics_on(split, scores)["em"]
                records.append({"share": share, "split": split, "seed": seed, "em": em})
    return records


def _phi_on(bench: Bench, share: float, seed: int) -> ArmsRouter:
    _, encoders = read_inputs(bench.workspace)
    params = bench.workspace.params
    train = params.train.model_copy(update={"data_share": share})
    seeded = replace(bench.workspace, params=params.model_copy(update={"train": train, "seed": seed}))
    with progress_bar(f"Phi on {share:.0%} of the images, seed {seed}", "steps") as progress:
        return fit_phi(seeded, bench.inputs, encoders, _ignore, progress)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What some work gives, and the seconds it takes."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _ignore(*_: Any) -> None:
    """Nobody to tell."""


if __name__ == "__main__":
    with stage("extension_study"):
        main(standalone_mode=False)
