"""Each VLM's base rate: the share of all queries that it would answer, from the outcomes that are known."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

_SWEEPS = 40
_SETTLED = 1e-4  # logits
_FARTHEST = 8.0  # logits
_NARROWEST = 0.05
_BROAD, _BROAD_VLMS = 1.0, 4  # variance of abilities before any is known, and how many VLMs that counts as


class RaschModel(NamedTuple):
    """The one-parameter item-response model, logit P(right) = ability of the VLM + ease of the query.

    Attributes
    ----------
    ability : ndarray of shape (S,), logits
    ease : ndarray of shape (N,), logits
    spread : ndarray of shape (N,)
        The posterior variance of each ease.
    """

    ability: np.ndarray
    ease: np.ndarray
    spread: np.ndarray


def base_rates(outcomes_NS: np.ndarray) -> np.ndarray:
    """The share of N queries that each VLM is expected to answer, shape (S,), in (0, 1).

    A VLM that was run on few queries, or only on hard ones, is compared with the others on those: the rate is
    standardised over all N queries (direct standardisation) under a Rasch model.

    Parameters
    ----------
    outcomes_NS : ndarray of shape (N, S)
        1 right, 0 wrong, NaN unknown.
    """
    if not len(outcomes_NS):
        return np.full(outcomes_NS.shape[1], 0.5)
    model = fit_rasch(outcomes_NS)
    # The mean of a logistic function of a normal variable (MacKay 1992).
    shrunk_N1 = 1 / np.sqrt(1 + np.pi * model.spread[:, None] / 8)
    rates: np.ndarray = expit((model.ability + model.ease[:, None]) * shrunk_N1).mean(axis=0)
    return rates


def fit_rasch(outcomes_NS: np.ndarray) -> RaschModel:
    """Fit abilities and eases to the known outcomes (Rasch 1960), both shrunk by what the data show of their spread.

    Eases are normal around 0, abilities around their mean; both variances are estimated with them (empirical Bayes).
    A VLM without outcomes gets the mean ability.
    """
    known_NS = ~np.isnan(outcomes_NS)
    right_NS = np.nan_to_num(outcomes_NS)
    count_S, share = known_NS.sum(axis=0), right_NS.sum() / max(1, known_NS.sum())
    ability = np.full(outcomes_NS.shape[1], np.log((share + 0.01) / (1.01 - share)))
    ease = np.zeros(len(outcomes_NS))
    ease_variance, ability_variance = 1.0, _BROAD
    for _ in range(_SWEEPS):
        surprise_NS, weight_NS = _residuals(right_NS, known_NS, ability, ease)
        precision_N = weight_NS.sum(axis=1) + 1 / ease_variance
        ease = (ease + (surprise_NS.sum(axis=1) - ease / ease_variance) / precision_N).clip(-_FARTHEST, _FARTHEST)
        surprise_NS, weight_NS = _residuals(right_NS, known_NS, ability, ease)
        mean = ability[count_S > 0].mean() if (count_S > 0).any() else 0.0
        precision_S = weight_NS.sum(axis=0) + 1 / ability_variance
        step = (surprise_NS.sum(axis=0) - (ability - mean) / ability_variance) / precision_S
        ability = (ability + step).clip(-_FARTHEST, _FARTHEST)
        ease_variance = max(_NARROWEST, float((ease**2 + 1 / precision_N).mean()))
        ability_variance = _variance(ability[count_S >= max(1, count_S.max() // 4)])
        if np.abs(step).max() < _SETTLED:
            break
    return RaschModel(ability, ease, 1 / precision_N)


def _variance(abilities: np.ndarray) -> float:
    """How much abilities differ, held near `_BROAD` while few are known."""
    if not len(abilities):
        return _BROAD
    spread = ((abilities - abilities.mean()) ** 2).sum()
    return float((_BROAD_VLMS * _BROAD + spread) / (_BROAD_VLMS + len(abilities) - 1))


def _residuals(
    right_NS: np.ndarray, known_NS: np.ndarray, ability: np.ndarray, ease: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is right less what was expected, and the variance of the outcomes; both 0 where nothing is known."""
    expected_NS = expit(ability + ease[:, None])
    return np.where(known_NS, right_NS - expected_NS, 0.0), np.where(known_NS, expected_NS * (1 - expected_NS), 0.0)
