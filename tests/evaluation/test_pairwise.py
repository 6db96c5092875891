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


def at(pairs, name, i, j):
    return getattr(pairs, name)[pairs.pairs.index((i, j))]


def test_each_pair_equals_compare():
    correct, groups = random_correct()
    everyone = [(i, j) for i in range(4) for j in range(4)]
    pairs = paired_differences(correct, groups, samples=300, seed=3, pairs=everyone)
    for i, j in everyone:
        expected = compare(correct[:, i], correct[:, j], groups, 300, 3)
        found = {name: at(pairs, name, i, j) for name in ("difference", "low", "high")}
        assert found == pytest.approx(expected, abs=1e-12)
    assert at(pairs, "low", 3, 0) > 0, "far apart"
    assert at(pairs, "high", 0, 3) < 0


def test_a_router_differs_from_itself_by_nothing():
    correct, groups = random_correct()
    pairs = paired_differences(correct[:, [0, 0]], groups, samples=50, seed=0)
    for values in (pairs.difference, pairs.low, pairs.high, pairs.claims.low, pairs.claims.high):
        np.testing.assert_array_equal(values, [0.0])


def test_another_router_beside_changes_no_interval_of_a_pair_by_itself():
    correct, groups = random_correct()
    few, many = (paired_differences(columns, groups, 100, 1) for columns in (correct[:, :2], correct))
    assert few.low[0] == at(many, "low", 0, 1)
    assert few.high[0] == at(many, "high", 0, 1)


def test_several_seeds_are_compared_by_their_means():
    correct, groups = random_correct()
    pairs = paired_differences([correct[:, :3], correct[:, 3]], groups, 300, 1)
    assert pairs.difference[0] == pytest.approx(correct[:, :3].mean() - correct[:, 3].mean())
    assert pairs.low[0] < pairs.difference[0] < pairs.high[0]


def test_records():
    correct, groups = random_correct(num_routers=3)
    pairs = paired_differences(correct, groups, 100, 1)
    records = pairs.records(["a", "b", "c"], split="id")
    assert [(record["router"], record["other"]) for record in records] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert list(records[0]) == ["split", "router", "other", "difference", "low", "high", "claim_low", "claim_high", "p"]
    assert records[1]["difference"] == pytest.approx(correct[:, 0].mean() - correct[:, 2].mean())
    assert records[1]["claim_low"] < records[1]["difference"] < records[1]["claim_high"]
    with pytest.raises(ValueError, match="expected 3 names or more, got 2"):
        pairs.records(["a", "b"])


def test_without_queries():
    pairs = paired_differences(np.zeros((0, 2)), np.zeros(0), 100, 1)
    assert np.isnan(pairs.difference).all()
    records = pairs.records(["a", "b"])
    numbers = dict.fromkeys(("difference", "low", "high", "claim_low", "claim_high", "p"))
    assert records == [{"router": "a", "other": "b", **numbers}]
    json.dumps(records, allow_nan=False)


def test_one_router_has_no_pair():
    assert paired_differences(np.ones((3, 1)), np.arange(3), 10, 1).records(["a"]) == []


def test_refuses():
    with pytest.raises(ValueError, match="paired_differences: expected known outcomes on all queries, got NaN"):
        paired_differences(np.array([[1.0, np.nan]]), np.zeros(1), 10, 0)
    with pytest.raises(ValueError, match=r"got \(2, 1\) and \(3,\)"):
        paired_differences(np.zeros((2, 1)), np.zeros(3), 10, 0)
