"""The judge on a little dataset with unknown outcomes: everything is measured on the same queries."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from arms.data.prepared import Prepared
from arms.data.profiles import VlmProfile
from arms.data.scores import Scores
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.curves import em_records
from arms.evaluation.judge import Judge
from arms.evaluation.leaderboard import leaderboard
from arms.params.costs import CostsParams

NAN = np.nan
COSTS = CostsParams(characters_per_token=1.0, image_tokens=0, answer_tokens=0, own_compute_usd_per_b=0.0)
PRICES = {"a": 1, "b": 2, "c": 4}
VLMS = tuple(VlmProfile(name=name, access="paid", price_in=price, price_out=1) for name, price in PRICES.items())
POOL = ("a", "b", "c")
# c is new, and some of its outcomes are unknown.
TRAIN = [[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, NAN], [1, 0, NAN], [0, 1, NAN]]
TEST = [[0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, NAN], [1, 1, NAN], [0, 1, NAN]]
SURE_OF_C = np.tile(np.float32([0.4, 0.2, 0.9]), (len(TEST), 1))
SURE_OF_A = np.tile(np.float32([0.9, 0.2, 0.1]), (len(TEST), 1))
IDS = tuple(f"i{n}" for n in range(len(TEST)))


def make_judge(test=TEST, train=TRAIN):
    rows = [("train", f"t{n}", right) for n, right in enumerate(train)]
    rows += [("id", f"i{n}", right) for n, right in enumerate(test)]
    queries = pd.DataFrame(
        [
            {
                "query_id": name,
                "question": "ten chars.",
                "images": ("a.png",),
                "images_sha256": (name,),
                "scene": name,
                "split": split,
                "task": f"task {name}",
            }
            for split, name, _ in rows
        ]
    )
    outcomes = pd.DataFrame(
        [
            {"query_id": name, "vlm": vlm, "correct": verdict == 1}
            for _, name, right in rows
            for vlm, verdict in zip(POOL, right, strict=True)
            if not np.isnan(verdict)
        ]
    )
    return Judge(Prepared(queries, outcomes, VLMS, base=POOL[:2], new=POOL[2:]), {}, samples=50, seed=1)


def scores(name, confidence):
    return Scores(name, "extended", IDS, POOL, confidence, {"name": "argmax"})


NEW, OLD = scores("new", SURE_OF_C), scores("old", SURE_OF_A)


def test_everything_is_on_the_complete_cases():
    judge = make_judge()
    metrics = judge.metrics_on("id", NEW)
    assert [metrics[name] for name in ("queries", "queries_all", "queries_incomplete")] == [3, 4, 3]
    assert (metrics["em"], metrics["em_all"]) == (0.6667, 0.5)
    assert metrics["partial_em"] == pytest.approx(4 / 6, abs=1e-4), "a is chosen where the outcome of c is unknown"
    singles = judge.singles()["id"]
    assert {vlm: of["queries"] for vlm, of in singles["extended"].items()} == dict.fromkeys(POOL, 3)
    assert {vlm: of["queries"] for vlm, of in singles["base"].items()} == {"a": 5, "b": 5}, "each pool has its own"
    assert judge.compare(NEW, OLD, "id")["difference"] == pytest.approx(1 / 3, abs=1e-4)
    pairs = judge.pairs({"new": {"extended": NEW}, "old": {"extended": OLD}})
    assert pairs[0]["difference"] == pytest.approx(1 / 3, abs=1e-4)
    assert sum(record["pairs"] for record in judge.reliability({"new": {"extended": NEW}})) == 4 * 3
    assert judge.vlm_calibration({"extended": NEW})["id"]["extended"]["a"]["queries"] == 4
    by_task = judge.breakdown({"new": {"extended": NEW}}, "task")
    assert [record["task"] for record in by_task] == ["task i0", "task i1", "task i2"]


def test_costs_are_on_the_complete_cases_too():
    judge = make_judge()
    costs = CostJudge(judge, COSTS)
    assert costs.metrics_on("id", NEW)["cost_usd_per_1k"] == pytest.approx(1000 * 4 * 10 / 1e6)
    assert costs.own_point("id", NEW) == pytest.approx((40e-6, 0.5))
    assert costs.singles("id", POOL)["a"] == pytest.approx((10e-6, 0.25))
    assert costs.oracle("id", POOL)[1] == 0.75
    assert costs.curve("id", NEW).accuracy[0] == 0.5


def test_the_best_single_vlm_is_chosen_on_complete_cases_of_train(caplog):
    with caplog.at_level(logging.WARNING):
        judge = make_judge()
        np.testing.assert_allclose(judge.best_single(POOL), [2 / 3, 1 / 3, 2 / 3])
    assert "the best single VLM of a, b, c is chosen on only 3 training queries with all outcomes" in caplog.text
    # Of its own known outcomes a has 4 of 10 right and c both: c was asked only two queries that all get right.
    easy = [[1, 1, 1], [1, 1, 1], *([[1, 0, NAN]] * 2), *([[0, 0, NAN]] * 6)]
    assert make_judge(train=easy).best_single(POOL).tolist() == [1, 1, 1]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        none = make_judge(train=[[1, NAN, NAN], [NAN, 1, NAN], [NAN, 0, 1]])
        assert none.best_single(POOL).tolist() == [1, 0.5, 1]
    assert "is chosen on different training queries for each VLM, as none has all outcomes" in caplog.text


def test_nothing_is_said_where_nothing_is_missing(caplog):
    with caplog.at_level(logging.WARNING):
        make_judge(train=[[1, 0, 1], [0, 0, 1]]).best_single(POOL)
    assert not caplog.records


def test_a_pool_without_complete_cases():
    judge = make_judge(test=[[*right[:2], NAN] for right in TEST])
    metrics = CostJudge(judge, COSTS).metrics({"extended": NEW})
    values = metrics["id"]["extended"]
    assert (values["queries"], values["queries_all"], values["queries_incomplete"]) == (0, 0, 7)
    assert all(values[name] is None for name in ("em", "gain", "auroc", "cost_usd_per_1k", "regret", "peak"))
    assert values["partial_em"] == pytest.approx(3 / 5, abs=1e-4)
    json.dumps(metrics, allow_nan=False)
    assert judge.compare(NEW, OLD, "id") == {"difference": None, "low": None, "high": None}
    pairs = judge.pairs({"new": {"extended": NEW}, "old": {"extended": OLD}})
    assert {pair["difference"] for pair in pairs} == {None}
    assert judge.breakdown({"new": {"extended": NEW}}, "task") == []
    assert judge.reliability({"new": {"extended": NEW}}) == []
    assert judge.singles()["id"]["extended"]["a"]["em"] is None
    assert em_records({"new": metrics}, {"id": {"extended": judge.singles()["id"]["extended"]}}) == []
    assert "partial_em" in leaderboard({"new": metrics})["id"]["extended"]["new"]
    assert CostJudge(judge, COSTS).records({"new": {"extended": NEW}}) == []
