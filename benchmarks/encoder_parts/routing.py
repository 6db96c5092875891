"""Routing with each encoder pair: ARMS in the time that the pair trained from nothing takes, and kNN."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from arms.baselines.registry import build_router
from arms.data.prepared import read_prepared
from arms.data.scores import Scores
from arms.data.splits import SCORED_SPLITS
from arms.encoders.pair import EncoderPair
from arms.evaluation.judge import Judge
from arms.features.dataset import Dataset
from arms.params.encoders import EncodersParams
from arms.routers.arms import ArmsRouter
from benchmarks.encoder_parts.pairs import bundled, untrained
from stages.dataset import open_dataset, open_embedded
from stages.encode import encode
from stages.encoders import build_encoders
from stages.phi import training_data, untrained_phi
from stages.workspace import Workspace

_MOST_EPOCHS = 40
SCRATCH, UNTRAINED = "trained from nothing, all layers", "untrained, frozen"
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """One encoder pair on one dataset.

    Attributes
    ----------
    epochs : int
        Of training ARMS.
    encode_s, train_s : float
        Seconds for encoding all images and texts up to the cut, and for training.
    em : dict
        Split -> "arms", "knn" -> em, em_low, em_high, best_single_em; their margins over other pairs, by name.
    """

    dataset: str
    encoders: str
    epochs: int
    encode_s: float
    train_s: float
    em: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Run:
    epochs: int
    encode_s: float
    train_s: float
    arms: Scores
    knn: Scores


def pairs(scratch: EncodersParams) -> dict[str, EncodersParams]:
    """What is compared, by name; the pair trained from nothing comes first, since it sets the time."""
    return {
        SCRATCH: scratch,
        UNTRAINED: untrained(0),
        "bundled, frozen": bundled(0),
        "bundled, top layer tuned": bundled(1),
        "bundled, top two layers tuned": bundled(2),
        "bundled, all layers tuned": bundled("all"),
    }


def measure_routing(workspace: Workspace, compared: dict[str, EncodersParams], judge: Judge) -> Iterator[Variant]:
    """Route with each pair; all but the first train for as many epochs as fit into the time the first one takes."""
    runs: dict[str, _Run] = {}
    budget_s: float | None = None
    for name, encoders in compared.items():
        with tempfile.TemporaryDirectory(prefix="arms-benchmark-") as folder:
            own = replace(workspace, encoders=encoders, features_root=Path(folder))
            runs[name] = _run(own, name, budget_s)
        if budget_s is None:
            budget_s = runs[name].encode_s + runs[name].train_s
        yield _judge(workspace.params.data, name, runs, judge)


def _run(workspace: Workspace, name: str, budget_s: float | None) -> _Run:
    prepared = read_prepared(workspace.prepared)
    encode_s = sum(_timed(partial(encode, workspace, prepared, modality))[1] for modality in ("image", "text"))
    dataset, encoders = open_dataset(workspace)
    epochs = workspace.params.epochs
    if budget_s is not None:
        # One epoch shows how many fit.
        _, epoch_s = _timed(partial(_fit, workspace, dataset, encoders, 1))
        epochs = min(max(round((budget_s - encode_s) / epoch_s), 1), _MOST_EPOCHS)
        encoders = build_encoders(workspace, dataset.prepared)  # that epoch has tuned the others
    router, train_s = _timed(partial(_fit, workspace, dataset, encoders, epochs))
    arms = router.scores(name, "base", dataset.queries(*SCORED_SPLITS))
    logger.info("%s: %d epochs, encoded in %.1f s, trained in %.1f s", name, epochs, encode_s, train_s)
    return _Run(epochs, encode_s, train_s, arms, _knn(workspace, name))


def _fit(workspace: Workspace, dataset: Dataset, encoders: EncoderPair, epochs: int) -> ArmsRouter:
    timed = replace(workspace, params=workspace.params.model_copy(update={"epochs": epochs}))
    return untrained_phi(timed, dataset, encoders).fit(*training_data(timed, dataset))


def _knn(workspace: Workspace, name: str) -> Scores:
    params, dataset = workspace.params, open_embedded(workspace)
    base = dataset.prepared.base
    router = build_router("knn", base, params.baselines["knn"], seed=params.seed)
    router.fit(dataset.labelled("train", base), dataset.labelled("val", base))
    return router.scores(name, "base", dataset.queries(*SCORED_SPLITS))


def _judge(dataset: str, name: str, runs: dict[str, _Run], judge: Judge) -> Variant:
    run = runs[name]
    em: dict[str, dict[str, Any]] = {}
    for split in SCORED_SPLITS:
        em[split] = {
            router: judge.metrics_on(split, scores) | _margins(split, router, scores, name, runs, judge)
            for router, scores in (("arms", run.arms), ("knn", run.knn))
        }
    return Variant(dataset, name, run.epochs, run.encode_s, run.train_s, em)


def _margins(
    split: str, router: str, scores: Scores, name: str, runs: dict[str, _Run], judge: Judge
) -> dict[str, dict[str, Any]]:
    """What this pair has over those that it is to beat."""
    others = [other for other in (SCRATCH, UNTRAINED) if other in runs and other != name]
    return {f"over {other}": judge.compare(scores, getattr(runs[other], router), split) for other in others}


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What some work gives, and the seconds it takes."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start
