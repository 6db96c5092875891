"""Plot data: flat records that agree with the metrics."""

import json

import numpy as np
import pytest

from arms.evaluation.curves import em_by, em_records, reliability_records
from arms.evaluation.metrics import evaluate_router
from arms.evaluation.singles import single_vlm_em

OUTCOMES = np.array([[1, 0], [0, 1], [1, 0], [0, 0], [1, 1]])
SELECTED = np.array([0, 0, 0, 1, 1])
GROUPS = np.array(["a", "a", "b", "c", "d"])
CONFIDENCE = np.array([[0.9, 0.2], [0.6, 0.3], [0.8, 0.9], [0.1, 0.2], [0.4, 0.7]], dtype=np.float32)


def metrics_of(best_possible):
    return evaluate_router(
        confidence=CONFIDENCE,
        selected=SELECTED,
        outcomes=OUTCOMES,
        groups=GROUPS,
        best_single=np.array([0.6, 0.4]),
        best_possible=best_possible,
        samples=200,
        seed=0,
    )


def test_reliability_records_carry_the_ece():
    records = reliability_records(CONFIDENCE, OUTCOMES, router="arms", split="id", pool="base")
    assert list(records[0]) == ["router", "split", "pool", "bin", "confidence", "correct", "pairs"]
    metrics = metrics_of(None)
    total = sum(record["pairs"] for record in records)
    assert total == OUTCOMES.size > metrics["pairs"], "the unanswerable query's pairs too"
    ece = sum(record["pairs"] * abs(record["correct"] - record["confidence"]) for record in records) / total
    assert ece == pytest.approx(metrics["ece_all"])
    json.dumps(records, allow_nan=False)


def test_em_records_of_routers_vlms_and_references():
    empty = dict.fromkeys(metrics_of(None), None) | {"queries": 0}
    metrics = metrics_of(SELECTED)
    routers = {"arms": {"id": {"base": metrics}, "ood": {"base": empty}}, "knn": {"id": {"base": metrics}}}
    singles = {"id": {"base": single_vlm_em(OUTCOMES, GROUPS, 200, 0, ["x", "y"])}}
    records = em_records(routers, singles)
    assert [(record["kind"], record["name"]) for record in records] == [
        ("router", "arms"),
        ("router", "knn"),
        ("vlm", "x"),
        ("vlm", "y"),
        ("reference", "oracle"),
        ("reference", "best possible"),
    ]
    assert all(list(record) == list(records[0]) for record in records)
    assert {record["split"] for record in records} == {"id"}  # the empty split has no bar
    assert records[0]["em"] == metrics["em"] == 0.75
    assert records[0]["em_low"] == metrics["em_low"]
    assert (records[4]["em"], records[4]["em_low"], records[4]["queries"]) == (1.0, None, 4)
    json.dumps(records, allow_nan=False)


def test_em_records_without_a_simulator_have_no_best_possible():
    records = em_records({"arms": {"id": {"base": metrics_of(None)}}}, {})
    assert [record["name"] for record in records] == ["arms", "oracle"]


def test_em_by_language():
    language = np.array(["fr", "de", None, "fr", "de"], dtype=object)
    given = {"selected": SELECTED, "outcomes": OUTCOMES, "groups": GROUPS, "samples": 200, "seed": 0}
    records = em_by("language", language, **given, router="arms")
    assert [(record["language"], record["em"], record["em_all"], record["queries"]) for record in records] == [
        ("de", 0.5, 0.5, 2),
        ("fr", 1.0, 0.5, 1),  # the unanswerable query counts only in em_all
        ("unknown", 1.0, 1.0, 1),
    ]
    columns = ["router", "language", "em", "em_low", "em_high", "em_all", "queries"]
    assert all(list(record) == columns for record in records)
    assert all(record["em_low"] <= record["em"] <= record["em_high"] for record in records)
    json.dumps(records, allow_nan=False)

    whole = em_by("all", np.full(5, "all"), **given)
    metrics = metrics_of(None)
    assert whole == [{"all": "all", **{key: metrics[key] for key in ("em", "em_low", "em_high", "em_all", "queries")}}]


def test_em_by_of_nothing_answerable():
    none = {
        "selected": np.zeros(2, int),
        "outcomes": np.zeros((2, 1)),
        "groups": np.arange(2),
        "samples": 10,
        "seed": 0,
    }
    assert em_by("task", np.array(["a", "b"]), **none) == []
    with pytest.raises(ValueError, match="em_by task: expected 2 values, selections and groups, got 3, 2 and 2"):
        em_by("task", np.array(["a", "b", "c"]), **none)
