"""Extension: the pool grows from S to S' (section 4.3 of arXiv:2606.08970)."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from arms.data.profiles import VlmProfile
from arms.encoders.pair import EncoderPair
from arms.features.loader import Queries
from arms.params import IncrementalParams, IndependentParams
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

    Without a known outcome of a new VLM nothing trains, and the new VLMs are scored from their profiles alone.

    Parameters
    ----------
    profiles : sequence of VlmProfile
        The extended pool S', Phi's own first.
    outcomes, val_outcomes : ndarray of shape (N, S'), NaN unknown
    snapshot : Path, optional
        File that a killed training goes on from.

    Returns
    -------
    ArmsRouter
        Over S'; Phi stays as it was.
    """
    num_old = len(phi.vlms)
    if np.isnan(outcomes[:, num_old:]).all():
        return phi.over(profiles)
    rehearsed = rehearse(outcomes, num_old, queries.image_rows, params.rehearsal_share, phi.seed)
    queries, rehearsed = _with_outcomes(queries, rehearsed)
    changes = {
        "learning_rate": params.learning_rate,
        "tail_learning_rate": params.learning_rate,
        "trains": params.trains,
    }
    router = phi.continued(
        profiles,
        phi.train.model_copy(update=changes),
        epochs=enough_epochs(len(queries), phi.train.batch_size, params.epochs, params.min_steps),
        snapshot=snapshot,
        on_epoch=on_epoch,
        progress=progress,
    )
    return router.fit(queries, rehearsed, val_queries, val_outcomes)


def extend_independently(
    phi: ArmsRouter | CascadeRouter,
    profiles: Sequence[VlmProfile],
    queries: Queries,
    outcomes: np.ndarray,
    val_queries: Queries | None,
    val_outcomes: np.ndarray | None,
    params: IndependentParams,
    *,
    theta: float,
    untuned: EncoderPair | None = None,
    snapshot: Path | None = None,
    on_epoch: OnEpoch,
    progress: Progress,
) -> CascadeRouter:
    """Train Theta on the new VLMs alone and put it behind Phi in a cascade (Algorithm 1).

    Parameters
    ----------
    phi : ArmsRouter or CascadeRouter
        A cascade gets one Theta more.
    profiles : sequence of VlmProfile
        The new VLMs.
    outcomes, val_outcomes : ndarray of shape (N, number of new VLMs), NaN unknown
    theta : float
        The threshold on Phi's best confidence; a cascade keeps its own.
    untuned : EncoderPair, optional
        The encoders as they are before any tuning, on which Theta starts from nothing, as published. By default it
        starts from a copy of Phi's weights, and needs fewer outcomes.
    """
    first = phi.phi if isinstance(phi, CascadeRouter) else phi
    rates = {"learning_rate": params.learning_rate, "tail_learning_rate": params.learning_rate}
    train = first.train.model_copy(update=rates)
    queries, outcomes = _with_outcomes(queries, outcomes)
    epochs = enough_epochs(len(queries), train.batch_size, params.epochs, params.min_steps)
    if untuned is None:
        theta_router = first.continued(
            profiles, train, epochs=epochs, snapshot=snapshot, on_epoch=on_epoch, progress=progress
        )
    else:
        theta_router = ArmsRouter(
            profiles,
            untuned,
            first.router,
            train,
            epochs=epochs,
            seed=first.seed,
            device=first.device,
            snapshot=snapshot,
            on_epoch=on_epoch,
            progress=progress,
        )
    theta_router.fit(queries, outcomes, val_queries, val_outcomes)
    if isinstance(phi, CascadeRouter):
        return phi.extended(theta_router)
    return CascadeRouter(phi, [theta_router], theta=theta)


def rehearse(outcomes: np.ndarray, num_old: int, images: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Outcomes of shape (N, S') in which those of the old VLMs are left on a random share of the images alone.

    Parameters
    ----------
    num_old : int
        The first so many columns are the old VLMs'.
    images : ndarray of shape (N,)
        Each query's image.
    """
    distinct, image_of = np.unique(images, return_inverse=True)
    kept = np.random.default_rng(seed).permutation(len(distinct))[: round(share * len(distinct))]
    rehearsed = outcomes.copy()
    rehearsed[~np.isin(image_of, kept), :num_old] = np.nan
    return rehearsed


def enough_epochs(num_queries: int, batch_size: int, epochs: int, min_steps: int) -> int:
    """The epochs asked for, or more where few outcomes make fewer than `min_steps` steps of them."""
    return max(epochs, math.ceil(min_steps / max(1, math.ceil(num_queries / batch_size))))


def _with_outcomes(queries: Queries, outcomes: np.ndarray) -> tuple[Queries, np.ndarray]:
    """The queries on which some outcome is known."""
    rows = np.flatnonzero(~np.isnan(outcomes).all(axis=1))
    return queries.subset(rows), outcomes[rows]
