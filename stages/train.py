"""Train Phi on the base pool."""

import logging
from pathlib import Path

import numpy as np

from arms.data.atomic import atomic_folder
from arms.device import choose_device
from arms.encoders.pair import EncoderPair
from arms.features.loader import Queries
from arms.routers.arms import ArmsRouter
from stages.inputs import SCORED_SPLITS, Inputs, read_inputs, write_router_scores
from stages.live import OnEpoch, live_log
from stages.workspace import (
    PLOTS,
    ROUTERS,
    SCORES,
    SNAPSHOTS,
    Progress,
    Stopwatch,
    Workspace,
    open_workspace,
    progress_bar,
    stage,
)

logger = logging.getLogger("stages.train")


def main() -> None:
    """Write the router to data/routers/phi and its scores to data/scores/arms."""
    workspace, watch = open_workspace(), Stopwatch()
    inputs, encoders = read_inputs(workspace)
    with live_log(PLOTS / "train") as on_epoch, progress_bar("train", "steps") as progress:
        router = fit_phi(workspace, inputs, encoders, on_epoch, progress, SNAPSHOTS / "phi.pt")
    router.save(ROUTERS / "phi")
    with atomic_folder(SCORES / "arms") as folder:
        write_router_scores(folder, "arms", "base", router, inputs.queries(*SCORED_SPLITS))
    logger.info("trained Phi for %d epochs in %.1f s", workspace.params.epochs, watch.elapsed_s)


def fit_phi(
    workspace: Workspace,
    inputs: Inputs,
    encoders: EncoderPair,
    on_epoch: OnEpoch,
    progress: Progress,
    snapshot: Path | None = None,
) -> ArmsRouter:
    """Train an ARMS router on the base pool, from where a run that was killed left its snapshot."""
    params, base = workspace.params, inputs.prepared.base
    train = share_of_images(inputs.queries("train"), params.train.data_share, params.seed)
    val = inputs.queries("val")
    router = ArmsRouter(
        [vlm for vlm in inputs.prepared.vlms if vlm.name in base],
        encoders,
        params.router,
        params.train,
        epochs=params.epochs,
        seed=params.seed,
        device=choose_device(params.runtime.device),
        snapshot=snapshot,
        on_epoch=on_epoch,
        progress=progress,
    )
    return router.fit(train, inputs.outcomes(train, base), val, inputs.outcomes(val, base))


def share_of_images(queries: Queries, share: float, seed: int) -> Queries:
    """The queries of a random share of the images; a larger share holds all of a smaller one."""
    images, image_of = np.unique(queries.image_rows, return_inverse=True)
    kept = np.random.default_rng(seed).permutation(len(images))[: max(1, round(share * len(images)))]
    return queries.subset(np.flatnonzero(np.isin(image_of, kept)))


if __name__ == "__main__":
    with stage("train"):
        main()
