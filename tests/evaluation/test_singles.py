"""Always asking the same VLM: the best one on train, and the EM of each."""

import numpy as np
import pytest

from arms.evaluation.singles import comparable_accuracy, num_comparable, single_vlm_em
from tests.evaluation.test_metrics import evaluate, random_case

NAN = np.nan


def test_a_vlm_measured_on_easy_queries_only_does_not_look_best():
    """Every VLM is right on the first three queries; the last one was never asked the others."""
    outcomes = np.array([[1, 1, 1], [1, 1, 1], [1, 0, 0], [1, 0, NAN], [0, 0, NAN], [0, 1, NAN]])
    np.testing.assert_allclose(comparable_accuracy(outcomes), [1, 2 / 3, 2 / 3])
    assert num_comparable(outcomes) == 3


def test_a_vlm_without_outcomes_keeps_no_other_from_being_compared():
    outcomes = np.array([[1, 0, NAN], [1, NAN, NAN], [0, 1, NAN], [0, 1, NAN]])
    np.testing.assert_allclose(comparable_accuracy(outcomes), [1 / 3, 2 / 3, NAN])
    assert num_comparable(outcomes) == 3


def test_without_complete_cases_each_vlm_has_its_own_queries():
    outcomes = np.array([[1, NAN], [0, NAN], [NAN, 1]])
    np.testing.assert_allclose(comparable_accuracy(outcomes), [0.5, 1])
    assert num_comparable(outcomes) == 0
    for nothing in (np.zeros((0, 2)), np.full((3, 2), NAN)):
        assert np.isnan(comparable_accuracy(nothing)).all()
        assert num_comparable(nothing) == 0


def test_single_vlm_em_by_hand():
    outcomes = np.array([[1, 0], [1, NAN], [0, 1], [0, 0], [NAN, 0], [1, 1]])
    table = single_vlm_em(outcomes, np.arange(6), 200, 0, ["a", "b"])
    assert list(table) == ["a", "b"]
    assert table["a"]["em"] == table["b"]["em"] == pytest.approx(2 / 3)
    assert table["a"]["em_all"] == pytest.approx(2 / 4)
    assert table["a"]["queries"] == table["b"]["queries"] == 3, "all on the same queries"
    assert table["b"]["em_low"] <= 2 / 3 <= table["b"]["em_high"]


def test_single_vlm_em_agrees_with_a_router_that_always_asks_it():
    case = random_case(5, missing=0)
    table = single_vlm_em(case["outcomes"], case["groups"], 200, 0, "abcd")
    metrics = evaluate(case, selected=np.full(60, 2))
    assert table["c"] == {key: metrics[key] for key in ("em", "em_low", "em_high", "em_all", "queries")}


def test_single_vlm_em_of_nothing_answerable_and_without_complete_cases():
    table = single_vlm_em(np.zeros((3, 1)), np.arange(3), 200, 0, ["a"])
    assert table == {"a": {"em": None, "em_low": None, "em_high": None, "em_all": 0.0, "queries": 0}}
    table = single_vlm_em(np.array([[1, NAN], [NAN, 1]]), np.arange(2), 200, 0, ["a", "b"])
    assert table["b"] == {"em": None, "em_low": None, "em_high": None, "em_all": None, "queries": 0}
    with pytest.raises(ValueError, match="expected 1 VLM names and 3 groups, got 2"):
        single_vlm_em(np.zeros((3, 1)), np.arange(3), 200, 0, ["a", "b"])
