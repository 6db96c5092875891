"""Train Phi on the base pool."""

import logging

from arms.data.atomic import atomic_folder
from arms.data.scores import write_scores
from arms.data.splits import SCORED_SPLITS
from stages.dataset import open_dataset
from stages.live import log_epochs
from stages.phi import training_data, untrained_phi
from stages.workspace import PLOTS, ROUTERS, SCORES, SNAPSHOTS, Stopwatch, open_workspace, stage

logger = logging.getLogger("stages.train")


def main() -> None:
    """Write the router to data/routers/phi and its scores to data/scores/plain."""
    workspace, watch = open_workspace(), Stopwatch()
    dataset, encoders = open_dataset(workspace)
    phi = untrained_phi(workspace, dataset, encoders)
    train, val = training_data(workspace, dataset)
    log_epochs(phi.train(train, val, resume=SNAPSHOTS / "phi.pt"), PLOTS / "train")
    phi.save(ROUTERS / "phi")
    with atomic_folder(SCORES / "plain") as folder:
        scores = phi.scores("plain", "base", dataset.queries(*SCORED_SPLITS))
        write_scores(scores, folder / "plain-base.parquet")
    logger.info(
        "trained Phi for %d epochs in %.1f s, kept the weights of epoch %d",
        workspace.params.epochs, watch.elapsed_s, phi.kept_epoch,
    )  # fmt: skip


if __name__ == "__main__":
    with stage("train"):
        main()
