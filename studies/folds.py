"""Folds that leave a kind of queries out: each task or benchmark in turn, with what its training must not see."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class LeftOut:
    """One kind of queries, as positions among the queries of train and val.

    Attributes
    ----------
    kinds : dict of str to str
        The kind by column, such as counting by task. Where a benchmark is one task, it has both names.
    test : ndarray of int64
        The queries of this kind.
    rest : ndarray of bool, one per query
        The queries that may be trained on or chosen by: of another kind, and of no scene of this one.
    """

    kinds: dict[str, str]
    test: np.ndarray
    rest: np.ndarray


def leave_out(
    queries: pd.DataFrame, scenes: np.ndarray, columns: Sequence[str], *, least: int, usable: Collection[int]
) -> list[LeftOut]:
    """The folds of a dataset; a benchmark that is one task, or the other way round, is one fold with two names.

    Parameters
    ----------
    queries : DataFrame
        Of train and val, with the columns.
    scenes : array of shape (N,)
        The scene of each query.
    columns : sequence of str
        Such as task and benchmark.
    least : int
        Kinds with fewer usable queries are no fold; nor is one that leaves fewer to train on.
    usable : collection of int
        Positions of the queries that can be judged: those on which every VLM has an outcome.
    """
    judged = np.zeros(len(queries), dtype=bool)
    judged[list(usable)] = True
    folds: list[LeftOut] = []
    for column in columns:
        values = queries[column].fillna("unknown")
        for value in sorted(values.unique()):
            of_kind = (values == value).to_numpy()
            test, rest = np.flatnonzero(of_kind & judged), ~np.isin(scenes, scenes[of_kind])
            if len(test) < least or (rest & judged).sum() < least:
                continue
            same = [fold for fold in folds if np.array_equal(test, fold.test) and np.array_equal(rest, fold.rest)]
            if same:
                same[0].kinds[column] = str(value)
            else:
                folds.append(LeftOut({column: str(value)}, test, rest))
    return folds


def by_column(folds: Sequence[LeftOut]) -> dict[str, list[int]]:
    """The positions of each column's folds; a column whose folds are all those of an earlier one is left out."""
    found: dict[str, list[int]] = {}
    for column in dict.fromkeys(column for fold in folds for column in fold.kinds):
        places = [place for place, fold in enumerate(folds) if column in fold.kinds]
        if places not in found.values():
            found[column] = places
    return found
