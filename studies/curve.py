"""The learning curve: how good ARMS and simpler routers are with parts of the training queries."""

import copy
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from arms.baselines.registry import build_router, find_router
from arms.data.atomic import atomic_file
from arms.data.prepared import write_json
from arms.data.splits import SCORED_SPLITS
from arms.evaluation.judge import Judge
from arms.features.dataset import Dataset
from arms.features.labelled import Labelled
from arms.progress import progress_bar
from arms.routers.base import Scorer
from arms.training.choice import choose_queries
from stages.dataset import open_embedded
from stages.phi import untrained_phi
from stages.safe import join
from stages.workspace import Stopwatch, Workspace, open_workspace, stage
from studies.settings import RESULTS, CurveParams, read_study_params

ARMS, PLAIN, SPLIT = "arms", "plain", "id"
Json = dict[str, Any]

logger = logging.getLogger("studies.curve")


@dataclass(frozen=True, eq=False)
class Curve:
    """What all fits share. Parts of the training scenes are drawn; a larger part of a draw holds its smaller ones."""

    workspace: Workspace
    params: CurveParams
    dataset: Dataset

    @property
    def routers(self) -> dict[str, Json | None]:
        """The settings of each router by name, None for ARMS and its net; those that must ask VLMs are left out."""
        baselines = self.workspace.params.baselines
        return {
            name: None if name in (ARMS, PLAIN) else baselines[name]
            for name in self.params.routers
            if name in (ARMS, PLAIN)
            or (name in baselines and not find_router(baselines[name].get("router", name)).asks_vlms)
        }

    def draws(self, share: float) -> range:
        """All scenes can be drawn once."""
        return range(1 if share == 1 else self.params.draws)

    def part(self, share: float, draw: int) -> Labelled:
        """The training queries of a share of the scenes."""
        train = self.dataset.labelled("train", self.dataset.prepared.base)
        return train.subset(np.flatnonzero(train.in_share(share, self.workspace.params.seed + draw, at_least=1)))

    def fitted(self, train: Labelled, val: Labelled) -> dict[str, Scorer]:
        """All routers, fitted to a part of the training queries."""
        seed, nets = self.workspace.params.seed, self._nets(train, val)
        return {
            name: nets[name]
            if settings is None
            else build_router(name, train.vlms, settings, seed=seed).fit(train, val)
            for name, settings in self.routers.items()
        }

    def _nets(self, train: Labelled, val: Labelled) -> dict[str, Scorer]:
        """ARMS and its net, where they are among the routers."""
        dataset, params = self.dataset, self.workspace.params
        if not self.routers.keys() & {ARMS, PLAIN}:
            return {}
        assert dataset.embedder is not None
        train = choose_queries(train, train.vlms, params.train)
        # Training tunes the encoders, so the net needs fresh ones.
        net = untrained_phi(self.workspace, dataset, copy.deepcopy(dataset.embedder.encoders)).fit(train, val)
        joins = ARMS in self.routers and params.safe.use
        return {ARMS: join(self.workspace, dataset, net, train, val) if joins else net, PLAIN: net}


def main() -> None:
    """Write studies/results/<data>/curve.json."""
    workspace, study, watch = open_workspace(), read_study_params(), Stopwatch()
    less = {"draws": 1, "shares": study.curve.shares[-2:]} if study.quick else {}
    found = measure(Curve(workspace, study.curve.model_copy(update=less), open_embedded(workspace)))
    file = RESULTS / workspace.params.data / "curve.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as draft:
        write_json({"quick": study.quick, **found}, draft)
    ends = ", ".join(f"{name} {points[-1]['em']}" for name, points in found["routers"].items())
    logger.info("learning curve on %s queries in %.1f s: %s", found["queries"], watch.elapsed_s, ends)


def measure(curve: Curve) -> Json:
    """Fit every router to every part, and judge it on the split id, base pool."""
    evaluate, prepared = curve.workspace.params.evaluate, curve.dataset.prepared
    judge = Judge(prepared, {}, samples=evaluate.bootstrap_samples, seed=evaluate.seed)
    queries, val = curve.dataset.queries(*SCORED_SPLITS), curve.dataset.labelled("val", prepared.base)
    jobs = [(share, draw) for share in curve.params.shares for draw in curve.draws(share)]
    sizes: dict[float, list[int]] = {share: [] for share in curve.params.shares}
    ems: dict[str, dict[float, list[Json]]] = {name: {share: [] for share in sizes} for name in curve.routers}
    with progress_bar("learning curve", "fits") as progress:
        for done, (share, draw) in enumerate(jobs, start=1):
            train = curve.part(share, draw)
            sizes[share].append(len(train))
            for name, router in curve.fitted(train, val).items():
                ems[name][share].append(judge.metrics_on(SPLIT, router.scores(name, "base", queries)))
            progress(done, len(jobs))
    single = next(iter(ems.values()))[curve.params.shares[-1]][0]["best_single_em"]
    return {
        "queries": [round(float(np.mean(sizes[share]))) for share in sizes],
        "best_single_em": single,
        "routers": {name: [_point(by_share[share]) for share in sizes] for name, by_share in ems.items()},
    }


def _point(metrics: list[Json]) -> Json:
    """The mean EM over the draws of one share, and each draw's; None where no query can be judged on."""
    values = [of["em"] for of in metrics]
    known = [value for value in values if value is not None]
    return {"em": round(float(np.mean(known)), 4) if known else None, "em_by_draw": values}


if __name__ == "__main__":
    with stage("curve"):
        main()
