"""Folds: queries that are left out, by kind or by scene, with what their training must not see."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from arms.errors import ArmsError


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Queries that are left out together, as positions among the queries of train and val.

    Attributes
    ----------
    kinds : dict of str to str
        Their kind by column, such as counting by task. Where a benchmark is one task, it has both names; scenes have
        none.
    test : ndarray of int64
        The queries that are left out.
    rest : ndarray of bool, one per query
        The queries that may be trained on or chosen by: of another kind, and of no scene of these.
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


def scene_folds(scenes: np.ndarray, number: int, seed: int, *, usable: Collection[int]) -> list[LeftOut]:
    """Divide the queries by scene, evenly and by chance; every usable query is left out once.

    Parameters
    ----------
    scenes : array of shape (N,)
        The scene of each query.
    number : int
        Of folds, at least 2.
    seed : int
    usable : collection of int
        Positions of the queries that can be judged.

    Raises
    ------
    ArmsError
        If there are fewer scenes than folds.
    """
    codes, place = np.unique(scenes, return_inverse=True)
    if len(codes) < number:
        raise ArmsError(f"expected {number} scenes or more to divide, got {len(codes)}; ask for fewer folds")
    judged = np.zeros(len(scenes), dtype=bool)
    judged[list(usable)] = True
    fold_of = (np.random.default_rng(seed).permutation(len(codes)) % number)[place]
    return [LeftOut({}, np.flatnonzero((fold_of == fold) & judged), fold_of != fold) for fold in range(number)]
