"""Which encoders to take for a dataset: each pair judged by nested cross-validation, with its time and its bytes.

The queries of train and val are divided by scene into folds, several times over; the test splits stay untouched. A
router is trained on what the other folds have of train and chosen by what they have of val.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from arms.data.atomic import atomic_file
from arms.data.prepared import read_prepared, write_json
from arms.errors import ArmsError
from arms.evaluation.bootstrap import bootstrap_seed_means, interval
from arms.evaluation.metrics import round_metrics
from arms.evaluation.outcomes import is_answerable, is_complete
from arms.evaluation.singles import comparable_accuracy
from arms.features.dataset import stores_in
from arms.features.inspection import describe_store
from arms.progress import progress_bar
from arms.selection.select import select
from stages.encode import MODALITIES, encode
from stages.encoders import build_encoders
from stages.workspace import Stopwatch, Workspace, open_workspace, stage
from studies.folds import LeftOut, scene_folds
from studies.settings import RESULTS, EncoderStudyParams, read_study_params
from studies.unseen import Study, open_study

ROUTERS = ("arms", "plain", "knn", "linear")
SINGLE = "best-single"
Json = dict[str, Any]
Correct = dict[str, np.ndarray]  # by router: right or wrong on N queries, for each division; shape (N, divisions)

logger = logging.getLogger("studies.encoders")


@dataclass(frozen=True, eq=False)
class Judged:
    """A pair of encoders on all answerable queries of train and val, in the order of the dataset."""

    correct: Correct
    scenes: np.ndarray
    encoding: Json


@click.command()
@click.argument("pairs", nargs=-1)
def main(pairs: tuple[str, ...]) -> None:
    """Write studies/results/<data>/encoders.json for pairs under conf/encoders/, those of studies/params.yaml if none.

    All differences are from the first pair.
    """
    study, workspace, watch = read_study_params(), open_workspace(), Stopwatch()
    names = pairs or tuple(study.encoder_pairs.pairs)
    judged = {name: judge_pair(name, study.encoder_pairs) for name in names}
    evaluate = workspace.params.evaluate
    by_pair = compared(judged, samples=evaluate.bootstrap_samples, seed=evaluate.seed)
    found = {
        "seeds": study.encoder_pairs.seeds,
        "folds": study.encoder_pairs.folds,
        "settings": study.encoder_pairs.settings,
        "pairs": by_pair,
    }
    file = RESULTS / workspace.params.data / "encoders.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as draft:
        write_json(round_metrics(found), draft)
    ems = ", ".join(f"{name} {of['routers']['arms']['em']:.3f}" for name, of in by_pair.items())
    logger.info("EM of ARMS by encoders, %d queries, in %.1f s: %s", _size(judged), watch.elapsed_s, ems)


def judge_pair(name: str, params: EncoderStudyParams) -> Judged:
    """Encode what is not stored yet, and fit every router to every fold of every division."""
    settings = [f"encoders={name}", *params.settings.split()]
    workspace = open_workspace(settings)
    prepared = read_prepared(workspace.prepared)
    for modality in MODALITIES:
        encode(workspace, prepared, modality)
    study = open_study(settings)
    counted = np.flatnonzero(is_complete(study.outcomes) & is_answerable(study.outcomes))
    correct = {router: np.full((len(study.outcomes), len(params.seeds)), np.nan) for router in (*ROUTERS, SINGLE)}
    fits = [
        (column, seed, fold)
        for column, seed in enumerate(params.seeds)
        for fold in scene_folds(study.scenes, params.folds, seed, usable=counted)
    ]
    with progress_bar(name, "folds") as progress:
        for done, (column, seed, fold) in enumerate(fits, start=1):
            for router, values in judge_fold(study, fold, seed).items():
                correct[router][fold.test, column] = values
            progress(done, len(fits))
    kept = {router: values[counted] for router, values in correct.items()}
    return Judged(kept, study.scenes[counted], measure_encoding(workspace, params.timed))


def judge_fold(study: Study, fold: LeftOut, seed: int) -> dict[str, np.ndarray]:
    """What each router, and the best single VLM of the fold's training queries, got right in the fold."""
    outcomes, rows = study.outcomes[fold.test], np.arange(len(fold.test))
    known = {"arms": None, "plain": None} | study.workspace.params.baselines
    if missing := sorted(set(ROUTERS) - known.keys()):
        raise ArmsError(f"params.yaml.baselines: expected {', '.join(missing)}, which encoders are compared by")
    found = {SINGLE: outcomes[:, int(np.nanargmax(comparable_accuracy(study.outcomes_to_learn(fold))))]}
    for router in ROUTERS:
        scores = study.fitted_scores(router, known[router], seed, fold)
        found[router] = outcomes[rows, select(scores.confidence, scores.policy, scores.vlms)]
    return found


def compared(judged: dict[str, Judged], *, samples: int, seed: int) -> Json:
    """EM of each router by pair, less the best single VLM and less the same router with the first pair."""
    first = next(iter(judged.values()))
    return {
        name: {
            "routers": {
                router: _record(of.correct[router], of.correct[SINGLE], first.correct[router], of.scenes, samples, seed)
                for router in ROUTERS
            },
            "best_single_em": float(of.correct[SINGLE].mean()),
            "queries": len(of.scenes),
            **of.encoding,
        }
        for name, of in judged.items()
    }


def _record(
    own: np.ndarray, single: np.ndarray, first: np.ndarray, scenes: np.ndarray, samples: int, seed: int
) -> Json:
    draws = bootstrap_seed_means([own, single, first], scenes, samples, seed)
    record: Json = {}
    for key, value, of in (
        ("em", own.mean(), draws[:, 0]),
        ("gain", (own - single).mean(), draws[:, 0] - draws[:, 1]),
        ("over_first", (own - first).mean(), draws[:, 0] - draws[:, 2]),
    ):
        low, high = interval(of)
        record |= {key: float(value), f"{key}_low": low, f"{key}_high": high}
    return record


def measure_encoding(workspace: Workspace, timed: int) -> Json:
    """By modality the bytes that each input takes, and how many are encoded in a second, with what it takes to start.

    Parameters
    ----------
    workspace : Workspace
    timed : int
        So many queries' pictures and texts are encoded anew for the rate.
    """
    prepared = read_prepared(workspace.prepared)
    found: Json = {}
    for modality, store in stores_in(workspace.features_folder, build_encoders(workspace, prepared)).items():
        info = describe_store(store)
        found[modality] = {"bytes_each": round(info.num_bytes / max(1, info.rows))}
    part = replace(prepared, queries=prepared.queries.head(timed))
    with TemporaryDirectory() as folder:
        for modality, of in found.items():
            watch = Stopwatch()
            count = encode(replace(workspace, features_root=Path(folder)), part, modality)
            of["per_s"] = count / watch.elapsed_s
    return found


def _size(judged: dict[str, Judged]) -> int:
    return len(next(iter(judged.values())).scenes)


if __name__ == "__main__":
    with stage("encoders"):
        main(standalone_mode=False)
