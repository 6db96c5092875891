"""Reading a matrix of outcomes: which queries count, which pairs are known, and what a selection got right."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]


def checked_outcomes(outcomes: FloatArray) -> NDArray[np.float64]:
    """Return the outcomes as float64 of shape (N, S).

    Raises
    ------
    ValueError
        If the array is not two-dimensional or holds anything but 0, 1 and NaN (unknown).
    """
    checked = np.asarray(outcomes, dtype=np.float64)
    if checked.ndim != 2:
        raise ValueError(f"outcomes: expected an array of shape (N, S), got shape {checked.shape}")
    strange = checked[~np.isnan(checked) & (checked != 0) & (checked != 1)]
    if len(strange):
        raise ValueError(f"outcomes: expected 0, 1 or NaN (unknown), got {strange[0]} ({len(strange)} such values)")
    return checked


def is_complete(outcomes: FloatArray) -> NDArray[np.bool_]:
    """Return the complete cases, the queries on which every VLM has an outcome: bool array of shape (N,).

    A pool is judged on these. On any other query a router would be judged by fewer choices than it has: where the
    outcome of a new VLM is unknown, for example, it could only choose among the old ones, and gain exactly nothing.
    """
    return np.asarray(~np.isnan(np.asarray(outcomes)).any(axis=1))


def is_answerable(outcomes: FloatArray) -> NDArray[np.bool_]:
    """Return the queries that some VLM of the pool is known to answer: bool array of shape (N,)."""
    return (np.asarray(outcomes) == 1).any(axis=1)


def known_pairs(
    confidence: FloatArray, outcomes: FloatArray, *, answerable: bool
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return confidence and correctness of the known (query, VLM) pairs, each of shape (P,).

    With `answerable`, only those of the answerable queries.
    """
    outcomes = np.asarray(outcomes)
    kept = ~np.isnan(outcomes)
    if answerable:
        kept &= is_answerable(outcomes)[:, None]
    return np.asarray(confidence)[kept], outcomes[kept] == 1


def correct_of(selected: IntArray, outcomes: FloatArray) -> NDArray[np.float64]:
    """Return the outcome of the selected VLM on each query: shape (N,), NaN where the query has no known outcome."""
    outcomes = np.asarray(outcomes, dtype=np.float64)
    known_queries = ~np.isnan(outcomes).all(axis=1)
    selected = np.asarray(selected)
    assert (selected[known_queries] >= 0).all(), "a query with known outcomes has no selection; select with known="
    correct = np.full(len(outcomes), np.nan)
    correct[known_queries] = outcomes[known_queries, selected[known_queries]]
    assert not np.isnan(correct[known_queries]).any(), "a VLM with unknown outcome was selected; select with known="
    return correct


def select_best_single(best_single: FloatArray, outcomes: FloatArray) -> IntArray:
    """Choose, for each query, the VLM of highest train accuracy among those known there; -1 if none is known.

    A VLM without train accuracy (NaN) ranks last: it is chosen only where no other is known.
    """
    known = ~np.isnan(outcomes)
    rank = np.where(np.isnan(best_single), -1.0, best_single)
    choice = np.where(known, rank, -2.0).argmax(axis=1)
    return np.where(known.any(axis=1), choice, -1).astype(np.int64)
