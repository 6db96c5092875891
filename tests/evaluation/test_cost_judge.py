"""What routers cost on a little dataset whose numbers are worked by hand."""

import numpy as np
import pandas as pd
import pytest

from arms.data.prepared import Prepared
from arms.data.profiles import VlmProfile
from arms.data.scores import Scores
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.judge import Judge
from arms.params.costs import CostsParams

NO_COMPUTE = CostsParams(characters_per_token=1.0, image_tokens=0, answer_tokens=0, own_compute_usd_per_b=0.0)
VLMS = (
    VlmProfile(name="cheap", access="paid", price_in=1, price_out=1),
    VlmProfile(name="dear", access="paid", price_in=3, price_out=3),
)
# Two training queries and four test queries, of ten characters each.
RIGHT = {"cheap": [1, 0, 1, 0, 0, 1], "dear": [1, 1, 1, 1, 0, 0]}
CONFIDENCE = np.array([[0.9, 0.8], [0.2, 0.7], [0.3, 0.4], [0.6, 0.5]], dtype=np.float32)
IDS = tuple(f"q{i}" for i in range(2, 6))


def make_prepared(costs=None):
    count = len(RIGHT["cheap"])
    queries = pd.DataFrame(
        {
            "query_id": [f"q{i}" for i in range(count)],
            "question": "ten chars.",
            "images": [("a.png",)] * count,
            "images_sha256": [(str(i),) for i in range(count)],
            "scene": [str(i) for i in range(count)],
            "split": ["train"] * 2 + ["id"] * 4,
        }
    )
    outcomes = pd.DataFrame(
        [
            {"query_id": f"q{i}", "vlm": vlm, "correct": right[i], "cost_usd": (costs or {}).get((i, vlm), np.nan)}
            for vlm, right in RIGHT.items()
            for i in range(count)
        ]
    )
    return Prepared(queries, outcomes, VLMS, base=("cheap", "dear"), new=())


def make_judge(prepared):
    return CostJudge(Judge(prepared, {}, samples=100, seed=1), NO_COMPUTE)


def scores(asked=None):
    return Scores("made", "base", IDS, ("cheap", "dear"), CONFIDENCE, {"name": "argmax"}, asked)


def test_by_hand():
    """10 and 30 millionths of a dollar; cheap, dear, dear, cheap are chosen, of which all but the third are right."""
    judge = make_judge(make_prepared())
    metrics = judge.metrics_on("id", scores())
    assert metrics["cost_usd_per_1k"] == pytest.approx(1000 * (10 + 30 + 30 + 10) / 4 / 1e6)
    assert judge.own_point("id", scores()) == pytest.approx((20e-6, 0.75))
    assert metrics["regret"] == 0, "the third query is nobody's"
    assert judge.singles("id", ("cheap", "dear")) == {
        "cheap": pytest.approx((10e-6, 0.5)),
        "dear": pytest.approx((30e-6, 0.5)),
    }
    assert judge.oracle("id", ("cheap", "dear")) == pytest.approx(((10 + 30 + 10 + 10) / 4e6, 0.75))
    curve = judge.curve("id", scores())
    assert (curve.cost[0], curve.cost[-1]) == pytest.approx((20e-6, 10e-6))
    assert judge.sources("id", ("cheap", "dear")) == {"cheap": "estimated", "dear": "estimated"}


def test_recorded_costs_are_what_is_charged():
    recorded = {(i, "dear"): 1.0 for i in range(2, 6)}
    judge = make_judge(make_prepared(recorded))
    assert judge.metrics_on("id", scores())["cost_usd_per_1k"] == pytest.approx(1000 * (10e-6 + 1 + 1 + 10e-6) / 4)
    assert judge.sources("id", ("dear",)) == {"dear": "recorded"}


def test_who_was_asked_is_paid():
    asked = np.array([[True, True], [True, True], [True, True], [True, False]])
    judge = make_judge(make_prepared())
    assert judge.own_point("id", scores(asked)) == pytest.approx(((40 + 40 + 40 + 10) / 4e6, 0.75))
    assert judge.metrics_on("id", scores(asked))["apgr"] is None, "it chooses after it has paid"


def test_records_for_the_plot():
    records = make_judge(make_prepared()).records({"made": {"base": scores()}})
    assert {record["split"] for record in records} == {"id"}, "ood is empty"
    assert [(r["name"], r["kind"]) for r in records if r["kind"] != "curve"] == [
        ("made", "router"),
        ("cheap", "vlm"),
        ("dear", "vlm"),
        ("oracle", "oracle"),
    ]


def test_metrics_join_those_of_the_judge():
    metrics = make_judge(make_prepared()).metrics({"base": scores()})
    assert metrics["id"]["base"]["em"] == 1
    assert metrics["id"]["base"]["cost_usd_per_1k"] == 0.02
    empty = metrics["ood"]["base"]
    assert (empty["em"], empty["cost_usd_per_1k"], empty["aiq"], empty["regret"]) == (None,) * 4


def test_unknown_prices():
    prepared = make_prepared()
    unknown = Prepared(
        prepared.queries,
        prepared.outcomes,
        (VLMS[0], VlmProfile(name="dear", access="paid")),
        base=("cheap", "dear"),
        new=(),
    )
    judge = make_judge(unknown)
    assert judge.metrics_on("id", scores())["cost_usd_per_1k"] is None
    assert judge.curve("id", scores()) is None
    assert judge.own_point("id", scores()) is None
    assert judge.singles("id", ("cheap", "dear"))["dear"] is None
    assert judge.sources("id", ("cheap", "dear"))["dear"] == "unknown"
