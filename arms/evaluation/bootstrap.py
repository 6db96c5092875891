"""Intervals by a cluster bootstrap: scenes are resampled, and the seeds of routers that have several.

Queries of one scene succeed and fail together, so resampling single queries would make every interval too narrow. So
would a single training run: with another seed it would have come out differently.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]
COVERAGE = 0.95
CHUNK_WEIGHTS = 4_000_000  # weights held at once; bounds memory and changes no draw
KEPT_WEIGHTS = 64_000_000  # weights kept for the next call, a byte each
MANY_GROUPS = 30_000  # from here on, groups of equal sums are drawn together
_WORTH = 8  # drawing the count of a kind takes as long as drawing so many groups


def bootstrap_means(values: FloatArray, groups: NDArray, samples: int, seed: int) -> FloatArray:
    """Resample the groups with replacement and return the mean of every column in each resample.

    A resampled mean is a ratio of sums, sum_g w_g sum(values in g) / sum_g w_g |g| with multinomial weights w, because
    groups differ in size. All columns share the draws, so the difference of two columns of the result is the
    bootstrap distribution of their paired difference. The draws depend only on the groups and the seed, not on the
    values or the order of the rows; with more than `MANY_GROUPS` groups on the values too.

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
    summed, counted = np.split(_drawn_totals(totals, samples, seed), 2, axis=1)
    return np.divide(summed, counted, out=np.full_like(summed, np.nan), where=counted > 0)


def bootstrap_seed_means(runs: Sequence[FloatArray], groups: NDArray, samples: int, seed: int) -> FloatArray:
    """Resample groups and seeds, and return every router's mean over its seeds in each resample.

    A resample is the mean over all seeds on resampled groups, plus what resampled seeds add to the mean on all groups.
    So its variance is that of the groups plus that of the seeds, as in two-way clustering (Cameron, Gelbach & Miller
    2011) without the term for single pairs of a group and a seed. Both parts hold that noise, so where seeds matter
    little the interval is rather too wide than too narrow. The part of the seeds is widened for there being few of
    them; see `_seed_weights`.

    Routers with equally many seeds share the picks: the k-th seed of one is paired with the k-th seed of the other.
    With one seed the draws are those of `bootstrap_means`.

    Parameters
    ----------
    runs : sequence of R float arrays, each of shape (N, seeds of that router) or (N,) for one seed; no NaN
    groups, samples, seed : see `bootstrap_means`

    Returns
    -------
    float64 array of shape (B, R)

    Raises
    ------
    ValueError
        If a router has no seed, or as in `bootstrap_means`.
    """
    columns = [_by_seed(run) for run in runs]
    if not columns or min(run.shape[1] for run in columns) < 1:
        raise ValueError("bootstrap_seed_means: expected one or more routers with one or more seeds each, got none")
    drawn = bootstrap_means(np.concatenate(columns, axis=1), groups, samples, seed)
    ends = np.cumsum([run.shape[1] for run in columns])[:-1]
    picks = {count: _seed_weights(count, samples, seed) for count in {run.shape[1] for run in columns}}
    means = [
        by_seed.mean(axis=1) + picks[run.shape[1]] @ (run.mean(axis=0) - run.mean())
        for run, by_seed in zip(columns, np.split(drawn, ends, axis=1), strict=True)
    ]
    return np.stack(means, axis=1)


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


def _by_seed(run: FloatArray) -> FloatArray:
    run = np.asarray(run, dtype=np.float64)
    return run[:, None] if run.ndim == 1 else run


def _seed_weights(count: int, samples: int, seed: int) -> FloatArray:
    """The weight of each of n seeds in each resample, shape (samples, n), widened because n is small.

    n resampled seeds vary less than n new ones, by (n - 1) / n (Rao & Wu 1988). And a variance from n seeds is known
    only roughly, which Student's t with n - 1 degrees of freedom allows for: 2.2 times as wide with 3 seeds, 1.4 times
    with 5.
    """
    if count == 1:
        return np.zeros((samples, 1))
    # Of its own generator, so that the draws of the groups stay the same however many seeds there are.
    weights = _draw_counts(np.random.default_rng([seed, count]), samples, count).astype(np.float64)
    high = (1 + COVERAGE) / 2
    return weights / count * np.sqrt(count / (count - 1)) * stats.t.ppf(high, count - 1) / stats.norm.ppf(high)


def _per_group(values: FloatArray, groups: NDArray) -> tuple[FloatArray, FloatArray]:
    """Return sum and number of the rows that count, each of shape (G, K), groups in sorted order."""
    labels, group_of = np.unique(groups, return_inverse=True)
    counting = ~np.isnan(values)
    sums, counts = np.empty((2, len(labels), values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(group_of, np.where(counting[:, column], values[:, column], 0.0))
        counts[:, column] = np.bincount(group_of, counting[:, column])
    return sums, counts


def _drawn_totals(totals: FloatArray, samples: int, seed: int) -> FloatArray:
    """The sums over each resample of the groups, of shape (samples, columns of `totals`).

    Groups whose sums are all equal are of one kind: which of them is drawn makes no difference, so how often each kind
    comes up is drawn at once, multinomial with the kinds' shares. That has the same distribution, and a million scenes
    of few queries have some hundred kinds.
    """
    if len(totals) > MANY_GROUPS:
        kinds, sizes = _kinds(totals)
        if _WORTH * len(kinds) < len(totals):
            rng, chunk = np.random.default_rng(seed), max(1, CHUNK_WEIGHTS // len(kinds))
            parts = [min(chunk, samples - start) for start in range(0, samples, chunk)]
            shares = sizes / len(totals)
            return np.concatenate([rng.multinomial(len(totals), shares, part) @ kinds for part in parts])
    return np.concatenate([weights @ totals for weights in _weights(len(totals), samples, seed)])


def _kinds(totals: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """The distinct rows, and how many rows are equal to each."""
    rows = np.ascontiguousarray(totals + 0.0)  # turns -0.0 into 0.0, as rows are compared byte by byte
    whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, sizes = np.unique(whole, return_index=True, return_counts=True)
    return rows[first], sizes


def _weights(num_groups: int, samples: int, seed: int) -> Iterable[FloatArray]:
    """All resamples' weights, in chunks of shape (samples, G); up to `KEPT_WEIGHTS` they are kept for the next call."""
    counts = (_kept_counts if num_groups * samples <= KEPT_WEIGHTS else _counts)(num_groups, samples, seed)
    return (part.astype(np.float64) for part in counts)


@lru_cache(maxsize=8)
def _kept_counts(num_groups: int, samples: int, seed: int) -> tuple[NDArray[np.uint8], ...]:
    """All routers are judged by the same draws on a few test sets."""
    return tuple(_counts(num_groups, samples, seed))


def _counts(num_groups: int, samples: int, seed: int) -> Iterable[NDArray[np.uint8]]:
    """How often each group comes up in each resample, in chunks of shape (samples, G)."""
    rng, chunk = np.random.default_rng(seed), max(1, CHUNK_WEIGHTS // num_groups)
    return (_draw_counts(rng, min(chunk, samples - start), num_groups) for start in range(0, samples, chunk))


def _draw_counts(rng: np.random.Generator, samples: int, num_groups: int) -> NDArray[np.uint8]:
    """Draw how often each group comes up in each resample: shape (samples, G), rows sum to G.

    Counting uniform picks gives the same distribution as `Generator.multinomial` in a fraction of its time. Cutting the
    picks into chunks does not change them.
    """
    picks = rng.integers(0, num_groups, size=(samples, num_groups))
    picks += num_groups * np.arange(samples)[:, None]
    counts = np.bincount(picks.ravel(), minlength=samples * num_groups).reshape(samples, num_groups)
    assert counts.max() <= np.iinfo(np.uint8).max, "a group came up 256 times, where once is expected"
    return counts.astype(np.uint8)
