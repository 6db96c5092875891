"""Compare the ways to extend the pool, with all outcomes of the new VLMs."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from arms.data.scores import Scores
from arms.data.splits import SCORED_SPLITS, TEST_SPLITS
from arms.routers.arms import ArmsRouter
from arms.routers.base import BaseRouter
from arms.routers.cascade import CascadeRouter
from arms.training.choice import choose_queries
from stages.workspace import stage
from studies.knn import knn_scores
from studies.setup import Json, Setup, five_metrics, open_setup, write_part

THETAS = tuple(round(0.5 + 0.05 * step, 2) for step in range(11))


def main() -> None:
    """Write studies/results/<data>/extension/strategies.json."""
    setup = open_setup()
    write_part(setup, "strategies", compare_strategies(setup))


def compare_strategies(setup: Setup) -> Json:
    """Judge every strategy on the extended pool, and compare it with Phi alone and with full retraining."""
    phi = setup.phi
    routers: dict[str, tuple[BaseRouter, float]] = {
        "full retraining": _timed(partial(_retrained, setup)),
        "incremental": _timed(partial(setup.extended, "incremental", phi)),
        "independent": _timed(partial(setup.extended, "independent", phi)),
        "zero-shot": _timed(lambda: phi.over(setup.dataset.prepared.vlms)),
    }
    scores = {name: setup.scored(name, router) for name, (router, _) in routers.items()}
    times = {name: seconds for name, (_, seconds) in routers.items()}
    scores["kNN"], times["kNN"] = _timed(partial(knn_scores, setup))
    scores["Phi alone"], times["Phi alone"] = _phi_alone(setup), 0.0
    incremental, independent = (routers[name][0] for name in ("incremental", "independent"))
    assert isinstance(incremental, ArmsRouter)
    assert isinstance(independent, CascadeRouter)
    return {
        "new": list(setup.new),
        "strategies": {name: _judged(setup, name, scores, times[name]) for name in scores},
        "forgotten": _forgotten(setup, incremental),
        "theta": list(_theta_records(setup, independent)),
    }


def _judged(setup: Setup, name: str, scores: dict[str, Scores], seconds: float) -> Json:
    own, judge = scores[name], setup.judge
    return {
        "seconds": round(seconds, 2),
        "metrics": {split: judge.metrics_on(split, own) for split in TEST_SPLITS},
        "over_phi_alone": {split: judge.compare(own, scores["Phi alone"], split) for split in TEST_SPLITS},
        "over_full": {split: judge.compare(own, scores["full retraining"], split) for split in TEST_SPLITS},
        "new_share": {split: _new_share(setup, own, split) for split in TEST_SPLITS},
    }


def _phi_alone(setup: Setup) -> Scores:
    """Phi's scores over its own pool, written into the extended pool; the new VLMs get confidence 0."""
    own = setup.scored("phi", setup.phi)
    unknown = np.zeros((len(own.query_ids), len(setup.new)), dtype=np.float32)
    return replace(own, vlms=own.vlms + setup.new, confidence=np.concatenate([own.confidence, unknown], axis=1))


def _retrained(setup: Setup) -> ArmsRouter:
    """A router over the extended pool, trained on all outcomes from nothing."""
    params, prepared = setup.workspace.params, setup.dataset.prepared
    train, val = (setup.dataset.labelled(split, prepared.extended) for split in ("train", "val"))
    router = ArmsRouter(prepared.vlms, setup.fresh_encoders, params.router, params.fit, device=setup.phi.device)
    return router.fit(choose_queries(train, prepared.base, params.train), val)


def _new_share(setup: Setup, scores: Scores, split: str) -> float | None:
    """Share of the queries for which a new VLM is chosen."""
    chosen = setup.judge.selected(split, scores)
    return round(float((chosen >= len(setup.phi.vlms)).mean()), 4) if len(chosen) else None


def _forgotten(setup: Setup, router: ArmsRouter) -> Json:
    """Phi and the incremental router on the base pool, and the difference between them."""
    queries, judge = setup.dataset.queries(*SCORED_SPLITS), setup.judge
    before = setup.phi.scores("phi", "base", queries)
    after = router.over(setup.phi.profiles).scores("incremental", "base", queries)
    return {
        split: {
            "before": judge.metrics_on(split, before),
            "after": judge.metrics_on(split, after),
            "after_minus_before": judge.compare(after, before, split),
        }
        for split in TEST_SPLITS
    }


def _theta_records(setup: Setup, cascade: CascadeRouter) -> Iterator[Json]:
    """Five metrics of the cascade by theta (Fig. 7b), once with all its routers calibrated and once with none."""
    for calibrated in (True, False):
        scores = setup.scored("independent", cascade if calibrated else _uncalibrated(cascade))
        outcomes = setup.dataset.prepared.outcome_matrix(scores.query_ids, setup.phi.vlms)
        for theta in THETAS:
            at_theta = only_asked(scores, theta, ~np.isnan(outcomes))
            for split in ("val", *TEST_SPLITS):
                metrics = five_metrics(setup, split, at_theta)
                yield {"theta": theta, "split": split, "calibrated": calibrated, **metrics}


def only_asked(scores: Scores, theta: float, known: np.ndarray) -> Scores:
    """A cascade's scores at another theta, where the new VLMs' confidences are 0 if Phi is sure.

    Then Theta is not asked, and no new VLM is predicted to be right. So accuracy, precision, recall and F1 depend on
    theta, as they do in the paper's Fig. 7b, and are over the same pairs at each theta. EM stays as it is.

    Parameters
    ----------
    known : bool array of shape (N, S)
        Where the outcomes of the base pool are known: among these Phi chooses.
    """
    confidence, num_base = scores.confidence.copy(), known.shape[1]
    sure = np.where(known, confidence[:, :num_base], 0).max(axis=1) > theta
    confidence[sure, num_base:] = 0
    return replace(scores, confidence=confidence, policy=scores.policy | {"theta": theta})


def _uncalibrated(cascade: CascadeRouter) -> CascadeRouter:
    phi, *thetas = (copy.copy(router) for router in cascade.routers)
    for router in (phi, *thetas):
        router.temperature = 1.0
    return CascadeRouter(phi, thetas, theta=cascade.theta)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Do some work; return its result and the seconds it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


if __name__ == "__main__":
    with stage("strategies"):
        main()
