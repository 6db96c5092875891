"""Intervals for estimates that a few heavy draws decide.

Every estimator here is a ratio of sums over groups, sum(a_g) / sum(b_g). Its variance is that of the linearised terms
z_g = a_g - V b_g, as for a cluster sample (Cochran 1977, Eq. 6.9). Two things make the plain normal interval too narrow
when exploration is rare, and both are allowed for; benchmarks/off_policy.py shows by simulation that it is enough:

- The variance is itself known only by as many draws as are heavy. `student` takes a t quantile with
  2 (sum z^2)^2 / sum z^4 degrees of freedom, those of a variance of such terms (Satterthwaite 1946).
- A policy that is right on most queries may have been right on every heavy draw, and then no term says how much is
  unknown. `plus_four` adds four draws of the heavy weight, two of the least and two of the largest value, which is the
  interval of Agresti & Coull (1998) carried over to weights.

IPS takes the wider of both on either side: it is off its value where heavy draws were more or fewer than expected, and
blind to large values that no heavy draw had.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from arms.evaluation.bootstrap import COVERAGE

FloatArray = NDArray[np.float64]
_UPPER = (1 + COVERAGE) / 2
_ADDED = 2  # draws of the least value, and of the largest


@dataclass(frozen=True)
class Estimate:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def sum_groups(values: FloatArray, groups: NDArray) -> FloatArray:
    """The sum of each group, in sorted order of the groups."""
    return np.asarray(np.bincount(np.unique(groups, return_inverse=True)[1], values), dtype=np.float64)


def student(above_G: FloatArray, below_G: FloatArray) -> Estimate:
    """The ratio of two sums over G groups, with a t interval."""
    value, terms_G, error = _ratio(above_G, below_G)
    fourth = (terms_G**4).sum()
    freedom = 2 * (terms_G**2).sum() ** 2 / fourth if fourth > 0 else np.inf
    half = stats.t.ppf(_UPPER, max(freedom, 1.0)) * error
    return Estimate(value, value - half, value + half)


def plus_four(above_G: FloatArray, below_G: FloatArray, weight_G: FloatArray, least: float, largest: float) -> Estimate:
    """The ratio of two sums over G groups, with the interval of the same ratio after four draws were added.

    Parameters
    ----------
    above_G, below_G : float arrays of shape (G,)
    weight_G : float array of shape (G,)
        The importance weights of the groups. The added draws have the weight that carries the variance,
        sqrt(sum w^4 / sum w^2).
    least, largest : float
        The range of what a draw may be worth.
    """
    value, _, _ = _ratio(above_G, below_G)
    heavy = np.sqrt((weight_G**4).sum() / (weight_G**2).sum())
    worth = np.repeat([least, largest], _ADDED)
    centre, _, error = _ratio(np.append(above_G, heavy * worth), np.append(below_G, np.full(len(worth), heavy)))
    half = stats.norm.ppf(_UPPER) * error
    return Estimate(value, min(value, centre - half), max(value, centre + half))


def widest(*estimates: Estimate) -> Estimate:
    """The interval that holds all intervals of one estimate."""
    return Estimate(estimates[0].value, min(one.low for one in estimates), max(one.high for one in estimates))


def _ratio(above_G: FloatArray, below_G: FloatArray) -> tuple[float, FloatArray, float]:
    """The ratio of the sums, its linearised terms, and its standard error."""
    num_groups, total = len(above_G), below_G.sum()
    value = above_G.sum() / total
    terms_G = above_G - value * below_G
    return value, terms_G, np.sqrt((terms_G**2).sum() * num_groups / max(num_groups - 1, 1)) / total
