"""Intervals by a cluster bootstrap: scenes are resampled, not queries.

Queries of one scene succeed and fail together, so resampling single queries would make every interval too narrow.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
COVERAGE = 0.95
CHUNK_WEIGHTS = 4_000_000  # weights held at once; bounds memory and changes no draw


def bootstrap_means(values: FloatArray, groups: NDArray, samples: int, seed: int) -> FloatArray:
    """Resample the groups with replacement and return the mean of every column in each resample.

    A resampled mean is a ratio of sums, sum_g w_g sum(values in g) / sum_g w_g |g| with multinomial weights w, because
    groups differ in size. All columns share the draws, so the difference of two columns of the result is the
    bootstrap distribution of their paired difference. The draws depend only on the groups and the seed, not on the
    values or the order of the rows.

    Parameters
    ----------
    values : float array of shape (N, K); NaN marks a row that does not count in that column
    groups : array of shape (N,), the scene of each row
    samples : B, at least 1
    seed : int

    Returns
    -------
    float64 array of shape (B, K); NaN where a resample has no row that counts in the column

    Raises
    ------
    ValueError
        If there are no rows, the shapes disagree or `samples` is below 1.
    """
    values = np.asarray(values, dtype=np.float64)
    groups = np.asarray(groups)
    if values.ndim != 2 or not len(values) or groups.shape != values.shape[:1] or samples < 1:
        raise ValueError(
            "bootstrap_means: expected values of shape (N, K) with N >= 1, groups of shape (N,) and samples >= 1, "
            f"got {values.shape}, {groups.shape} and {samples}"
        )
    sums, counts = _per_group(values, groups)
    totals = np.concatenate([sums, counts], axis=1)
    drawn = [weights @ totals for weights in _weights(len(totals), samples, seed)]
    summed, counted = np.split(np.concatenate(drawn), 2, axis=1)
    return np.divide(summed, counted, out=np.full_like(summed, np.nan), where=counted > 0)


def interval(draws: FloatArray) -> tuple[float, float] | tuple[None, None]:
    """Return the central 95 % percentile interval of bootstrap draws.

    Parameters
    ----------
    draws : float array of shape (B,); NaN draws are left out

    Returns
    -------
    (low, high), or (None, None) if no draw is left
    """
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return None, None
    low, high = np.quantile(draws, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def _per_group(values: FloatArray, groups: NDArray) -> tuple[FloatArray, FloatArray]:
    """Return sum and number of the rows that count, each of shape (G, K), groups in sorted order."""
    labels, group_of = np.unique(groups, return_inverse=True)
    counting = ~np.isnan(values)
    sums, counts = np.empty((2, len(labels), values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(group_of, np.where(counting[:, column], values[:, column], 0.0))
        counts[:, column] = np.bincount(group_of, counting[:, column])
    return sums, counts


def _weights(num_groups: int, samples: int, seed: int) -> Iterable[FloatArray]:
    """All resamples' weights, in chunks of shape (samples, G); if one chunk holds them all, they are cached."""
    chunk = max(1, CHUNK_WEIGHTS // num_groups)
    if samples <= chunk:
        return [_same_weights(num_groups, samples, seed)]
    rng = np.random.default_rng(seed)
    return (_multinomial_weights(rng, min(chunk, samples - start), num_groups) for start in range(0, samples, chunk))


@lru_cache(maxsize=4)
def _same_weights(num_groups: int, samples: int, seed: int) -> FloatArray:
    """The weights that fit in one chunk, cached: all routers are judged by the same draws on a few test sets."""
    weights = _multinomial_weights(np.random.default_rng(seed), samples, num_groups)
    weights.flags.writeable = False
    return weights


def _multinomial_weights(rng: np.random.Generator, samples: int, num_groups: int) -> FloatArray:
    """Draw how often each group comes up in each resample: shape (samples, G), rows sum to G.

    Counting uniform picks gives the same distribution as `Generator.multinomial` in a fraction of its time. Cutting the
    picks into chunks does not change them.
    """
    picks = rng.integers(0, num_groups, size=(samples, num_groups))
    picks += num_groups * np.arange(samples)[:, None]
    weights = np.bincount(picks.ravel(), minlength=samples * num_groups)
    return weights.reshape(samples, num_groups).astype(np.float64)
