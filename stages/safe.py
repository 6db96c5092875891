"""Join the net with its neighbours and the base rates, on both pools."""

import logging

import torch

from arms.data.atomic import atomic_folder
from arms.data.scores import write_scores
from arms.data.splits import SCORED_SPLITS
from arms.features.dataset import Dataset
from arms.features.labelled import Labelled
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import Net
from arms.routers.origin import Origin
from arms.routers.saved import load_router
from arms.safe.router import SafeRouter
from arms.safe.trust import Trust
from stages.dataset import open_embedded
from stages.phi import load_phi, training_data
from stages.workspace import ROUTERS, SCORES, Stopwatch, Workspace, open_workspace, stage

logger = logging.getLogger("stages.safe")


def main() -> None:
    """Write the routers over both pools to data/routers/arms-base and arms, and their scores to data/scores/arms."""
    workspace, watch = open_workspace(), Stopwatch()
    params, dataset = workspace.params, open_embedded(workspace)
    assert dataset.embedder is not None
    phi = load_phi(workspace, dataset.embedder.encoders)
    extended = load_router(ROUTERS / params.extend.strategy, device=params.runtime.device)
    assert isinstance(extended, Net)
    pools = arms_routers(workspace, dataset, phi, extended)
    for pool, folder in (("base", "arms-base"), ("extended", "arms")):
        router = pools[pool]
        router.origin = Origin.of(params.data, dataset.prepared, router.vlms, params.costs)
        router.save(ROUTERS / folder)
    queries = dataset.queries(*SCORED_SPLITS)
    with atomic_folder(SCORES / "arms") as folder_of_scores:
        for pool, router in pools.items():
            write_scores(router.scores("arms", pool, queries), folder_of_scores / f"arms-{pool}.parquet")
    logger.info("%s in %.1f s", _summary(pools["base"]), watch.elapsed_s)


def arms_routers(workspace: Workspace, dataset: Dataset, phi: ArmsRouter, extended: Net) -> dict[str, SafeRouter | Net]:
    """ARMS over each pool, from its nets: joined with more, or with `safe.use: false` just these.

    Parameters
    ----------
    dataset : Dataset
        With embeddings.
    """
    if not workspace.params.safe.use:
        return {"base": phi, "extended": extended}
    base = join(workspace, dataset, phi, *training_data(workspace, dataset))
    return {"base": base, "extended": extend_safely(dataset, base, extended)}


def join(workspace: Workspace, dataset: Dataset, phi: ArmsRouter, train: Labelled, val: Labelled | None) -> SafeRouter:
    """Phi joined with its neighbours and the base rates; on a CPU its left-out nets are fitted on all cores at once."""
    params, embedder = workspace.params, dataset.embedder
    assert embedder is not None
    jobs = torch.get_num_threads() if phi.device.type == "cpu" else 1
    return SafeRouter.join(phi, train, val, params.safe, embedder, seed=params.seed, jobs=jobs)


def extend_safely(dataset: Dataset, base: SafeRouter, extended: Net) -> SafeRouter:
    """The joined router over the extended pool; itself if no VLM is new."""
    if not dataset.prepared.new:
        return base
    train, val = (dataset.labelled(split, dataset.prepared.extended) for split in ("train", "val"))
    return base.extended(extended, train, val)


def _summary(router: SafeRouter | Net) -> str:
    if not isinstance(router, SafeRouter):
        return "safe.use is false: ARMS is only its net"
    return f"joined; {'; '.join(_certified(form, trust) for form, trust in router.joint.trust.by_form.items())}"


def _certified(form: str, trust: Trust) -> str:
    if not trust.num_kinds:
        return f"{form}: too few kinds to certify unseen ones, so far from such queries the best single VLM decides"
    return f"{form}: {trust.num_kinds} left-out kinds trust the router up to a novelty of {trust.limit:.2f}"


if __name__ == "__main__":
    with stage("safe"):
        main()
