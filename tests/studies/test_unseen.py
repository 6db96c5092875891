"""Folds that leave a kind of queries out, and the study on made-up queries."""

import numpy as np
import pandas as pd

from studies.folds import by_column, leave_out

QUERIES = pd.DataFrame(
    {
        "task": ["a", "a", "b", "b", "c", None],
        "benchmark": ["x", "x", "y", "y", "y", "y"],
    }
)
SCENES = np.array([0, 1, 2, 0, 3, 4])


def folds(least=1, usable=range(6), columns=("task", "benchmark")):
    found = leave_out(QUERIES, SCENES, columns, least=least, usable=usable)
    return {next(iter(fold.kinds.items())): fold for fold in found}


def test_a_fold_leaves_out_its_kind_and_what_shares_a_scene_with_it():
    fold = folds()["task", "a"]
    assert fold.test.tolist() == [0, 1]
    assert fold.rest.tolist() == [False, False, True, False, True, True]


def test_a_benchmark_that_is_one_task_is_one_fold_and_counts_as_both():
    found = folds()
    assert set(found) == {("task", "a"), ("task", "b"), ("task", "c"), ("task", "unknown"), ("benchmark", "y")}
    assert found["task", "a"].kinds == {"task": "a", "benchmark": "x"}
    assert by_column(list(found.values())) == {"task": [0, 1, 2, 3], "benchmark": [0, 4]}


def test_a_column_with_the_folds_of_another_one_is_not_judged_again():
    only_a = QUERIES[:2]
    same = pd.concat([only_a, only_a.assign(task="b", benchmark="y")])
    found = leave_out(same, np.arange(4), ("task", "benchmark"), least=1, usable=range(4))
    assert by_column(found) == {"task": [0, 1]}


def test_small_kinds_are_no_fold_and_neither_are_those_that_leave_too_little():
    assert set(folds(least=2)) == {("task", "a"), ("task", "b")}


def test_only_usable_queries_are_judged_but_all_of_the_kind_are_left_out():
    fold = folds(usable=[1, 2, 3, 4, 5])["task", "a"]
    assert fold.test.tolist() == [1]
    assert not fold.rest[:2].any()
