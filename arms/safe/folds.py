"""Which training queries are left out in turn, to see what each source is worth on queries that it has not seen."""

from dataclasses import dataclass

import numpy as np

from arms.features.labelled import Labelled
from arms.params import SafeParams


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
    """

    test: np.ndarray
    rest: np.ndarray
    kinds: np.ndarray | None = None


def make_folds(train: Labelled, params: SafeParams, seed: int) -> list[Fold]:
    """The folds of a training set: some of queries like the others, then some of whole kinds.

    Of half of the scenes, whole scenes are left out; of the others single queries, so that copies of training queries
    are seen too. A kind is a task; more of them than `most_kinds` are left out several at once.
    """
    folds = _inside_folds(train.groups, params.num_folds, np.random.default_rng(seed))
    if train.tags is not None:
        folds += _kind_folds(train.tags, train.groups, params.most_kinds, np.random.default_rng(seed))
    return [fold for fold in folds if len(fold.test) and len(fold.rest)]


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


def _kind_folds(tags: np.ndarray, groups: np.ndarray, most: int, random: np.random.Generator) -> list[Fold]:
    """Each kind is left out once, with all scenes that it shares."""
    kinds = np.unique(tags)
    if most < 2 or len(kinds) < 2:
        return []
    part_of_kind = dict(zip(random.permutation(kinds), np.arange(len(kinds)) % most, strict=True))
    folds = []
    for part in range(min(most, len(kinds))):
        names = [str(kind) for kind in kinds if part_of_kind[kind] == part]
        test = np.isin(tags, names)
        rest = ~np.isin(groups, groups[test])
        folds.append(Fold(np.flatnonzero(test), np.flatnonzero(rest), tags[test]))
    return folds
