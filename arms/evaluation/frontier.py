"""Cost and quality in one number, on the scale of the pool's own range of costs."""

from collections.abc import Callable
from math import log2

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.cost_quality import Curve

Floats = NDArray[np.float64]
Points = tuple[Floats, Floats]  # cost and quality, each of shape (P,)
SAME_COST = 1e-9  # as a share of the larger one


def pareto_front(cost: Floats, quality: Floats) -> Points:
    """Return the points that no other point reaches at the same or a lower cost: two rising arrays of shape (F,).

    Parameters
    ----------
    cost, quality : float arrays of shape (P,), finite
    """
    order = np.lexsort((-quality, cost))
    cost, quality = cost[order], quality[order]
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], quality]))[:-1]
    kept = quality > best_before
    return cost[kept], quality[kept]


def rising_hull(cost: Floats, quality: Floats) -> Points:
    """Return the corners of the lowest concave line above the points that never falls: two rising arrays.

    Every point on the line can be reached: between two corners, choose one of them at random for each query.

    Parameters
    ----------
    cost, quality : float arrays of shape (P,), finite
    """
    corners: list[tuple[float, float]] = []
    for x, y in zip(*pareto_front(cost, quality), strict=True):
        while len(corners) > 1 and _is_below(corners[-1], corners[-2], (x, y)):
            corners.pop()
        corners.append((x, y))
    hull = np.array(corners).reshape(-1, 2)
    return hull[:, 0], hull[:, 1]


def aiq(curve: Curve, pool_cost: Floats, pool_quality: Floats) -> float | None:
    """Average improvement in quality: the mean height of the curve's rising hull over the pool's range of costs.

    Hu et al., "RouterBench", arXiv:2403.12031, section 3. Its range is that of the routers compared; the pool's range
    is the same for every router. After its last point the hull is flat. If the curve starts at a higher cost than the
    cheapest VLM, that VLM becomes its first point, with at most the accuracy at which the curve starts.

    Parameters
    ----------
    curve : Curve
    pool_cost, pool_quality : float arrays of shape (S,), of always asking one VLM; NaN where unknown

    Returns
    -------
    float in [0, peak]; None without points, if a cost is unknown, or if all costs are equal
    """
    return _mean_height(rising_hull, curve, pool_cost, pool_quality)


def nauc(curve: Curve, pool_cost: Floats, pool_quality: Floats) -> float | None:
    """Normalised area under the curve: as `aiq`, but under the Pareto front, its points joined by straight lines.

    As in MMR-Bench, but over the pool's range of costs: areas over each router's own range cannot be compared.
    """
    return _mean_height(pareto_front, curve, pool_cost, pool_quality)


def peak(curve: Curve) -> float | None:
    """Return the highest accuracy on the curve (Ps of MMR-Bench); None without points."""
    return float(curve.accuracy.max()) if len(curve.accuracy) else None


def qnc(curve: Curve, reference_cost: float, reference_quality: float) -> float | None:
    """Query-normalised cost: the least cost at which the curve is as good as a reference, over the reference's cost.

    Parameters
    ----------
    curve : Curve
    reference_cost, reference_quality : of the best single VLM; NaN if unknown

    Returns
    -------
    float of at least 0; None if the curve never is as good (MMR-Bench: infinite), or the reference is unknown or free
    """
    reaches = curve.accuracy >= reference_quality
    if not reaches.any() or not reference_cost > 0:
        return None
    return float(curve.cost[reaches].min() / reference_cost)


def rank_score(
    accuracy: float | None, cost: float | None, limits: tuple[float, float] | None, beta: float = 0.1
) -> float | None:
    """Weigh accuracy against cost on a logarithmic scale: Rank Score of VL-RouterBench, in [0, 100].

    (1 + beta) A C / (beta A + C): the weighted harmonic mean of the accuracy A in percent and the saving
    C = 100 (log2 Cmax - log2 cost) / (log2 Cmax - log2 Cmin), with the cost clipped to [Cmin, Cmax].

    Parameters
    ----------
    accuracy : float in [0, 1], or None
    cost : float of at least 0, or None
    limits : (Cmin, Cmax) from `cost_range`; None if all costs are equal or one is unknown
    beta : the weight of the cost; below 1 the accuracy counts for more

    Returns
    -------
    float; 0 if accuracy or C is 0. None if an argument is None, or if Cmin is 0, which has no logarithm.
    """
    if accuracy is None or cost is None or limits is None or not limits[0] > 0:
        return None
    low, high = limits
    clipped = min(max(cost, low), high)
    saved = 100 * (log2(high) - log2(clipped)) / (log2(high) - log2(low))
    percent = 100 * accuracy
    if percent == 0 or saved == 0:
        return 0.0
    return (1 + beta) * percent * saved / (beta * percent + saved)


def cost_range(pool_cost: Floats) -> tuple[float, float] | None:
    """Return the lowest and highest mean cost of the pool's single VLMs; None if one is unknown or all are equal."""
    if not len(pool_cost) or np.isnan(pool_cost).any():
        return None
    low, high = float(pool_cost.min()), float(pool_cost.max())
    # Means of one price over different queries may differ by rounding.
    return (low, high) if high - low > SAME_COST * high else None


def _mean_height(
    outline: Callable[[Floats, Floats], Points], curve: Curve, pool_cost: Floats, pool_quality: Floats
) -> float | None:
    limits = cost_range(pool_cost)
    if limits is None or not len(curve.cost):
        return None
    low, high = limits
    first = np.lexsort((-curve.accuracy, curve.cost))[0]
    # Where the curve begins below the range, this start is not part of the outline.
    start = min(pool_quality[pool_cost == low].max(), curve.accuracy[first])
    return _mean_of_line(*outline(np.append(curve.cost, low), np.append(curve.accuracy, start)), low, high)


def _mean_of_line(x: Floats, y: Floats, low: float, high: float) -> float:
    """Return the mean over [low, high] of the line through the points, flat beyond its ends; x rises strictly."""
    grid = np.concatenate([[low], x[(x > low) & (x < high)], [high]])
    heights = np.interp(grid, x, y)
    return float(np.trapezoid(heights, grid) / (high - low))


def _is_below(middle: tuple[float, float], left: tuple[float, float], right: tuple[float, float]) -> bool:
    """Whether the middle point lies on or below the line from left to right."""
    return (middle[1] - left[1]) * (right[0] - left[0]) <= (right[1] - left[1]) * (middle[0] - left[0])
