"""Which training queries are left out in turn, to see what each source is worth on queries that it has not seen."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from arms.features.labelled import Labelled
from arms.params.training import SafeParams

Level = Literal["task", "benchmark"]  # of kinds

_FEWEST_PARTS = 3  # with one of two left out, a net knows one kind only, and cannot know what tells kinds apart


@dataclass(frozen=True, eq=False)
class Fold:
    """A part of the training queries, as positions.

    Attributes
    ----------
    test : ndarray of int64
        The queries that are left out.
    rest : ndarray of int64
        Those that may be learned from.
    kinds : ndarray of str, one for each of `test`, or None
        The left-out kind of each query; None for a fold of queries like the others.
    level : "task", "benchmark" or None
        What the kinds are.
    """

    test: np.ndarray
    rest: np.ndarray
    kinds: np.ndarray | None = None
    level: Level | None = None


def make_folds(train: Labelled, params: SafeParams, seed: int) -> list[Fold]:
    """The folds of a training set: some of queries like the others, then some of whole kinds.

    Of half of the scenes, whole scenes are left out; of the others single queries, so that copies of training queries
    are seen too. Kinds are tasks, and then benchmarks: a new benchmark is farther from what is known than a new task of
    a known one. More of either than `most_kinds` are left out several at once.
    """
    folds = _inside_folds(train.groups, params.num_folds, np.random.default_rng(seed))
    for level in get_args(Level):
        if (kinds := kinds_of(train, level)) is not None and not (level == "benchmark" and _are_tasks(train)):
            folds += _kind_folds(level, kinds, train.groups, params.most_kinds, np.random.default_rng(seed))
    return [fold for fold in folds if len(fold.test) and len(fold.rest)]


def kinds_of(data: Labelled, level: Level) -> np.ndarray | None:
    """The task or the benchmark of each query, str of shape (N,); None where it is not known."""
    return data.tags if level == "task" else data.benchmarks


def _are_tasks(train: Labelled) -> bool:
    """Whether every benchmark is one task, so that leaving it out says nothing more."""
    if train.tags is None or train.benchmarks is None:
        return False
    pairs = set(zip(train.tags.tolist(), train.benchmarks.tolist(), strict=True))
    return len(pairs) == len(set(train.tags)) == len(set(train.benchmarks))


def _inside_folds(groups: np.ndarray, num: int, random: np.random.Generator) -> list[Fold]:
    """Each query is in one test part; a query's scene goes with it if the scene is one of those left out whole."""
    if num < 2 or len(groups) < num:
        return []
    distinct, scene_of = np.unique(groups, return_inverse=True)
    whole = random.permutation(len(distinct)) < (len(distinct) + 1) // 2
    part_of_scene = random.permutation(len(distinct)) % num
    part_of_query = random.permutation(len(groups)) % num
    part = np.where(whole[scene_of], part_of_scene[scene_of], part_of_query)
    return [Fold(np.flatnonzero(part == k), np.flatnonzero(part != k)) for k in range(num)]


def _kind_folds(
    level: Level, kind_of: np.ndarray, groups: np.ndarray, most: int, random: np.random.Generator
) -> list[Fold]:
    """Each kind is left out once, with all scenes that it shares."""
    kinds = np.unique(kind_of)
    if most < _FEWEST_PARTS or len(kinds) < _FEWEST_PARTS:
        return []
    part_of_kind = dict(zip(random.permutation(kinds), np.arange(len(kinds)) % most, strict=True))
    folds = []
    for part in range(min(most, len(kinds))):
        names = [str(kind) for kind in kinds if part_of_kind[kind] == part]
        test = np.isin(kind_of, names)
        rest = ~np.isin(groups, groups[test])
        folds.append(Fold(np.flatnonzero(test), np.flatnonzero(rest), kind_of[test], level))
    return folds
