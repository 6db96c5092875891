"""What accuracy costs: every operating point of a router that trades its confidence against cost."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.outcomes import FloatArray, IntArray, checked_outcomes

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """A router's operating points, from the policy that ignores cost to the one that looks only at cost.

    Attributes
    ----------
    cost : float64 array of shape (P,), mean charge of a query, in the unit of the charged costs (USD)
    accuracy : float64 array of shape (P,), share of queries whose selected VLM is right
    penalty : float64 array of shape (P,), confidence per unit of cost, rising from 0; a point holds from its penalty up
        to that of the next point, and the last point at every higher penalty
    """

    cost: Floats
    accuracy: Floats
    penalty: Floats

    def thinned(self, max_points: int) -> "Curve":
        """Return at most `max_points` of the points, evenly spread; both ends and the peak are kept.

        Raises
        ------
        ValueError
            If `max_points` is below 3.
        """
        if max_points < 3:
            raise ValueError(f"Curve.thinned: expected max_points of at least 3, got {max_points}")
        if len(self.cost) <= max_points:
            return self
        spread = np.linspace(0, len(self.cost) - 1, max_points - 1).round().astype(np.int64)
        kept = np.union1d(spread, self.accuracy.argmax())
        return Curve(self.cost[kept], self.accuracy[kept], self.penalty[kept])


class _Switches(NamedTuple):
    """At which penalty a query leaves one VLM for another; each of shape (E,)."""

    penalty: Floats
    query: IntArray
    left: IntArray
    taken: IntArray


def cost_quality_curve(
    confidence: FloatArray, expected_cost: FloatArray, charged_cost: FloatArray, outcomes: FloatArray
) -> Curve:
    """Return cost and accuracy of the policy argmax_j (confidence_ij - penalty * expected cost_ij) at every penalty.

    This is `arms.selection.policies.penalised`, ties included. As the penalty grows, a query follows the upper envelope
    of the lines confidence - penalty * cost. So the policy changes at a finite number of penalties, and the curve holds
    them all. Only VLMs with a known outcome can be chosen; a query without one is left out.

    Parameters
    ----------
    confidence : float array of shape (N, S), finite
    expected_cost : float array of shape (N, S), at least 0, what the policy weighs
    charged_cost : float array of shape (N, S), at least 0, what the chosen VLM's answer cost
    outcomes : float array of shape (N, S), 1 correct, 0 wrong, NaN unknown; where it is NaN, no other array is read

    Returns
    -------
    Curve; without points if no outcome is known

    Raises
    ------
    ValueError
        If shapes disagree, or if beside a known outcome a confidence or cost is not finite, or a cost is negative.
    """
    outcomes = checked_outcomes(outcomes)
    known = ~np.isnan(outcomes)
    kept = known.any(axis=1)
    confidence = _read("confidence", confidence, known, least=-np.inf)[kept]
    expected_cost = _read("expected_cost", expected_cost, known, least=0)[kept]
    charged_cost = _read("charged_cost", charged_cost, known, least=0)[kept]
    if not kept.any():
        return Curve(np.zeros(0), np.zeros(0), np.zeros(0))
    switches, last = _envelopes(confidence, expected_cost, known[kept])
    penalty = switches.penalty
    # One point before the first switch, then one point after all switches at the same penalty.
    seen = np.append(0, 1 + np.flatnonzero(np.diff(penalty, append=np.inf)))
    return Curve(
        cost=np.maximum(_means(charged_cost, switches, last)[seen], 0.0),
        accuracy=_means(outcomes[kept], switches, last)[seen],
        penalty=np.append(0.0, penalty)[seen],
    )


def single_vlm_points(charged_cost: FloatArray, outcomes: FloatArray) -> tuple[Floats, Floats]:
    """Return mean charge and accuracy of always asking one VLM, over the queries where its outcome is known.

    Parameters
    ----------
    charged_cost, outcomes : float arrays of shape (N, S); outcomes NaN = unknown

    Returns
    -------
    cost, accuracy : float64 arrays of shape (S,); NaN where the VLM has no known outcome. The cost is NaN too where the
        charge of one of these queries is unknown (NaN).
    """
    outcomes = checked_outcomes(outcomes)
    known = ~np.isnan(outcomes)
    count = known.sum(axis=0)
    sums = (np.where(known, values, 0.0).sum(axis=0) for values in (np.asarray(charged_cost, np.float64), outcomes))
    cost, accuracy = (np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0) for total in sums)
    return cost, accuracy


def oracle_point(charged_cost: FloatArray, outcomes: FloatArray) -> tuple[float, float] | None:
    """Return mean charge and accuracy of asking, for each query, the least expensive VLM that is right.

    Where no known VLM is right, the least expensive one is asked.

    Parameters
    ----------
    charged_cost, outcomes : float arrays of shape (N, S); outcomes NaN = unknown

    Returns
    -------
    (cost, accuracy) over the queries with a known outcome; None without one, or if the charge of one is unknown
    """
    outcomes = checked_outcomes(outcomes)
    known = ~np.isnan(outcomes)
    kept = known.any(axis=1)
    charged = np.asarray(charged_cost, dtype=np.float64)
    if not kept.any() or np.isnan(charged[known]).any():
        return None
    right = outcomes == 1
    candidates = np.where(right.any(axis=1, keepdims=True), right, known)
    least = np.where(candidates, charged, np.inf).min(axis=1)[kept]
    return float(least.mean()), float(right[kept].any(axis=1).mean())


def _read(name: str, array: FloatArray, known: NDArray[np.bool_], *, least: float) -> Floats:
    """Check the array and return it as float64, with 0 where the outcome is unknown."""
    values = np.asarray(array, dtype=np.float64)
    if values.shape != known.shape:
        raise ValueError(f"cost_quality_curve: expected {name} of shape {known.shape}, got {values.shape}")
    wrong = values[known & ~(np.isfinite(values) & (values >= least))]
    if len(wrong):
        wanted = "finite numbers" if np.isinf(least) else f"finite numbers of at least {least:g}"
        raise ValueError(
            f"cost_quality_curve: expected {wanted} as {name} beside known outcomes, "
            f"got {wrong[0]} ({len(wrong)} such values)"
        )
    return np.where(known, values, 0.0)


def _envelopes(confidence: Floats, cost: Floats, known: NDArray[np.bool_]) -> tuple[_Switches, IntArray]:
    """Walk along all queries' upper envelopes at once; return the switches by rising penalty, and the last choices."""
    masked = np.where(known, confidence, -np.inf)
    surest = masked == masked.max(axis=1, keepdims=True)
    query, at = np.arange(len(masked)), np.zeros(len(masked))
    current = np.where(surest, cost, np.inf).argmin(axis=1)  # of equally sure VLMs the cheapest
    last, steps = current.copy(), []
    while len(query):
        saved = cost[query, current][:, None] - cost[query]
        lost = confidence[query, current][:, None] - confidence[query]
        crossing = np.full(saved.shape, np.inf)
        with np.errstate(over="ignore"):  # a saving so small that no penalty reaches it
            np.divide(lost, saved, out=crossing, where=known[query] & (saved > 0))
        taken, least = crossing.argmin(axis=1), crossing.min(axis=1)
        moves = np.isfinite(least)
        # If several lines cross in one point, rounding must not put a later switch a hair before an earlier one.
        at = np.maximum(at, least)[moves]
        query, left, current = query[moves], current[moves], taken[moves]
        steps.append((at, query, left, current))
        last[query] = current
    penalty, query, left, taken = (np.concatenate(parts) for parts in zip(*steps, strict=True))
    order = np.argsort(penalty, kind="stable")
    return _Switches(penalty[order], query[order], left[order], taken[order]), last.astype(np.int64)


def _means(values: Floats, switches: _Switches, last: IntArray) -> Floats:
    """Return the mean value of the choices before each of the E switches and after the last one: shape (E + 1,).

    The sum runs from the end, where everything is cheapest, so a cost of 0 there stays exactly 0.
    """
    end = values[np.arange(len(values)), last].sum()
    steps = values[switches.query, switches.left] - values[switches.query, switches.taken]
    return (end + np.append(np.cumsum(steps[::-1])[::-1], 0.0)) / len(values)
