"""Train ARMS on all queries, the tests too, as it was trained when it was judged: the router for real traffic."""

import logging

from arms.data.splits import SPLITS
from arms.errors import ArmsError
from arms.extension.strategies import extend
from arms.features.dataset import Dataset
from arms.features.labelled import Labelled
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import CascadeRouter, Net
from arms.routers.origin import Origin
from arms.routers.saved import load_router
from arms.safe.router import SafeRouter
from arms.training.choice import choose_queries
from stages.dataset import open_dataset, open_embedded
from stages.phi import load_phi, untrained_phi
from stages.workspace import ROUTERS, Stopwatch, Workspace, open_workspace, stage

OUT = ROUTERS / "production"

logger = logging.getLogger("stages.refit")


def main() -> None:
    """Write the router over the extended pool to data/routers/production; it has no test left to be judged on."""
    workspace, watch = open_workspace(), Stopwatch()
    dataset = open_embedded(workspace)
    judged = load_router(ROUTERS / "arms", device=workspace.params.runtime.device)
    if not isinstance(judged, SafeRouter):
        raise ArmsError(f"{ROUTERS / 'arms'}: expected a router made with safe.use: true, got a plain one; set it")
    everything = dataset.labelled(SPLITS, judged.vlms)
    router = judged.refitted(refit_net(workspace, judged), everything)
    router.origin = Origin.of(workspace.params.data, dataset.prepared, router.vlms, workspace.params.costs, SPLITS)
    router.save(OUT)
    logger.info(
        "trained ARMS on %d queries in %.1f s, wrote %s; metrics/ stays that of %s, which has not seen the tests",
        len(everything), watch.elapsed_s, OUT, ROUTERS / "arms",
    )  # fmt: skip


def refit_net(workspace: Workspace, judged: SafeRouter) -> Net:
    """Phi and its extension, trained on all splits for as many epochs as the judged ones' weights have seen."""
    phi, params = _refit_phi(workspace), workspace.params
    dataset, untuned = open_dataset(workspace)
    prepared = dataset.prepared
    if not prepared.new:
        return phi
    train = dataset.labelled(SPLITS, prepared.extended)
    extension = extend(params.extend.strategy, phi, prepared.vlms, train, None, params.extend, untuned=untuned)
    before = judged.net.thetas[-1] if isinstance(judged.net, CascadeRouter) else judged.net
    router = extension.trained(until=before.kept_epoch)
    extension.learner.temperature = before.temperature
    return router


def _refit_phi(workspace: Workspace) -> ArmsRouter:
    dataset, encoders = open_dataset(workspace)
    before = load_phi(workspace, encoders)
    phi = untrained_phi(workspace, dataset, encoders)
    for _ in phi.train(_all_queries(workspace, dataset), until=before.kept_epoch):
        pass
    phi.temperature = before.temperature
    return phi


def _all_queries(workspace: Workspace, dataset: Dataset) -> Labelled:
    base = dataset.prepared.base
    return choose_queries(dataset.labelled(SPLITS, base), base, workspace.params.train)


if __name__ == "__main__":
    with stage("refit"):
        main()
