"""Score the references: nearest neighbours, the best single VLM, a random choice, and the oracle."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arms.data.atomic import atomic_folder
from arms.data.prepared import Prepared
from arms.data.scores import Scores, write_scores
from arms.device import choose_device
from arms.features.embeddings import add_embeddings
from arms.routers.base import Router
from arms.routers.constant import BestSingleRouter, RandomRouter
from arms.routers.knn import KnnRouter
from stages.inputs import SCORED_SPLITS, read_inputs, write_router_scores
from stages.workspace import SCORES, Stopwatch, Workspace, open_workspace, stage

logger = logging.getLogger("stages.baselines")


def main() -> None:
    """Write data/scores/baselines: one table per baseline and pool."""
    workspace, watch = open_workspace(), Stopwatch()
    runtime = workspace.params.runtime
    inputs, encoders = read_inputs(workspace)
    train, val, scored = (
        add_embeddings(queries, encoders, batch_size=runtime.extract_batch_size, device=choose_device(runtime.device))
        for queries in (inputs.queries("train"), inputs.queries("val"), inputs.queries(*SCORED_SPLITS))
    )
    prepared = inputs.prepared
    with atomic_folder(SCORES / "baselines") as folder:
        for pool, vlms in (("base", prepared.base), ("extended", prepared.extended)):
            for name, router in _routers(workspace, vlms).items():
                router.fit(train, inputs.outcomes(train, vlms), val, inputs.outcomes(val, vlms))
                write_router_scores(folder, name, pool, router, scored)
                if isinstance(router, KnnRouter):
                    logger.info("knn on the %s pool: %d neighbours, by val", pool, router.num_neighbours)
            _write_ceilings(folder, pool, vlms, prepared, scored.ids)
    logger.info("scored the baselines on %s queries in %.1f s", f"{len(scored):,}", watch.elapsed_s)


def _routers(workspace: Workspace, vlms: tuple[str, ...]) -> dict[str, Router]:
    knn = workspace.params.knn
    return {
        "knn": KnnRouter(vlms, num_neighbours=knn.num_neighbours, weights=knn.weights),
        "best-single": BestSingleRouter(vlms),
        "random": RandomRouter(vlms, seed=workspace.params.seed),
    }


def _write_ceilings(folder: Path, pool: str, vlms: Sequence[str], prepared: Prepared, query_ids: Sequence[str]) -> None:
    """The oracle, which sees the outcomes, and for simulated data the best possible, which sees the true chances."""
    oracle = np.nan_to_num(prepared.outcome_matrix(query_ids, vlms))
    chances = prepared.probability_matrix(query_ids, vlms)
    for name, confidence in (("oracle", oracle), ("best-possible", chances)):
        if confidence is not None:
            scores = Scores(name, pool, tuple(query_ids), tuple(vlms), confidence, {"name": "argmax"})
            write_scores(scores, folder / f"{name}-{pool}.parquet")


if __name__ == "__main__":
    with stage("baselines"):
        main()
