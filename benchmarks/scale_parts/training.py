"""Training the net that comes with arms for an epoch, on features that stand for encoders' own."""

from collections import deque
from collections.abc import Callable

from arms.cli.completers import STARTER
from arms.data.prepared import Prepared, read_prepared
from arms.features.labelled import Labelled
from arms.routers.arms import ArmsRouter
from arms.routers.saved import load_router
from benchmarks.scale_parts.dataset import PROFILES
from benchmarks.scale_parts.features import StandIns
from stages.workspace import open_workspace


def training() -> Callable[[], object]:
    """One epoch over train, a look at val, and the calibration, as the stage does them."""
    net = load_router(STARTER, device="cpu")
    assert isinstance(net, ArmsRouter)
    features = StandIns.by(net)

    def work() -> None:
        workspace = open_workspace()
        prepared = read_prepared(workspace.prepared)
        router = net.over([profile for profile in PROFILES if profile.name in prepared.base])
        router.training = workspace.params.fit.model_copy(update={"epochs": 1})
        train, val = (_labelled(prepared, features, split) for split in ("train", "val"))
        deque(router.train(train, val), maxlen=0)

    return work


def _labelled(prepared: Prepared, features: StandIns, split: str) -> Labelled:
    queries = features.queries(prepared, [split])
    outcomes = prepared.outcome_matrix(queries.ids, prepared.base)
    return Labelled(queries, prepared.base, outcomes, scenes=prepared.scene_groups(queries.ids))
