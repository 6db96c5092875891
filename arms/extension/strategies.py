"""The two ways to extend a pool from S to S' (section 4.3 of arXiv:2606.08970)."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arms.data.profiles import VlmProfile
from arms.encoders.pair import EncoderPair
from arms.features.labelled import Labelled
from arms.params.training import ExtendParams, FitParams, IncrementalParams, IndependentParams, Strategy
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import CascadeRouter, Net, first_net
from arms.training.choice import choose_queries
from arms.training.epoch_log import EpochLog


@dataclass(frozen=True, eq=False)
class Extension:
    """An extension of the pool that is ready to be trained.

    Attributes
    ----------
    router : ArmsRouter or CascadeRouter
        Over the extended pool; ready once `train` has ended.
    learner : ArmsRouter
        The part of it that trains.
    data : Labelled
        The queries to learn from; if there are none, nothing trains.
    val : Labelled or None
    """

    router: Net
    learner: ArmsRouter
    data: Labelled
    val: Labelled | None

    def train(self, resume: Path | None = None, until: int | None = None) -> Iterator[EpochLog]:
        """Train epoch by epoch; see `ArmsRouter.train`."""
        if len(self.data):
            yield from self.learner.train(self.data, self.val, resume=resume, until=until)

    def trained(self, until: int | None = None) -> Net:
        """Train all epochs, or those up to one, and return the router."""
        for _ in self.train(until=until):
            pass
        return self.router


def extend(
    strategy: Strategy,
    phi: ArmsRouter,
    profiles: Sequence[VlmProfile],
    train: Labelled,
    val: Labelled | None,
    params: ExtendParams,
    *,
    untuned: EncoderPair,
) -> Extension:
    """Extend Phi by one of the two strategies.

    Parameters
    ----------
    profiles : sequence of VlmProfile
        The extended pool S', Phi's own first.
    train, val : Labelled
        Over S'.
    untuned : EncoderPair
        Encoders before any tuning, from which Theta starts if the settings let it start from nothing.
    """
    train = choose_queries(train, phi.vlms, phi.training)
    if strategy == "incremental":
        return extend_incrementally(phi, profiles, train, val, params.incremental)
    new = profiles[len(phi.vlms) :]
    own = None if val is None else val.over([vlm.name for vlm in new])
    return extend_independently(
        phi,
        new,
        train.over([vlm.name for vlm in new]),
        own,
        params.independent,
        theta=params.theta,
        untuned=untuned if params.independent.start == "nothing" else None,
    )


def extend_incrementally(
    phi: ArmsRouter,
    profiles: Sequence[VlmProfile],
    train: Labelled,
    val: Labelled | None,
    params: IncrementalParams,
) -> Extension:
    """Continue training a copy of Phi on the outcomes of the extended pool (Eq. 7); Phi does not change.

    Eq. 7 is over the queries that have outcomes of the extended pool. With `rehearsal: same-queries` these are the
    queries with an outcome of a new VLM, and the old VLMs' outcomes on other queries are not trained on again.

    If no outcome of a new VLM is known, nothing trains, and the new VLMs are scored from their profiles only.

    Parameters
    ----------
    profiles : sequence of VlmProfile
        The extended pool S', Phi's own first.
    train, val : Labelled
        Over S'.
    """
    num_old = len(phi.vlms)
    if not train.known[:, num_old:].any():
        over = phi.over(profiles)
        return Extension(over, over, train.subset(np.arange(0)), val)
    rehearsed = rehearse(train, num_old, params, phi.training.seed).with_outcomes()
    training = _training(phi.training, rehearsed, params).model_copy(update={"trains": params.trains})
    router = phi.continued(profiles, training)
    return Extension(router, router, rehearsed, val)


def extend_independently(
    phi: Net,
    profiles: Sequence[VlmProfile],
    train: Labelled,
    val: Labelled | None,
    params: IndependentParams,
    *,
    theta: float,
    untuned: EncoderPair | None = None,
) -> Extension:
    """Train Theta only on the new VLMs and put it behind Phi in a cascade (Algorithm 1).

    Parameters
    ----------
    phi : ArmsRouter or CascadeRouter
        A cascade gets one more Theta.
    profiles : sequence of VlmProfile
        The new VLMs.
    train, val : Labelled
        Over the new VLMs.
    theta : float
        The threshold on Phi's best confidence; a cascade keeps its own.
    untuned : EncoderPair, optional
        Encoders before any tuning; they stay untuned. With them Theta starts from nothing, as published. By default
        it starts from a copy of Phi's weights, and needs fewer outcomes.
    """
    first = first_net(phi)
    train = train.with_outcomes()
    training = _training(first.training, train, params)
    if untuned is None:
        learner = first.continued(profiles, training)
    else:
        learner = ArmsRouter(profiles, copy.deepcopy(untuned), first.router, training, device=first.device)
    router = phi.extended(learner) if isinstance(phi, CascadeRouter) else CascadeRouter(phi, [learner], theta=theta)
    return Extension(router, learner, train, val)


def rehearse(train: Labelled, num_old: int, params: IncrementalParams, seed: int) -> Labelled:
    """The same queries, with the old VLMs' outcomes known only where they train again.

    Parameters
    ----------
    train : Labelled
        Over the extended pool, whose first `num_old` VLMs are the old ones.
    params : IncrementalParams
        `rehearsal` and `rehearsal_share` are read.
    """
    kept = train.in_share(params.rehearsal_share, seed)
    if params.rehearsal == "same-queries":
        kept &= train.known[:, num_old:].any(axis=1)
    return train.forget(~kept, train.vlms[:num_old])


def enough_epochs(num_queries: int, batch_size: int, epochs: int, min_steps: int) -> int:
    """`epochs`, or more if they would take fewer than `min_steps` steps of `batch_size` queries each."""
    return max(epochs, math.ceil(min_steps / max(1, math.ceil(num_queries / batch_size))))


def _training(of_phi: FitParams, data: Labelled, params: IncrementalParams | IndependentParams) -> FitParams:
    """Phi's training settings, with the learning rate and the number of epochs of an extension."""
    rates = {"learning_rate": params.learning_rate, "tail_learning_rate": params.learning_rate}
    batch_size = of_phi.queries_per_step(len(data.vlms))
    epochs = enough_epochs(len(data), batch_size, params.epochs, params.min_steps)
    return of_phi.model_copy(update={**rates, "epochs": epochs})
