"""Paired differences of all routers: the same as `compare` of each pair."""

import json

import numpy as np
import pytest

from arms.evaluation.metrics import compare
from arms.evaluation.pairwise import paired_differences


def random_correct(seed=0, num_queries=80, num_routers=4):
    rng = np.random.default_rng(seed)
    correct = (rng.random((num_queries, num_routers)) < np.linspace(0.3, 0.7, num_routers)).astype(float)
    return correct, rng.integers(0, 20, num_queries)


def test_each_pair_equals_compare():
    correct, groups = random_correct()
    pairs = paired_differences(correct, groups, samples=300, seed=3)
    for i in range(4):
        for j in range(4):
            expected = compare(correct[:, i], correct[:, j], groups, 300, 3)
            found = {"difference": pairs.difference[i, j], "low": pairs.low[i, j], "high": pairs.high[i, j]}
            assert found == pytest.approx(expected, abs=1e-12)
    assert pairs.low[3, 0] > 0  # far apart
    assert pairs.high[0, 3] < 0


def test_a_router_differs_from_itself_by_nothing():
    correct, groups = random_correct()
    pairs = paired_differences(correct[:, [0, 0]], groups, samples=50, seed=0)
    for matrix in (pairs.difference, pairs.low, pairs.high):
        np.testing.assert_array_equal(matrix, np.zeros((2, 2)))


def test_another_router_beside_changes_nothing():
    correct, groups = random_correct()
    few, many = (paired_differences(columns, groups, 100, 1) for columns in (correct[:, :2], correct))
    np.testing.assert_array_equal(few.low, many.low[:2, :2])
    np.testing.assert_array_equal(few.high, many.high[:2, :2])


def test_records():
    correct, groups = random_correct(num_routers=3)
    pairs = paired_differences(correct, groups, 100, 1)
    records = pairs.records(["a", "b", "c"], split="id")
    assert [(record["router"], record["other"]) for record in records] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert list(records[0]) == ["split", "router", "other", "difference", "low", "high"]
    assert records[1]["difference"] == pytest.approx(correct[:, 0].mean() - correct[:, 2].mean())
    assert records[1]["low"] < records[1]["difference"] < records[1]["high"]
    with pytest.raises(ValueError, match="expected 3 names, got 2"):
        pairs.records(["a", "b"])


def test_without_queries():
    pairs = paired_differences(np.zeros((0, 2)), np.zeros(0), 100, 1)
    assert np.isnan(pairs.difference).all()
    records = pairs.records(["a", "b"])
    assert records == [{"router": "a", "other": "b", "difference": None, "low": None, "high": None}]
    json.dumps(records, allow_nan=False)


def test_one_router_has_no_pair():
    assert paired_differences(np.ones((3, 1)), np.arange(3), 10, 1).records(["a"]) == []


def test_refuses():
    with pytest.raises(ValueError, match="paired_differences: expected known outcomes on all queries, got NaN"):
        paired_differences(np.array([[1.0, np.nan]]), np.zeros(1), 10, 0)
    with pytest.raises(ValueError, match=r"got \(2, 1\) and \(3,\)"):
        paired_differences(np.zeros((2, 1)), np.zeros(3), 10, 0)
