"""Safe ARMS over the extended pool, from few outcomes of the new VLMs."""

import numpy as np

from arms.data.scores import Scores
from arms.data.splits import SCORED_SPLITS
from arms.routers.cascade import Net
from arms.safe.router import SafeRouter
from stages.workspace import ROUTERS
from studies.setup import Setup


def joined_scores(setup: Setup, net: Net, known: np.ndarray) -> Scores:
    """The pipeline's router over the base pool, extended by the new VLMs' outcomes on some training queries.

    None of their val outcomes are used.

    Parameters
    ----------
    net : ArmsRouter or CascadeRouter
        Phi, extended by the same outcomes.
    known : ndarray of shape (N,), bool
        As in `Setup.extended`.
    """
    base = SafeRouter.from_folder(ROUTERS / "arms-base", device=setup.workspace.params.runtime.device)
    dataset = setup.dataset.embedded_by(base.embedder)
    train, val = (dataset.labelled(split, dataset.prepared.extended) for split in ("train", "val"))
    nothing = val.forget(np.ones(len(val), dtype=bool), setup.new)
    router = base.extended(net, train.forget(~known, setup.new), nothing)
    return router.scores("arms", "extended", dataset.queries(*SCORED_SPLITS))
