"""The certificate: how far from the training queries the router may leave the best single VLM.

Queries of one form, such as those without an image, are certified by left-out queries of that form: how far apart two
queries are says something else where one side is missing or is a mean over images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.special import expit

from arms.data.query_forms import FORMS

_STEPS = 21  # novelties that are tried as the limit
_WIDTH = 0.1  # of the fall at the limit, as a share of the median novelty
_FEWEST = 20  # answerable queries of a kind, to judge on
FEWEST_KINDS = 4  # with fewer, nothing can be certified
_INSIDE = 0.95  # share of the queries like the training queries that are within the limit if nothing is certified
_SEEN = 0.99  # share of a kind's queries that are not taken for strays
_NOWHERE = -1.0


@dataclass(frozen=True)
class Trust:
    """Contrasts count fully below a novelty and fall to nothing above it.

    Attributes
    ----------
    limit : float
        The novelty; below 0, contrasts count nowhere.
    width : float
    num_kinds : int
        How many left-out kinds agreed; 0: too few could be asked. If a new kind is like one more of them, the chance
        that it objects is about 1 in num_kinds + 1, as the largest of num_kinds + 1 exchangeable losses is as likely
        any of them (as in conformal risk control, arXiv:2208.02814).
    """

    limit: float
    width: float
    num_kinds: int

    def at(self, novelty_M: np.ndarray) -> np.ndarray:
        """The share of the contrasts that counts, shape (M,), in [0, 1]."""
        share: np.ndarray = expit((self.limit - novelty_M) / self.width)
        return share

    def to_json(self) -> dict[str, Any]:
        """For the router's description."""
        return {"limit": self.limit, "width": self.width, "num_kinds": self.num_kinds}


@dataclass(frozen=True)
class TrustByForm:
    """The trust for each form of queries; for one that training never had there is none."""

    by_form: Mapping[str, Trust]

    @classmethod
    def everywhere(cls, trust: Trust) -> Self:
        """The same trust for all forms."""
        return cls(dict.fromkeys(FORMS, trust))

    def at(self, novelty_M: np.ndarray, forms_M: np.ndarray) -> np.ndarray:
        """The share of the contrasts that counts, shape (M,), in [0, 1]."""
        share = np.zeros(len(novelty_M))
        for form, trust in self.by_form.items():
            of_form = forms_M == form
            share[of_form] = trust.at(novelty_M[of_form])
        return share

    def to_json(self) -> dict[str, Any]:
        """For the router's description."""
        return {form: trust.to_json() for form, trust in self.by_form.items()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """What `to_json` gave; in routers saved before forms were told apart, one trust for all."""
        if "limit" in content:
            return cls.everywhere(Trust(**content))
        return cls({form: Trust(**trust) for form, trust in content.items()})


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

    @cached_property
    def comparable(self) -> np.ndarray:
        """The answerable queries on which every VLM has an outcome: bool of shape (M,)."""
        comparable: np.ndarray = ~np.isnan(self.outcomes).any(axis=1) & (self.outcomes == 1).any(axis=1)
        return comparable

    def gain(self, trust: Trust) -> tuple[float, float]:
        """EM over the best single VLM on the comparable queries, and its standard error."""
        scores = self.base + trust.at(self.novelty)[:, None] * self.contrasts
        rows = np.arange(len(scores))
        gains = self.outcomes[rows, scores.argmax(axis=1)] - self.outcomes[rows, self.base.argmax(axis=1)]
        gains = gains[self.comparable]
        return float(gains.mean()), float(gains.std() / np.sqrt(len(gains)))


def certify(kinds: Mapping[str, KindResult], inside_novelty: np.ndarray, tolerance: float) -> Trust:
    """The farthest limit at which no left-out kind is seen to lose more than the tolerance to the best single VLM.

    A kind objects to a limit if it would lose more by over a standard error. No limit is farther than left-out kinds
    were: nothing is known of what lies beyond them.

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
    width = _WIDTH * float(np.median(everywhere)) + 1e-6 if len(everywhere) else 1.0
    judged = [kind for kind in kinds.values() if kind.comparable.sum() >= _FEWEST]
    if len(judged) < FEWEST_KINDS:
        return Trust(_quantile(inside_novelty, _INSIDE), width, 0)
    farthest = max(_quantile(novelty, _SEEN) for novelty in [inside_novelty, *(kind.novelty for kind in judged)])
    nearer = np.quantile(everywhere, np.linspace(1, 0, _STEPS))
    for limit in [farthest, *nearer[nearer < farthest].tolist()]:
        trust = Trust(limit, width, len(judged))
        if all(_agrees(kind, trust, tolerance) for kind in judged):
            return trust
    return Trust(_NOWHERE, width, len(judged))


def _quantile(novelty_M: np.ndarray, share: float) -> float:
    return float(np.quantile(novelty_M, share)) if len(novelty_M) else _NOWHERE


def _agrees(kind: KindResult, trust: Trust, tolerance: float) -> bool:
    gain, error = kind.gain(trust)
    return gain + error >= -tolerance
