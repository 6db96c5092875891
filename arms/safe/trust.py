"""The certificate: how far from the training queries the router may leave the best single VLM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

_STEPS = 21  # novelties that are tried as the limit
_WIDTH = 0.1  # of the fall at the limit, as a share of the median novelty
_FEWEST = 20  # answerable queries of a kind, to judge on
FEWEST_KINDS = 4  # with fewer, nothing can be certified
_INSIDE = 0.95  # share of the queries like the training queries that are within the limit then
_NOWHERE = -1.0


@dataclass(frozen=True)
class Trust:
    """Contrasts count fully below a novelty and fall to nothing above it.

    Attributes
    ----------
    limit : float or None
        The novelty; None: contrasts count everywhere.
    width : float
    num_kinds : int
        How many left-out kinds agreed; 0: too few could be asked. If a new kind is like one more of them, the chance
        that it objects is about 1 in num_kinds + 1, as the largest of num_kinds + 1 exchangeable losses is as likely
        any of them (as in conformal risk control, arXiv:2208.02814).
    """

    limit: float | None
    width: float
    num_kinds: int

    def at(self, novelty_M: np.ndarray) -> np.ndarray:
        """The share of the contrasts that counts, shape (M,), in [0, 1]."""
        return _share(novelty_M, np.inf if self.limit is None else self.limit, self.width)

    def to_json(self) -> dict[str, Any]:
        """For the router's description."""
        return {"limit": self.limit, "width": self.width, "num_kinds": self.num_kinds}


@dataclass(frozen=True, eq=False)
class KindResult:
    """What left-out queries of one kind say: all arrays have M rows.

    Attributes
    ----------
    base, contrasts : ndarray of shape (M, S), logits
    novelty : ndarray of shape (M,)
    outcomes : ndarray of shape (M, S)
        1 right, 0 wrong, NaN unknown.
    """

    base: np.ndarray
    contrasts: np.ndarray
    novelty: np.ndarray
    outcomes: np.ndarray

    def gain(self, limit: float, width: float) -> tuple[float, float] | None:
        """EM over the best single VLM if contrasts count up to a novelty, and its standard error.

        None on too few queries. It is over the answerable queries on which every VLM has an outcome.
        """
        complete = ~np.isnan(self.outcomes).any(axis=1) & (self.outcomes == 1).any(axis=1)
        if complete.sum() < _FEWEST:
            return None
        scores = self.base + _share(self.novelty, limit, width)[:, None] * self.contrasts
        rows = np.arange(len(scores))
        gains = self.outcomes[rows, scores.argmax(axis=1)] - self.outcomes[rows, self.base.argmax(axis=1)]
        gains = gains[complete]
        return float(gains.mean()), float(gains.std() / np.sqrt(len(gains)))


def certify(kinds: Mapping[str, KindResult], inside_novelty: np.ndarray, tolerance: float) -> Trust:
    """The farthest limit at which no left-out kind is seen to lose more than the tolerance to the best single VLM.

    A kind objects to a limit if it would lose more by over a standard error.

    Parameters
    ----------
    kinds : mapping of str to KindResult
        Left out of training in turn; those with too few queries have no say. With fewer than `FEWEST_KINDS` that have,
        the limit is where queries like the training queries end.
    inside_novelty : ndarray of shape (M,)
        Of left-out queries that are like the training queries.
    tolerance : float
        In EM.
    """
    everywhere = np.concatenate([inside_novelty, *(kind.novelty for kind in kinds.values())])
    width = _WIDTH * float(np.median(everywhere)) + 1e-6
    judged = [kind for kind in kinds.values() if kind.gain(np.inf, width) is not None]
    if len(judged) < FEWEST_KINDS:
        return Trust(float(np.quantile(inside_novelty, _INSIDE)) if len(inside_novelty) else None, width, 0)
    if all(_agrees(kind, np.inf, width, tolerance) for kind in judged):
        return Trust(None, width, len(judged))
    for limit in np.quantile(everywhere, np.linspace(1, 0, _STEPS)):
        if all(_agrees(kind, float(limit), width, tolerance) for kind in judged):
            return Trust(float(limit), width, len(judged))
    return Trust(_NOWHERE, width, len(judged))


def _agrees(kind: KindResult, limit: float, width: float, tolerance: float) -> bool:
    gain, error = kind.gain(limit, width) or (0.0, 0.0)
    return gain + error >= -tolerance


def _share(novelty_M: np.ndarray, limit: float, width: float) -> np.ndarray:
    if limit == np.inf:
        return np.ones(len(novelty_M))
    share: np.ndarray = expit((limit - novelty_M) / width)
    return share
