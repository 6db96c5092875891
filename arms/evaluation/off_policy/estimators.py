"""Three estimates of what a target policy would have earned: from the log, with what was expected, or both.

With w_i = pi(a_i | x_i) / p_i, the target's chance of the logged choice over the chance that it had:

- IPS, inverse propensity scoring: V = 1/N sum w_i r_i (Horvitz & Thompson 1952). Unbiased.
- SNIPS, self-normalised: V = sum w_i r_i / sum w_i (Swaminathan & Joachims 2015, Eq. 9). Its bias vanishes with N, and
  it does not depend on how many heavy draws there happened to be.
- DR, doubly robust: V = 1/N sum [ sum_a pi(a | x_i) q(x_i, a) + w_i (r_i - q(x_i, a_i)) ] (Dudik, Langford & Li 2011,
  Eq. 5), with an expectation q that was learned on other groups. Unbiased whatever q is, as the chances are known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arms.errors import ArmsError
from arms.evaluation.off_policy.intervals import Estimate, plus_four, student, sum_groups, widest
from arms.evaluation.off_policy.logged import Logged, weights
from arms.evaluation.off_policy.reward_model import expected_costs, expected_rewards

FloatArray = NDArray[np.float64]
LEAST_SIZE = 50  # effective decisions; below, intervals were seen to be too narrow or to tell nothing


@dataclass(frozen=True)
class OffPolicy:
    """What a target policy would have earned or cost, on average.

    Attributes
    ----------
    ips, snips, dr : Estimate
    logged : Estimate
        What the decisions that were made earned.
    decisions : int
    effective : float
        As how many independent decisions of the target's own they count; see `effective_size`.
    agreement : float
        The target's mean chance of the logged choice.
    """

    ips: Estimate
    snips: Estimate
    dr: Estimate
    logged: Estimate
    decisions: int
    effective: float
    agreement: float


def estimate_reward(logged: Logged, target_NS: FloatArray, least_size: float = LEAST_SIZE) -> OffPolicy:
    """Estimate a target policy's EM, or its mean score.

    Parameters
    ----------
    logged : Logged
        Its values are right (1) or wrong (0), or scores in [0, 1].
    target_NS : float array of shape (N, S)
        The chance with which the target policy chooses each VLM; rows sum to 1.
    least_size : float
        The least effective number of decisions.

    Raises
    ------
    ValueError
        If a value is not in [0, 1], or the target's rows are no chances.
    ArmsError
        If there are no decisions, the log does not support the target, or too few decisions count.
    """
    if not ((logged.value >= 0) & (logged.value <= 1)).all():
        raise ValueError("estimate_reward: expected values in [0, 1], got others")
    weight = _checked_weights(logged, target_NS, least_size)
    return _estimate(logged, target_NS, weight, expected_rewards(logged), (0.0, 1.0))


def estimate_cost(logged: Logged, target_NS: FloatArray, least_size: float = LEAST_SIZE) -> OffPolicy:
    """Estimate a target policy's mean cost in USD; see `estimate_reward`. The values are the costs."""
    weight = _checked_weights(logged, target_NS, least_size)
    bounds = float(logged.value.min()), float(logged.value.max())
    return _estimate(logged, target_NS, weight, expected_costs(logged), bounds)


def effective_size(logged: Logged, target_NS: FloatArray) -> float:
    """As how many independent decisions of the target's own the logged ones count.

    N over the mean square of the weights, the size of Kish (1965), and the number of groups at most. Where the chances
    of all VLMs are known, that mean is the expected one, sum_a pi(a | x)^2 / p(a | x): it does not depend on the draws.
    The mean of the drawn weights is least where by chance no heavy draw fell on the target's choices, and would let
    just the logs pass that tell least.
    """
    num_groups = len(np.unique(logged.groups))
    if logged.chance is None:
        weight_G = sum_groups(logged.at_choice(target_NS) / logged.propensity, logged.groups)
        squares = (weight_G**2).sum()
        return float(weight_G.sum() ** 2 / squares) if squares > 0 else 0.0
    asked = target_NS > 0
    squares_NS = np.divide(target_NS**2, logged.chance, out=np.zeros_like(target_NS), where=asked)
    return float(min(len(target_NS) / squares_NS.sum(axis=1).mean(), num_groups))


def _checked_weights(logged: Logged, target_NS: FloatArray, least_size: float) -> FloatArray:
    """The weights; an ArmsError if they say too little."""
    if not len(logged.chosen):
        raise ArmsError("expected one decision or more whose value is known, got none; give feedback, or other dates")
    weight = weights(logged, target_NS)
    effective = effective_size(logged, target_NS)
    if effective < least_size:
        raise ArmsError(
            f"too little support: {len(weight):,} decisions count as {effective:.0f} of the target's own, expected "
            f"{least_size:g} or more, as below that no interval is to be trusted; log more, or explore a larger share"
        )
    return weight


def _estimate(
    logged: Logged, target_NS: FloatArray, weight: FloatArray, expected_NS: FloatArray, bounds: tuple[float, float]
) -> OffPolicy:
    """All estimates and their intervals."""

    group_of = np.unique(logged.groups, return_inverse=True)[1]

    def by_group(values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(group_of, values), dtype=np.float64)

    reward, once = logged.value, np.ones(len(weight))
    modelled = (target_NS * expected_NS).sum(axis=1) + weight * (reward - logged.at_choice(expected_NS))
    number_G, weight_G, weighted_G = by_group(once), by_group(weight), by_group(weight * reward)
    return OffPolicy(
        ips=widest(student(weighted_G, number_G), plus_four(weighted_G, number_G, weight_G, *bounds)),
        snips=plus_four(weighted_G, weight_G, weight_G, *bounds),
        dr=plus_four(by_group(modelled), number_G, weight_G, *bounds),
        logged=plus_four(by_group(reward), number_G, number_G, *bounds),
        decisions=len(weight),
        effective=effective_size(logged, target_NS),
        agreement=float(logged.at_choice(target_NS).mean()),
    )
