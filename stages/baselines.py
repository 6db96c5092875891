"""Fit and score the routers that ARMS is compared with, and write the scores of the ceilings."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arms.baselines.registry import any_learns_from_answers, build_router
from arms.baselines.saved import SavedBaseline, save_unable, why_not
from arms.data.atomic import atomic_folder
from arms.data.prepared import Prepared
from arms.data.scores import Scores, write_scores
from arms.data.splits import SCORED_SPLITS
from arms.features.dataset import Dataset
from arms.features.labelled import Labelled
from arms.progress import progress_bar
from arms.routers.base import BaseRouter
from arms.routers.origin import Origin
from stages.dataset import open_embedded
from stages.workspace import ROUTERS, SCORES, Stopwatch, Workspace, open_workspace, stage

OUT = ROUTERS / "baselines"

logger = logging.getLogger("stages.baselines")


def main() -> None:
    """Write data/scores/baselines, one table per pool and router of `baselines`, and the routers, over the whole pool.

    They are in data/routers/baselines. Those that cannot route by themselves leave only a description that says why.
    """
    workspace, watch = open_workspace(), Stopwatch()
    params, dataset = workspace.params, open_embedded(workspace)
    prepared, queries = dataset.prepared, dataset.queries(*SCORED_SPLITS)
    reads_answers = any_learns_from_answers(params.baselines, "params.yaml.baselines")
    done, total = 0, 2 * len(params.baselines)
    with (
        atomic_folder(SCORES / "baselines") as folder,
        atomic_folder(OUT) as saved,
        progress_bar("baselines", "fits") as progress,
    ):
        shelf = _Shelf(saved, workspace, dataset)
        for pool, vlms in (("base", prepared.base), ("extended", prepared.extended)):
            answers = dataset.answers(queries, vlms) if reads_answers else None
            train, val = (dataset.labelled(split, vlms, answers=reads_answers) for split in ("train", "val"))
            for name, settings in params.baselines.items():
                router = build_router(name, vlms, settings, seed=params.seed, where="params.yaml.baselines")
                scores = router.fit(train, val).scores(name, pool, queries, answers)
                write_scores(scores, folder / f"{name}-{pool}.parquet")
                if pool == "extended":
                    shelf.save(name, router, train, val)
                done += 1
                progress(done, total)
            _write_ceilings(folder, pool, vlms, prepared, queries.ids)
    logger.info(
        "fitted %d routers on both pools and scored %s queries in %.1f s",
        len(params.baselines), f"{len(queries):,}", watch.elapsed_s,
    )  # fmt: skip


class _Shelf:
    """Saves baselines into a folder. What they have learnt from is the same for all, and is saved once."""

    def __init__(self, folder: Path, workspace: Workspace, dataset: Dataset) -> None:
        self.folder, self.params, self.dataset = folder, workspace.params, dataset
        self.origin = Origin.of(self.params.data, dataset.prepared, dataset.prepared.extended, self.params.costs)
        self.first: Path | None = None

    def save(self, name: str, router: BaseRouter, train: Labelled, val: Labelled) -> None:
        """Save a fitted baseline over the extended pool; of one that cannot route a description that says why."""
        settings, seed, embedder = self.params.baselines[name], self.params.seed, self.dataset.embedder
        assert embedder is not None
        if why_not(name, settings):
            save_unable(name, settings, seed, self.folder / name)
            return
        saved = SavedBaseline(name, settings, seed, self.dataset.prepared.vlms, router, train, val, embedder)
        saved.origin = self.origin
        saved.save(self.folder / name, beside=self.first)
        if self.first is None and router.reads_queries:
            self.first = self.folder / name


def _write_ceilings(folder: Path, pool: str, vlms: Sequence[str], prepared: Prepared, query_ids: Sequence[str]) -> None:
    """Write the oracle's scores, which are the outcomes, and for simulated data the best possible ones, the chances."""
    oracle = np.nan_to_num(prepared.outcome_matrix(query_ids, vlms))
    chances = prepared.probability_matrix(query_ids, vlms)
    for name, confidence in (("oracle", oracle), ("best-possible", chances)):
        if confidence is not None:
            scores = Scores(name, pool, tuple(query_ids), tuple(vlms), confidence, {"name": "argmax"})
            write_scores(scores, folder / f"{name}-{pool}.parquet")


if __name__ == "__main__":
    with stage("baselines"):
        main()
