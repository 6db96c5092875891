"""Train Phi on the base pool."""

import logging
from collections import deque

from arms.data.atomic import atomic_folder
from arms.data.scores import write_scores
from arms.data.splits import SCORED_SPLITS
from arms.params.costs import STANDARD_COSTS
from arms.routers.origin import Origin
from stages.dataset import open_dataset
from stages.live import log_epochs
from stages.phi import training_data, untrained_phi
from stages.processes import is_first, processes_here, stage_of_processes, start_processes, training_together
from stages.workspace import PLOTS, ROUTERS, SCORES, SNAPSHOTS, Stopwatch, open_workspace

logger = logging.getLogger("stages.train")


def main() -> None:
    """Write the router to data/routers/phi and its scores to data/scores/plain."""
    workspace, watch = open_workspace(), Stopwatch()
    runtime = workspace.params.runtime
    start_processes(runtime.processes, "stages.train")
    with training_together(runtime):
        dataset, encoders = open_dataset(workspace, processes=processes_here())
        phi = untrained_phi(workspace, dataset, encoders)
        train, val = training_data(workspace, dataset)
        logs = phi.train(train, val, resume=SNAPSHOTS / "phi.pt")
        if is_first():
            log_epochs(logs, PLOTS / "train")
        else:
            deque(logs, maxlen=0)
    if not is_first():
        return
    phi.origin = Origin.of(workspace.params.data, dataset.prepared, phi.vlms, STANDARD_COSTS)
    phi.save(ROUTERS / "phi")
    with atomic_folder(SCORES / "plain") as folder:
        scores = phi.scores("plain", "base", dataset.queries(*SCORED_SPLITS))
        write_scores(scores, folder / "plain-base.parquet")
    logger.info(
        "trained Phi for %d epochs in %.1f s, kept the weights of epoch %d",
        workspace.params.epochs, watch.elapsed_s, phi.kept_epoch,
    )  # fmt: skip


if __name__ == "__main__":
    with stage_of_processes("train"):
        main()
