"""Claims about many differences at once: intervals that hold together, and adjusted p-values, by max-T.

Among many comparisons at 95 % some leave out 0 by chance. The single-step max-T method (Westfall & Young 1993; Romano &
Wolf 2005) takes the distribution of the largest studentised deviation over all comparisons of a family, from the draws
that they share. It uses how strongly the comparisons depend on each other, so it gives away less than Bonferroni or
Holm. The chance of one or more false claims in the family is 5 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.evaluation.bootstrap import COVERAGE

Floats = NDArray[np.float64]
REFERENCES = ("best-single", "knn", "linear")  # what every router is held against; `linear` is logistic regression
VERDICTS = {1: "better", 0: "level", -1: "worse"}
_NO_SPREAD = 1e-12  # rounding leaves this much between draws of a constant


@dataclass(frozen=True, eq=False, slots=True)
class Claims:
    """What may be claimed of a family of P differences, all together at 95 %.

    Attributes
    ----------
    low, high : float64 arrays of shape (P,), in [-1, 1]
        The simultaneous intervals. They leave out 0 exactly where p is at most 5 %.
    p : float64 array of shape (P,), in (0, 1]
        The adjusted p-values.
    """

    low: Floats
    high: Floats
    p: Floats


def max_t(difference: Floats, draws: Floats) -> Claims:
    """Simultaneous intervals and adjusted p-values of a family of differences of shares.

    A difference whose draws do not vary stays out of the maximum. If it is 0, the two sides are the same router. If it
    is not, as with one group only, the draws cannot say how sure it is: the interval is -1 to 1 and nothing is claimed.

    Parameters
    ----------
    difference : float array of shape (P,), in [-1, 1]
        What was observed.
    draws : float array of shape (B, P), no NaN
        The same differences in B shared bootstrap resamples.

    Raises
    ------
    ValueError
        If the shapes disagree, there are no draws, or one is NaN.
    """
    difference, draws = np.asarray(difference, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    if draws.ndim != 2 or difference.shape != draws.shape[1:] or not len(draws):
        raise ValueError(
            "max_t: expected P differences and draws of shape (B, P) with B >= 1, "
            f"got {difference.shape} and {draws.shape}"
        )
    if np.isnan(draws).any():
        raise ValueError("max_t: expected draws without NaN; leave out what is not known in every resample")
    spread = draws.std(axis=0)
    varies = spread > _NO_SPREAD
    unit = np.where(varies, spread, 1.0)
    largest = (np.abs(draws - difference) / unit)[:, varies].max(axis=1, initial=0.0)
    at_least = (largest[:, None] >= np.abs(difference) / unit).sum(axis=0)
    half = _critical(largest) * unit
    same, unsure = ~varies & (np.abs(difference) <= _NO_SPREAD), ~varies & (np.abs(difference) > _NO_SPREAD)
    return Claims(
        low=np.select([same, unsure], [0.0, -1.0], np.maximum(difference - half, -1.0)),
        high=np.select([same, unsure], [0.0, 1.0], np.minimum(difference + half, 1.0)),
        p=np.where(varies, (1 + at_least) / (1 + len(draws)), 1.0),
    )


def verdict(low: float | None, high: float | None) -> str | None:
    """Better, level or worse, by a simultaneous interval; None without queries."""
    if low is None or high is None:
        return None
    return VERDICTS[int(low > 0) - int(high < 0)]


def against(pairs: Sequence[Mapping[str, Any]], references: Sequence[str] = REFERENCES) -> dict[str, Any]:
    """What may be claimed of every router against some references, read out of the claims on all pairs.

    Parameters
    ----------
    pairs : records of `PairedDifferences.records` with "split" and "pool"
    references : names of routers; one that is in no pair is left out

    Returns
    -------
    split -> pool -> router -> reference -> {"difference", "low", "high", "p", "verdict"}
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        for router, other, sign in ((pair["router"], pair["other"], 1), (pair["other"], pair["router"], -1)):
            if other in references and pair["difference"] is not None:
                ends = sorted(sign * pair[end] + 0.0 for end in ("claim_low", "claim_high"))
                here = found.setdefault(pair["split"], {}).setdefault(pair["pool"], {}).setdefault(router, {})
                here[other] = {
                    "difference": sign * pair["difference"] + 0.0,
                    "low": ends[0],
                    "high": ends[1],
                    "p": pair["p"],
                    "verdict": verdict(*ends),
                }
    return found


def _critical(largest: Floats) -> float:
    """The least deviation whose p-value is at most 5 %; infinite with too few draws for any such p-value."""
    allowed = int(np.floor((1 - COVERAGE) * (1 + len(largest)) + 1e-9))
    return float(np.sort(largest)[-allowed]) if allowed else np.inf
