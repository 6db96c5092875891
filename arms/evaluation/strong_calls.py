"""Two VLMs, a weak and a strong one: how much of the gap between them a router closes, by its share of strong calls."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.outcomes import FloatArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class GapRecovery:
    """The performance gap recovered (PGR) against the share of queries that go to the strong VLM.

    PGR = (accuracy - weak) / (strong - weak): Ong et al., "RouteLLM", arXiv:2406.18665, section 3. It starts at (0, 0),
    ends at (1, 1), and is straight between points: queries of equal advantage go to the strong VLM at random.

    Attributes
    ----------
    share : float64 array of shape (P,), rising from 0 to 1
    pgr : float64 array of shape (P,)
    """

    share: Floats
    pgr: Floats

    def average(self) -> float:
        """APGR, the mean PGR over all shares: 0.5 for a router that knows nothing, above 1 only if it beats both."""
        return float(np.trapezoid(self.pgr, self.share))

    def least_share(self, pgr: float) -> float:
        """Return CPT, the least share of strong calls at which PGR reaches a value in (0, 1]."""
        end = int((self.pgr >= pgr).argmax())
        (x0, x1), (y0, y1) = self.share[end - 1 : end + 1], self.pgr[end - 1 : end + 1]
        return float(x0 + (pgr - y0) / (y1 - y0) * (x1 - x0))


def gap_recovery(advantage: FloatArray, weak_correct: FloatArray, strong_correct: FloatArray) -> GapRecovery | None:
    """Send to the strong VLM the queries whose advantage exceeds a threshold, for every threshold.

    Parameters
    ----------
    advantage : float array of shape (N,), the router's confidence in the strong VLM minus that in the weak one
    weak_correct, strong_correct : float arrays of shape (N,), 1 or 0; NaN = unknown, which leaves the query out

    Returns
    -------
    GapRecovery; None without a gap: there are no queries, or the strong VLM is not better on them
    """
    gained = np.asarray(strong_correct, dtype=np.float64) - np.asarray(weak_correct, dtype=np.float64)
    both = ~np.isnan(gained)
    gained, advantage = gained[both], np.asarray(advantage, dtype=np.float64)[both]
    gap = gained.sum()
    if not gap > 0:
        return None
    order = np.argsort(-advantage, kind="stable")
    ends = 1 + np.flatnonzero(np.diff(-advantage[order], append=np.inf))
    shares = np.append(0, ends) / len(gained)
    return GapRecovery(shares, np.append(0.0, np.cumsum(gained[order])[ends - 1]) / gap)


def weak_and_strong(cost: FloatArray, accuracy: FloatArray) -> tuple[int | None, int | None]:
    """Return the cheapest VLM and the most accurate one, of equals the first; None if nothing is known.

    Parameters
    ----------
    cost, accuracy : float arrays of shape (S,), such as means on train; NaN = unknown
    """
    weak = None if np.isnan(cost).all() else int(np.nanargmin(cost))
    strong = None if np.isnan(accuracy).all() else int(np.nanargmax(accuracy))
    return weak, strong
