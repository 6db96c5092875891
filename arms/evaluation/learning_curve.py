"""EM against the number of training queries: the curve's line, and what more queries would bring by it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_POINTS = 3
FARTHEST = 4.0  # times the queries that there are; a line from so few points says nothing beyond


@dataclass(frozen=True)
class Line:
    """EM(n) = limit - fall / sqrt(n), the rate at which the error of most estimates falls."""

    limit: float
    fall: float

    def at(self, queries: float) -> float:
        """The EM at a number of training queries, in [0, 1]."""
        return float(np.clip(self.limit - self.fall / np.sqrt(queries), 0, 1))


def fit_line(queries: Sequence[int], em: Sequence[float]) -> Line | None:
    """Fit a line to points of a curve by least squares.

    Parameters
    ----------
    queries : sequence of P int, >= 1
    em : sequence of P float, the mean over the draws of each

    Returns
    -------
    Line, or None with fewer than `FEWEST_POINTS` different numbers of queries
    """
    if len(set(queries)) < FEWEST_POINTS:
        return None
    slope, limit = np.polyfit(np.asarray(queries, dtype=np.float64) ** -0.5, em, 1)
    return Line(float(limit), float(-slope))


def queries_to_reach(queries: Sequence[int], em: Sequence[float], other: Sequence[float]) -> int | None:
    """From how many training queries on one router is at least as good as another one.

    Within the measured points it is the least number from which on the first router is not behind. Behind them it is
    where the lines of both meet, up to `FARTHEST` times the most queries. If they have met before, the router is behind
    at the last point only by what the points scatter, and it is the next query.

    Parameters
    ----------
    queries : sequence of P int, rising
    em, other : sequences of P float

    Returns
    -------
    int, or None if that is not seen
    """
    behind = [own < theirs for own, theirs in zip(em, other, strict=True)]
    if not behind[-1]:
        return queries[max((place + 1 for place, is_behind in enumerate(behind) if is_behind), default=0)]
    own, theirs = fit_line(queries, em), fit_line(queries, other)
    if own is None or theirs is None or own.limit <= theirs.limit:
        return None
    meeting = ((own.fall - theirs.fall) / (own.limit - theirs.limit)) ** 2
    return max(int(np.ceil(meeting)), queries[-1] + 1) if meeting <= FARTHEST * queries[-1] else None
