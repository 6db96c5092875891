"""How much each source counts at each novelty, learned from pairs of a right and a wrong VLM on left-out queries."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from arms.safe.evidence import Evidence

_CUTS = (0.2, 0.5, 0.8)  # quantiles of novelty at which weights may fall
_STEEPNESS = 0.15  # width of a fall, as a share of its novelty
_RIDGE = 30.0  # on the mean squared weight of a source, in queries
_SHARE_RIDGE = 30.0  # on the squared distance of a share from the expected one
_MOST_QUERIES = 10_000
_ROUNDS = 2  # of the fit, as what little support takes from a contrast depends on the weight
_HIGHEST = 0.9  # weight as a shrinkage
_SEED = 1


@dataclass(frozen=True, eq=False)
class Weights:
    """The weight of each source, at least 0, falling with novelty.

    w_c(z) = values[c, 0] + sum_k values[c, k] sigmoid((cuts[k] - z) / width_k)

    Attributes
    ----------
    values : ndarray of shape (C, 1 + K), at least 0
    cuts : ndarray of shape (K,)
    """

    values: np.ndarray
    cuts: np.ndarray

    def at(self, novelty_M: np.ndarray) -> np.ndarray:
        """The weights of all sources, shape (M, C)."""
        weights: np.ndarray = _falls(novelty_M, self.cuts) @ self.values.T
        return weights

    def contrasts(self, evidence: Evidence) -> np.ndarray:
        """The weighted sum of all sources' contrasts, shape (M, S), logits."""
        joined: np.ndarray = self.parts(evidence).sum(axis=2)
        return joined

    def parts(self, evidence: Evidence) -> np.ndarray:
        """Each source's weighted contrasts, shape (M, S, C), logits.

        A weight w learned where a VLM has n outcomes nearby is the shrinkage n / (n + m) with m = n (1 - w) / w. A VLM
        with only a share r of n gets r n / (r n + m) = w r / (r w + 1 - w).
        """
        weights_M1C = self.at(evidence.novelty)[:, None, :]
        return weights_M1C * _remaining(evidence.support, weights_M1C) * evidence.contrasts


def fit_weights(evidence: Evidence, outcomes_MS: np.ndarray, shares_M: np.ndarray) -> Weights:
    """Stack the sources (Wolpert 1992) by the likelihood of which of two VLMs was right.

    On each query the loss is the mean of log(1 + exp(s_k - s_j)) over its pairs of a right VLM j and a wrong one k: the
    conditional likelihood in which the query's level cancels. It is convex, and the weights at least 0; a source that
    says nothing on left-out queries gets 0, and the base rates remain.

    Parameters
    ----------
    outcomes_MS : ndarray of shape (M, S)
        1 right, 0 wrong, NaN unknown.
    shares_M : ndarray of shape (M,)
        How much each query counts.
    """
    cuts = np.quantile(evidence.novelty, _CUTS) if len(evidence) else np.zeros(len(_CUTS))
    num_sources = evidence.contrasts.shape[2]
    told = np.flatnonzero((outcomes_MS == 1).any(axis=1) & (outcomes_MS == 0).any(axis=1) & (shares_M > 0))
    if not len(told):
        return Weights(np.zeros((num_sources, 1 + len(cuts))), cuts)
    if len(told) > _MOST_QUERIES:
        told = np.sort(np.random.default_rng(_SEED).permutation(told)[:_MOST_QUERIES])
    seen, outcomes = evidence.subset(told), outcomes_MS[told]
    falls_MB = _falls(seen.novelty, cuts)
    share_M = shares_M[told] / shares_M[told].sum()
    weights = Weights(np.zeros((num_sources, 1 + len(cuts))), cuts)
    for _ in range(_ROUNDS):
        remaining = _remaining(seen.support, weights.at(seen.novelty)[:, None, :])
        inputs_MSX = np.einsum("msc,mb->mscb", remaining * seen.contrasts, falls_MB).reshape(*outcomes.shape, -1)
        weights = Weights(_fit(seen.base, inputs_MSX, outcomes, share_M, falls_MB).reshape(num_sources, -1), cuts)
    return weights


def _fit(
    base_MS: np.ndarray, inputs_MSX: np.ndarray, outcomes_MS: np.ndarray, share_M: np.ndarray, falls_MB: np.ndarray
) -> np.ndarray:
    """The values, at least 0, that make the loss least; weights as the queries have them are held near 0."""
    products_BB = falls_MB.T @ (falls_MB * share_M[:, None])

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope_MS = _pair_loss(base_MS + inputs_MSX @ values, outcomes_MS, share_M)
        ridge = _RIDGE / len(share_M)
        held = (values.reshape(-1, len(products_BB)) @ products_BB).ravel()
        return value + ridge * (values @ held), np.einsum("ms,msx->x", slope_MS, inputs_MSX) + 2 * ridge * held

    start = np.full(inputs_MSX.shape[2], 0.05)
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start))
    values: np.ndarray = found.x
    return values


def fit_share(base_MS: np.ndarray, added_MS: np.ndarray, outcomes_MS: np.ndarray, expected: float) -> float:
    """How much of one more contrast is true, in [0, 1]: by the same likelihood, and as expected where few queries tell.

    Parameters
    ----------
    base_MS, added_MS : ndarray of shape (M, S), logits
    outcomes_MS : ndarray of shape (M, S)
        1 right, 0 wrong, NaN unknown.
    expected : float, in [0, 1]
    """
    told = (outcomes_MS == 1).any(axis=1) & (outcomes_MS == 0).any(axis=1)
    if not told.any():
        return expected
    share_M = np.full(int(told.sum()), 1 / told.sum())

    def loss(value: np.ndarray) -> tuple[float, np.ndarray]:
        result, slope_MS = _pair_loss(base_MS[told] + value[0] * added_MS[told], outcomes_MS[told], share_M)
        ridge = _SHARE_RIDGE / told.sum()
        beside = value[0] - expected
        return result + ridge * beside**2, np.array([(slope_MS * added_MS[told]).sum() + 2 * ridge * beside])

    found: Any = minimize(loss, np.array([expected]), jac=True, method="L-BFGS-B", bounds=[(0, 1)])
    return float(found.x[0])


def _remaining(support_MSC: np.ndarray, weights_M1C: np.ndarray) -> np.ndarray:
    """What is left of a weight at less than full support, in [0, 1]; see `Weights.parts`."""
    shrinkage = weights_M1C.clip(max=_HIGHEST)
    left: np.ndarray = support_MSC / (support_MSC * shrinkage + 1 - shrinkage)
    return left


def _pair_loss(scores_MS: np.ndarray, outcomes_MS: np.ndarray, share_M: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss, and its slope by each score."""
    right_MS, wrong_MS = outcomes_MS == 1, outcomes_MS == 0
    pairs_MSS = (right_MS[:, :, None] & wrong_MS[:, None, :]).astype(np.float64)
    pairs_MSS *= (share_M / pairs_MSS.sum(axis=(1, 2)))[:, None, None]
    gap_MSS = scores_MS[:, :, None] - scores_MS[:, None, :]
    pull_MSS = pairs_MSS * expit(-gap_MSS)
    loss = float((pairs_MSS * np.logaddexp(0, -gap_MSS)).sum())
    return loss, pull_MSS.sum(axis=1) - pull_MSS.sum(axis=2)


def _falls(novelty_M: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """1, and a smooth step from 1 down to 0 at each cut: shape (M, 1 + K)."""
    width = _STEEPNESS * cuts + 1e-3
    steps = expit((cuts - novelty_M[:, None]) / width)
    return np.concatenate([np.ones((len(novelty_M), 1)), steps], axis=1)
