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
    column, kind : str
        Such as task and counting.
    test : ndarray of int64
        The queries of this kind.
    rest : ndarray of bool, one per query
        The queries that may be trained on or chosen by: of another kind, and of no scene of this one.
    """

    column: str
    kind: str
    test: np.ndarray
    rest: np.ndarray


def leave_out(
    queries: pd.DataFrame, scenes: np.ndarray, columns: Sequence[str], *, least: int, usable: Collection[int]
) -> list[LeftOut]:
    """The folds of a dataset; a benchmark that is one task, or the other way round, is left out once.

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
            known_already = any(np.array_equal(test, fold.test) for fold in folds)
            if len(test) >= least and (rest & judged).sum() >= least and not known_already:
                folds.append(LeftOut(column, str(value), test, rest))
    return folds
