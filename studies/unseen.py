"""Leave each kind of queries out of training, and see what every router gains on it.

A fold's test queries are those of one task (or benchmark) in train and val; the test splits stay untouched. A router is
trained on train's other queries and chosen by val's, as long as they share no scene with the fold.
"""

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from arms.baselines.registry import build_router, find_router
from arms.data.atomic import atomic_file
from arms.data.prepared import write_json
from arms.data.scores import Scores, read_scores
from arms.evaluation.metrics import round_metrics
from arms.evaluation.outcomes import is_answerable, is_complete
from arms.evaluation.shift import Fold, judge_folds
from arms.evaluation.singles import comparable_accuracy
from arms.evaluation.trust import Choices, trust
from arms.features.dataset import Dataset
from arms.features.labelled import Labelled
from arms.progress import progress_bar
from arms.routers.arms import ArmsRouter
from arms.routers.base import Scorer
from arms.selection.select import select
from stages.dataset import open_embedded
from stages.phi import untrained_phi
from stages.safe import join
from stages.workspace import SCORES, Stopwatch, Workspace, open_workspace, stage
from studies.folds import LeftOut, by_column, leave_out
from studies.settings import RESULTS, StudyParams, read_study_params, with_seed

ARMS, PLAIN = "arms", "plain"
FIT = ("train", "val")
Json = dict[str, Any]

logger = logging.getLogger("studies.unseen")


@dataclass(frozen=True, eq=False)
class Study:
    """What all folds share: settings, the dataset, and the queries of train and val, one split after the other.

    Attributes
    ----------
    outcomes : ndarray of shape (N, S), float32
        Of the base pool on these queries, NaN unknown.
    scenes : ndarray of shape (N,), int64
    """

    workspace: Workspace
    params: StudyParams
    dataset: Dataset
    queries: pd.DataFrame
    outcomes: np.ndarray
    scenes: np.ndarray
    _nets: dict[int, tuple[LeftOut, ArmsRouter]] = field(init=False, default_factory=dict)  # of the last fold, by seed

    @property
    def folds(self) -> list[LeftOut]:
        """The kinds that are left out in turn; the first two in a quick run."""
        complete = np.flatnonzero(is_complete(self.outcomes))
        unseen = self.params.unseen
        found = leave_out(self.queries, self.scenes, unseen.by, least=unseen.least_queries, usable=complete)
        return found[:2] if self.params.quick else found

    @property
    def routers(self) -> dict[str, Json | None]:
        """The settings of each router by name, None for ARMS and its net; those that must ask VLMs are left out."""
        known: dict[str, Json] = {**self.params.routers, **self.workspace.params.baselines}
        chosen: dict[str, Json | None] = {}
        for name in self.params.unseen.routers:
            if name in (ARMS, PLAIN):
                chosen[name] = None
            elif not find_router(known.get(name, {}).get("router", name), "studies/params.yaml.unseen").asks_vlms:
                chosen[name] = known.get(name, {})
        return chosen

    def seeds(self, settings: Json | None) -> list[int]:
        """The seeds that a router is fitted with: several for ARMS, the pipeline's for the others."""
        return self.params.unseen.seeds[: 1 if self.params.quick else None] if settings is None else [self._seed]

    @property
    def _seed(self) -> int:
        return self.workspace.params.seed

    def fitted_scores(self, name: str, settings: Json | None, seed: int, fold: LeftOut) -> Scores:
        """The scores of a router on a fold's queries, which it was not trained on."""
        dataset = self.dataset
        rest = self._rest(dataset, fold, answers=settings is not None)  # ARMS reads no answers
        if settings is None:
            workspace = with_seed(self.workspace, seed)
            net = self._trained_net(workspace, seed, fold, *rest)
            joins = name == ARMS and workspace.params.safe.use
            router: Scorer = join(workspace, dataset, net, *rest) if joins else net
        else:
            router = build_router(name, dataset.prepared.base, settings, seed=seed, where="studies/params.yaml.unseen")
            router.fit(*rest)
        return router.scores(name, "base", dataset.queries(*FIT).subset(fold.test))

    def _trained_net(
        self, workspace: Workspace, seed: int, fold: LeftOut, train: Labelled, val: Labelled
    ) -> ArmsRouter:
        """The net of a fold, trained once for ARMS and for the net alone, which are judged one after the other."""
        known = self._nets.get(seed)
        if known is not None and known[0] is fold:
            return known[1]
        assert self.dataset.embedder is not None
        # Training tunes the encoders, so each fit needs fresh ones.
        untrained = untrained_phi(workspace, self.dataset, copy.deepcopy(self.dataset.embedder.encoders))
        self._nets[seed] = fold, untrained.fit(train, val)
        return self._nets[seed][1]

    def _rest(self, dataset: Dataset, fold: LeftOut, *, answers: bool) -> tuple[Labelled, Labelled]:
        """Train and val without what the fold leaves out."""
        train, val = (dataset.labelled(split, dataset.prepared.base, answers=answers) for split in FIT)
        size = len(train)
        return train.subset(np.flatnonzero(fold.rest[:size])), val.subset(np.flatnonzero(fold.rest[size:]))

    def outcomes_to_learn(self, fold: LeftOut) -> np.ndarray:
        """The outcomes of the training queries that a fold leaves, shape (N, S)."""
        size = int((self.queries["split"] == "train").sum())
        return self.outcomes[:size][fold.rest[:size]]

    def judged_fold(self, fold: LeftOut, choices: list[list[Choices]]) -> Fold:
        """What the choices of all routers were worth; those of several seeds count by their mean."""
        test, accuracy = fold.test, comparable_accuracy(self.outcomes_to_learn(fold))
        outcomes = self.outcomes[test]
        return Fold(
            correct=np.stack([np.mean([one.correct for one in seeds], axis=0) for seeds in choices], axis=1),
            single=outcomes[:, int(np.nanargmax(accuracy))],
            answerable=is_answerable(outcomes),
            groups=self.scenes[test],
        )


def main() -> None:
    """Write studies/results/<data>/unseen.json."""
    study, watch = open_study(), Stopwatch()
    found = leave_each_out(study)
    file = RESULTS / study.workspace.params.data / "unseen.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as draft:
        write_json(round_metrics(found), draft)
    logger.info("left each kind out in turn in %.1f s; %s", watch.elapsed_s, _headline(found))


def open_study(settings: Sequence[str] = ()) -> Study:
    """Read the settings, see `open_workspace`, and join train and val to the outcomes of the base pool."""
    workspace = open_workspace(settings)
    dataset = open_embedded(workspace)
    prepared = dataset.prepared
    queries = pd.concat([prepared.split(split) for split in FIT], ignore_index=True)
    ids = queries["query_id"]
    outcomes, scenes = prepared.outcome_matrix(ids, prepared.base), prepared.scene_groups(ids)
    return Study(workspace, read_study_params(), dataset, queries, outcomes, scenes)


def leave_each_out(study: Study) -> Json:
    """Fit every router for every fold, and judge gains, confidences and calibration."""
    folds, routers, evaluate = study.folds, study.routers, study.workspace.params.evaluate
    choices: list[list[list[Choices]]] = [[] for _ in folds]  # by fold, router and seed
    fits = [(place, name, settings) for place in range(len(folds)) for name, settings in routers.items()]
    with progress_bar("unseen kinds", "fits") as progress:
        for done, (place, name, settings) in enumerate(fits, start=1):
            scores = [study.fitted_scores(name, settings, seed, folds[place]) for seed in study.seeds(settings)]
            choices[place].append([_choices(one, study.outcomes[folds[place].test]) for one in scores])
            progress(done, len(fits))
    found: Json = {
        "quick": study.params.quick,
        "seeds": {name: study.seeds(settings) for name, settings in routers.items()},
        "left_out": {},
        "trust_id": {name: _trust([of]) for name, of in _choices_on_id(study).items()},
    }
    for column, places in by_column(folds).items():
        judged = {folds[place].kinds[column]: study.judged_fold(folds[place], choices[place]) for place in places}
        found["left_out"][column] = {
            "routers": judge_folds(judged, list(routers), evaluate.bootstrap_samples, evaluate.seed),
            "trust": {name: _trust([choices[at][row][0] for at in places]) for row, name in enumerate(routers)},
        }
    return found


def _choices(scores: Scores, outcomes: np.ndarray) -> Choices:
    """What a router chose among N queries on which every VLM has an outcome."""
    chosen = select(scores.confidence, scores.policy, scores.vlms)
    rows = np.arange(len(chosen))
    return Choices(scores.confidence[rows, chosen], outcomes[rows, chosen], scores.confidence, outcomes)


def _trust(parts: list[Choices]) -> Json:
    """Calibration and risk by coverage, its curve rounded as `round_metrics` rounds all else."""
    found = trust(parts)
    return found | {"curve": [round_metrics(point) for point in found["curve"]]}


def _choices_on_id(study: Study) -> dict[str, Choices]:
    """What those of the routers that the pipeline has choose on id, where every VLM has an outcome."""
    prepared = study.dataset.prepared
    ids = prepared.split("id")["query_id"].to_numpy()
    outcomes = prepared.outcome_matrix(ids, prepared.base)
    complete = is_complete(outcomes)
    files = {
        name: SCORES / (name if name in (ARMS, PLAIN) else "baselines") / f"{name}-base.parquet"
        for name in study.routers
    }
    return {
        name: _choices(_at(read_scores(file), ids[complete].tolist()), outcomes[complete])
        for name, file in files.items()
        if file.exists() and complete.any()
    }


def _at(scores: Scores, ids: list[str]) -> Scores:
    """The score table of these queries only."""
    return Scores(scores.router, scores.pool, tuple(ids), scores.vlms, scores.at(ids), scores.policy)


def _headline(found: Json) -> str:
    """What ARMS gains, for the log."""
    parts = [
        f"by {column} ARMS gains {arms['macro']['gain']:+.3f} on average and {arms['worst']['gain']:+.3f} at worst"
        for column, of in found["left_out"].items()
        if (arms := of["routers"].get(ARMS))
    ]
    return "; ".join(parts) or "ARMS was not judged"


if __name__ == "__main__":
    with stage("unseen"):
        main()
