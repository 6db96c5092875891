"""Extension: the pool grows from S to S' (section 4.3 of arXiv:2606.08970)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from arms.data.profiles import VlmProfile
from arms.features.loader import Queries
from arms.params import IncrementalParams
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import CascadeRouter
from arms.training.epoch_log import EpochLog

OnEpoch = Callable[[EpochLog], None]
Progress = Callable[[int, int], None]


def extend_incrementally(
    phi: ArmsRouter,
    profiles: Sequence[VlmProfile],
    queries: Queries,
    outcomes: np.ndarray,
    val_queries: Queries | None,
    val_outcomes: np.ndarray | None,
    params: IncrementalParams,
    *,
    snapshot: Path | None = None,
    on_epoch: OnEpoch,
    progress: Progress,
) -> ArmsRouter:
    """Continue training a copy of Phi on the outcomes of the extended pool (Eq. 7).

    Parameters
    ----------
    profiles : sequence of VlmProfile
        The extended pool S', base first.
    outcomes, val_outcomes : ndarray of shape (N, S'), NaN unknown
    snapshot : Path, optional
        File that a killed training goes on from.

    Returns
    -------
    ArmsRouter
        Over S'; Phi stays as it was.
    """
    changes = {
        "learning_rate": params.learning_rate,
        "tail_learning_rate": params.learning_rate,
        "trains": params.trains,
    }
    router = phi.continued(
        profiles,
        phi.train.model_copy(update=changes),
        epochs=params.epochs,
        snapshot=snapshot,
        on_epoch=on_epoch,
        progress=progress,
    )
    return router.fit(queries, outcomes, val_queries, val_outcomes)


def extend_independently(
    phi: ArmsRouter,
    theta_router: ArmsRouter,
    queries: Queries,
    outcomes: np.ndarray,
    val_queries: Queries | None,
    val_outcomes: np.ndarray | None,
    *,
    theta: float,
) -> CascadeRouter:
    """Train Theta on the new VLMs alone and put it behind Phi in a cascade (Algorithm 1).

    Parameters
    ----------
    theta_router : ArmsRouter
        Over the new VLMs, untrained.
    outcomes, val_outcomes : ndarray of shape (N, number of new VLMs), NaN unknown
    theta : float
        The threshold on Phi's best confidence.
    """
    theta_router.fit(queries, outcomes, val_queries, val_outcomes)
    return CascadeRouter(phi, theta_router, theta=theta)
