from dataclasses import replace

import numpy as np
import pytest

from arms.safe.folds import make_folds
from tests.safe.made import label_vectors, safe_params

COUNT, PER_SCENE = 360, 6
SCENES = np.arange(COUNT) // PER_SCENE


def made(num_kinds=6, scenes=SCENES, tags=True):
    """Queries of some kinds in scenes of six; the kinds of a scene's queries are two neighbouring ones."""
    scenes = np.asarray(scenes)
    kinds = np.array([f"kind {kind}" for kind in (scenes + np.arange(COUNT) % 2) % num_kinds])
    return label_vectors(np.ones((COUNT, 2)), np.ones((COUNT, 3)), tags=kinds if tags else None, scenes=scenes)


def part_folds(train, seed=1, **changes):
    return [fold for fold in make_folds(train, safe_params(**changes), seed) if fold.kinds is None]


def kind_folds(train, seed=1, **changes):
    return [fold for fold in make_folds(train, safe_params(**changes), seed) if fold.kinds is not None]


@pytest.mark.parametrize("num_folds", [2, 3, 5])
def test_each_query_is_left_out_of_one_part(num_folds):
    folds = part_folds(made(), num_folds=num_folds)
    assert len(folds) == num_folds
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(COUNT))
    for fold in folds:
        np.testing.assert_array_equal(np.union1d(fold.test, fold.rest), np.arange(COUNT))
        assert len(fold.test) + len(fold.rest) == COUNT
        assert COUNT / num_folds * 0.6 < len(fold.test) < COUNT / num_folds * 1.4


def test_half_of_the_scenes_are_left_out_whole():
    train = made()
    parts_of = [set() for _ in range(COUNT // PER_SCENE)]
    for number, fold in enumerate(part_folds(train)):
        for query in fold.test:
            parts_of[train.groups[query]].add(number)
    whole = sum(len(parts) == 1 for parts in parts_of)
    assert len(parts_of) / 2 <= whole <= len(parts_of) * 0.65


def test_copies_of_the_others_are_seen_in_training():
    """Two queries of a scene are in different parts often enough that a memory meets copies."""
    train = made()
    (first, *_) = part_folds(train)
    shared = np.isin(train.groups[first.test], train.groups[first.rest])
    assert 0.25 < shared.mean() < 0.75


def test_each_kind_is_left_out_once_with_its_scenes():
    train = made()
    folds = kind_folds(train, most_kinds=6)
    assert len(folds) == 6
    for fold in folds:
        (kind,) = np.unique(fold.kinds)
        np.testing.assert_array_equal(fold.test, np.flatnonzero(train.tags == kind))
        np.testing.assert_array_equal(fold.kinds, train.tags[fold.test])
        assert not np.isin(train.groups[fold.rest], train.groups[fold.test]).any()
        assert kind not in train.tags[fold.rest]
        # Nothing else is lost.
        gone = ~np.isin(np.arange(COUNT), np.concatenate([fold.test, fold.rest]))
        assert np.isin(train.groups[gone], train.groups[fold.test]).all()
        assert gone.any()
    assert {kind for fold in folds for kind in fold.kinds} == set(train.tags)


@pytest.mark.parametrize("most", [3, 4, 7])
def test_more_kinds_than_most_are_left_out_several_at_once(most):
    train = made(num_kinds=15)
    folds = kind_folds(train, most_kinds=most)
    assert len(folds) == most
    left_out = [set(fold.kinds) for fold in folds]
    assert sorted(kind for kinds in left_out for kind in kinds) == sorted(set(train.tags))
    assert max(map(len, left_out)) - min(map(len, left_out)) <= 1
    for fold in folds:
        assert not np.isin(train.groups[fold.rest], train.groups[fold.test]).any()


def test_without_scenes_the_pictures_are_the_groups():
    train = made()
    train = label_vectors(np.ones((COUNT, 2)), np.ones((COUNT, 3)), tags=train.tags)
    assert len(part_folds(train)) == 3
    folds = kind_folds(train, most_kinds=6)
    assert [len(fold.test) + len(fold.rest) for fold in folds] == [COUNT] * 6


@pytest.mark.parametrize("train", [made(tags=False), made(num_kinds=1), made(num_kinds=2)])
def test_with_fewer_than_three_kinds_none_is_left_out(train):
    """With one of two left out, a net would know one kind only."""
    assert kind_folds(train) == []
    assert len(part_folds(train)) == 3


def with_benchmarks(benchmarks):
    return replace(made(), benchmarks=np.asarray(benchmarks))


def test_benchmarks_are_left_out_too():
    tasks = np.array([int(tag.split()[1]) for tag in made().tags])
    train = with_benchmarks([f"benchmark {task // 2}" for task in tasks])
    by_level = {level: [fold for fold in kind_folds(train) if fold.level == level] for level in ("task", "benchmark")}
    assert [len(folds) for folds in by_level.values()] == [4, 3]
    for fold in by_level["benchmark"]:
        (kind,) = np.unique(fold.kinds)
        np.testing.assert_array_equal(fold.test, np.flatnonzero(train.benchmarks == kind))
        assert not np.isin(train.groups[fold.rest], train.groups[fold.test]).any()
    assert {kind for fold in by_level["benchmark"] for kind in fold.kinds} == set(train.benchmarks)
    for fold in by_level["task"]:
        np.testing.assert_array_equal(fold.kinds, train.tags[fold.test])


@pytest.mark.parametrize(
    "benchmarks", [["one"] * COUNT, ["one", "two"] * (COUNT // 2), [f"of {tag}" for tag in made().tags]]
)
def test_benchmarks_that_say_nothing_more_than_tasks_are_not(benchmarks):
    assert {fold.level for fold in kind_folds(with_benchmarks(benchmarks))} == {"task"}


def test_where_all_share_one_scene_nothing_would_remain():
    assert kind_folds(made(scenes=np.zeros(COUNT, dtype=int), num_kinds=2)) == []


@pytest.mark.parametrize(("changes", "parts", "kinds"), [
    ({"num_folds": 0}, 0, 4), ({"num_folds": 1}, 0, 4), ({"most_kinds": 0}, 3, 0), ({"most_kinds": 2}, 3, 0),
    ({"num_folds": 0, "most_kinds": 0}, 0, 0),
])  # fmt: skip
def test_switched_off(changes, parts, kinds):
    assert len(part_folds(made(), **changes)) == parts
    assert len(kind_folds(made(), **changes)) == kinds


def test_fewer_queries_than_folds():
    train = made().subset(np.arange(2))
    assert make_folds(train, safe_params(most_kinds=0), seed=1) == []
    assert make_folds(train.subset(np.arange(0)), safe_params(), seed=1) == []


def test_the_seed_decides():
    tests = [[fold.test.tolist() for fold in part_folds(made(), seed)] for seed in (1, 1, 2)]
    assert tests[0] == tests[1]
    assert tests[0] != tests[2]
