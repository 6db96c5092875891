"""Extend Phi to the new VLMs, by one of the two strategies."""

import logging

import click

from arms.data.atomic import atomic_folder
from arms.data.scores import write_scores
from arms.data.splits import SCORED_SPLITS
from arms.encoders.pair import EncoderPair
from arms.extension.strategies import extend
from arms.features.dataset import Dataset
from arms.params.costs import STANDARD_COSTS
from arms.params.training import Strategy
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import Net
from arms.routers.origin import Origin
from stages.dataset import open_dataset
from stages.live import log_epochs
from stages.phi import load_phi
from stages.workspace import PLOTS, ROUTERS, SCORES, SNAPSHOTS, Stopwatch, Workspace, open_workspace, stage

logger = logging.getLogger("stages.extend")


@click.command()
@click.argument("strategy", type=click.Choice(["incremental", "independent"]))
def main(strategy: Strategy) -> None:
    """Write the extended router to data/routers/<strategy> and its scores to data/scores/<strategy>."""
    workspace, watch = open_workspace(), Stopwatch()
    dataset, encoders = open_dataset(workspace)
    phi = load_phi(workspace, encoders)
    router = _extended(strategy, workspace, dataset, phi, encoders)
    router.origin = Origin.of(workspace.params.data, dataset.prepared, router.vlms, STANDARD_COSTS)
    router.save(ROUTERS / strategy)
    queries = dataset.queries(*SCORED_SPLITS)
    with atomic_folder(SCORES / strategy) as folder:
        if isinstance(router, ArmsRouter):  # its weights serve both pools; on the base pool a cascade is just Phi
            on_base = router.over(phi.profiles).scores(strategy, "base", queries)
            write_scores(on_base, folder / f"{strategy}-base.parquet")
        write_scores(router.scores(strategy, "extended", queries), folder / f"{strategy}-extended.parquet")
    logger.info("extended %d to %d VLMs in %.1f s", len(phi.vlms), len(router.vlms), watch.elapsed_s)


def _extended(
    strategy: Strategy, workspace: Workspace, dataset: Dataset, phi: ArmsRouter, encoders: EncoderPair
) -> Net:
    """Phi extended to the new VLMs; Phi itself if there are none."""
    prepared, params = dataset.prepared, workspace.params.extend
    if not prepared.new:
        logger.warning("conf/data/%s.yaml names no new VLM: the extended router is Phi", workspace.params.data)
        log_epochs((), PLOTS / strategy)  # a plot without points, which the stage promises all the same
        return phi
    train, val = (dataset.labelled(split, prepared.extended) for split in ("train", "val"))
    extension = extend(strategy, phi, prepared.vlms, train, val, params, untuned=encoders)
    log_epochs(extension.train(resume=SNAPSHOTS / f"{strategy}.pt"), PLOTS / strategy)
    logger.info("kept the weights of epoch %d", extension.learner.kept_epoch)
    return extension.router


if __name__ == "__main__":
    with stage("extend"):
        main(standalone_mode=False)
