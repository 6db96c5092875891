"""Fit and score the routers that ARMS is compared with, and write down the ceilings."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arms.data.atomic import atomic_folder
from arms.data.prepared import Prepared
from arms.data.scores import Scores, write_scores
from stages.embedded import read_embedded
from stages.workspace import SCORES, Stopwatch, open_workspace, progress_bar, stage

logger = logging.getLogger("stages.baselines")


def main() -> None:
    """Write data/scores/baselines: one table per router of `baselines` and pool."""
    workspace, watch = open_workspace(), Stopwatch()
    baselines, embedded = workspace.params.baselines, read_embedded(workspace)
    prepared = embedded.inputs.prepared
    pools = {"base": prepared.base, "extended": prepared.extended}
    with atomic_folder(SCORES / "baselines") as folder, progress_bar("baselines", "fits") as progress:
        for number, (pool, vlms) in enumerate(pools.items()):
            for place, (name, settings) in enumerate(baselines.items(), start=1):
                router = embedded.fit(name, settings, vlms, "params.yaml.baselines")
                write_scores(embedded.score(router, name, pool), folder / f"{name}-{pool}.parquet")
                progress(number * len(baselines) + place, len(pools) * len(baselines))
            _write_ceilings(folder, pool, vlms, prepared, embedded.scored.ids)
    logger.info(
        "fitted %d routers on both pools and scored %s queries in %.1f s",
        len(baselines), f"{len(embedded.scored):,}", watch.elapsed_s,
    )  # fmt: skip


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
