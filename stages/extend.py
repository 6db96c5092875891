"""Extend Phi to the new VLMs, by one of the two strategies."""

import logging
from functools import partial

import click

from arms.data.atomic import atomic_folder
from arms.encoders.pair import EncoderPair
from arms.extension.strategies import extend_incrementally, extend_independently
from arms.routers.arms import ArmsRouter
from arms.routers.base import Router
from arms.routers.cascade import CascadeRouter
from stages.inputs import SCORED_SPLITS, Inputs, load_phi, read_inputs, write_router_scores
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

logger = logging.getLogger("stages.extend")


@click.command()
@click.argument("strategy", type=click.Choice(["incremental", "independent"]))
def main(strategy: str) -> None:
    """Write the extended router to data/routers/<strategy> and its scores to data/scores/<strategy>."""
    workspace, watch = open_workspace(), Stopwatch()
    inputs, encoders = read_inputs(workspace)
    phi = load_phi(workspace, encoders)
    with live_log(PLOTS / strategy) as on_epoch, progress_bar(f"extend {strategy}", "steps") as progress:
        if inputs.prepared.new:
            extend = partial(_incremental if strategy == "incremental" else _independent, workspace, inputs, encoders)
            router: ArmsRouter | CascadeRouter = extend(phi, on_epoch, progress)
        else:
            logger.warning("conf/data/%s.yaml names no new VLM: the extended router is Phi", workspace.params.data)
            router = phi
    router.save(ROUTERS / strategy)
    queries = inputs.queries(*SCORED_SPLITS)
    # The cascade leaves the base pool to Phi; the incremental router has one set of weights for both pools.
    on_base: Router = phi
    if isinstance(router, ArmsRouter):
        on_base = router.over(phi.profiles)
    with atomic_folder(SCORES / strategy) as folder:
        write_router_scores(folder, strategy, "base", on_base, queries)
        write_router_scores(folder, strategy, "extended", router, queries)
    logger.info("extended %d to %d VLMs in %.1f s", len(phi.vlms), len(router.vlms), watch.elapsed_s)


def _incremental(
    workspace: Workspace, inputs: Inputs, encoders: EncoderPair, phi: ArmsRouter, on_epoch: OnEpoch, progress: Progress
) -> ArmsRouter:
    train, val = inputs.queries("train"), inputs.queries("val")
    pool = inputs.prepared.extended
    return extend_incrementally(
        phi,
        inputs.prepared.vlms,
        train,
        inputs.outcomes(train, pool),
        val,
        inputs.outcomes(val, pool),
        workspace.params.extend.incremental,
        snapshot=SNAPSHOTS / "incremental.pt",
        on_epoch=on_epoch,
        progress=progress,
    )


def _independent(
    workspace: Workspace, inputs: Inputs, encoders: EncoderPair, phi: ArmsRouter, on_epoch: OnEpoch, progress: Progress
) -> CascadeRouter:
    params, new = workspace.params.extend, inputs.prepared.new
    train, val = inputs.queries("train"), inputs.queries("val")
    return extend_independently(
        phi,
        [vlm for vlm in inputs.prepared.vlms if vlm.name in new],
        train,
        inputs.outcomes(train, new),
        val,
        inputs.outcomes(val, new),
        params.independent,
        theta=params.theta,
        untuned=encoders if params.independent.start == "nothing" else None,
        snapshot=SNAPSHOTS / "independent.pt",
        on_epoch=on_epoch,
        progress=progress,
    )


if __name__ == "__main__":
    with stage("extend"):
        main(standalone_mode=False)
