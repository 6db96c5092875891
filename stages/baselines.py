"""Fit and score the routers that ARMS is compared with, and write the scores of the ceilings."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arms.baselines.registry import any_learns_from_answers, build_router
from arms.data.atomic import atomic_folder
from arms.data.prepared import Prepared
from arms.data.scores import Scores, write_scores
from arms.data.splits import SCORED_SPLITS
from arms.progress import progress_bar
from stages.dataset import open_embedded
from stages.workspace import SCORES, Stopwatch, open_workspace, stage

logger = logging.getLogger("stages.baselines")


def main() -> None:
    """Write data/scores/baselines: one table per pool and router of `baselines`."""
    workspace, watch = open_workspace(), Stopwatch()
    params, dataset = workspace.params, open_embedded(workspace)
    prepared, queries = dataset.prepared, dataset.queries(*SCORED_SPLITS)
    reads_answers = any_learns_from_answers(params.baselines, "params.yaml.baselines")
    done, total = 0, 2 * len(params.baselines)
    with atomic_folder(SCORES / "baselines") as folder, progress_bar("baselines", "fits") as progress:
        for pool, vlms in (("base", prepared.base), ("extended", prepared.extended)):
            answers = dataset.answers(queries, vlms) if reads_answers else None
            train, val = (dataset.labelled(split, vlms, answers=reads_answers) for split in ("train", "val"))
            for name, settings in params.baselines.items():
                router = build_router(name, vlms, settings, seed=params.seed, where="params.yaml.baselines")
                scores = router.fit(train, val).scores(name, pool, queries, answers)
                write_scores(scores, folder / f"{name}-{pool}.parquet")
                done += 1
                progress(done, total)
            _write_ceilings(folder, pool, vlms, prepared, queries.ids)
    logger.info(
        "fitted %d routers on both pools and scored %s queries in %.1f s",
        len(params.baselines), f"{len(queries):,}", watch.elapsed_s,
    )  # fmt: skip


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
