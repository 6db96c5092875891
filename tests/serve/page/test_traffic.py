"""The traffic's numbers, worked by hand on a small memory."""

import asyncio
from datetime import timedelta

import pytest

pytest.importorskip("sqlalchemy")

from arms.serve.memory.opening import open_memory
from arms.serve.page.estimates import accuracy
from arms.serve.page.traffic import SPANS, traffic
from arms.traffic.store import open_store
from tests.serve.memory.made import START, answer, decision, feedback

NOW = START + timedelta(hours=2)


def fill(place, *records):
    """Keep decisions, answers and feedback, in this order."""

    async def keep():
        memory = open_memory(place)
        keepers = {"Decision": memory.decide, "Answer": memory.answered, "Feedback": memory.feedback}
        for record in records:
            await keepers[type(record).__name__](record)
        await memory.close()

    asyncio.run(keep())


def look(place, span="all", single="large"):
    store = open_store(place)
    try:
        return traffic(store, span, single, NOW)
    finally:
        store.close()


def of(found, vlm):
    return next(one for one in found["vlms"] if one["vlm"] == vlm)


def test_an_empty_memory_has_no_numbers(place):
    fill(place)
    found = look(place)
    assert set(found["requests"].values()) == {0}
    assert (found["vlms"], found["reasons"], found["novelty"]) == ([], {}, None)
    assert [found[key] for key in ("latency_s", "first_byte_s", "decision_s", "feedback")] == [None] * 4
    assert found["cost"] == {
        "single": "large",
        "number": 0,
        "actual_usd": None,
        "single_number": 0,
        "single_usd": None,
        "single_low_usd": None,
        "single_high_usd": None,
    }


def test_requests_count_by_how_they_ended(place):
    fill(
        place,
        *(decision(f"r{number}", reason="default" if number == 5 else "policy") for number in range(6)),
        answer("r0"),
        answer("r1", vlm="small", fallbacks=("large",)),
        answer("r2", status=502, vlm=None, fallbacks=("large", "small")),
        answer("r3", status=499),
        answer("r5", vlm="small"),
    )
    found = look(place)
    assert found["requests"] == {
        "decided": 6,
        "answered": 3,
        "failed": 1,
        "client_left": 1,
        "only_decided": 1,
        "fell_back": 2,
        "failed_open": 1,
    }
    assert found["reasons"] == {"default": 1, "policy": 5}
    assert [(one["vlm"], one["answered"], one["chosen"]) for one in found["vlms"]] == [("small", 2, 0), ("large", 1, 6)]
    assert of(found, "small")["share"] == pytest.approx(2 / 3)


def test_a_span_holds_the_requests_decided_in_it(place):
    ages = {"r0": 0.5, "r1": 20, "r2": 100, "r3": 600, "r4": 2000}
    fill(place, *(decision(name, time=NOW - timedelta(hours=hours)) for name, hours in ages.items()))
    assert {span: look(place, span)["requests"]["decided"] for span in SPANS} == {
        "hour": 1,
        "day": 2,
        "week": 3,
        "month": 4,
        "all": 5,
    }
    assert look(place, "hour")["since"] == "2026-11-03T10:30:00+00:00"


def test_percentiles_are_those_of_the_nearest_rank(place):
    latencies = [0.1 * number for number in range(1, 21)]
    fill(
        place,
        *(decision(f"r{number}") for number in range(22)),
        *(answer(f"r{number}", latency_s=latency, decision_s=0.01) for number, latency in enumerate(latencies)),
        answer("r20", vlm="small", latency_s=5.0),
        answer("r21", status=502, latency_s=99.0),  # an answer that failed has no latency
    )
    found = look(place)
    assert of(found, "large")["latency_s"] == pytest.approx({"number": 20, "p50": 1.0, "p95": 1.9})
    assert of(found, "small")["latency_s"] == {"number": 1, "p50": 5.0, "p95": 5.0}
    assert found["latency_s"] == pytest.approx({"number": 21, "p50": 1.1, "p95": 2.0})
    assert found["decision_s"] == pytest.approx({"number": 22, "p50": 0.01, "p95": 0.02})


def test_novelty_is_counted_in_ten_bins(place):
    novelties = [0.0, 0.019, 0.02, 0.1, 0.2, None]
    fill(place, *(decision(f"r{number}", novelty=novelty) for number, novelty in enumerate(novelties)))
    found = look(place)["novelty"]
    assert found["number"] == 5
    assert found["edges"] == pytest.approx([0.02 * edge for edge in range(11)])
    assert found["counts"] == [2, 1, 0, 0, 0, 1, 0, 0, 0, 1]


def test_costs_are_compared_with_the_single_best_vlm(place):
    costs = {"r0": ("large", 3.0), "r1": ("large", 5.0), "r2": ("small", 1.0), "r3": ("small", None)}
    fill(
        place,
        *(decision(name) for name in costs),
        decision("r4", reason="named"),
        *(answer(name, vlm=vlm, cost_usd=cost) for name, (vlm, cost) in costs.items()),
        answer("r4", vlm="small", cost_usd=100.0),
    )
    found = look(place)["cost"]
    # Three answers of known cost where the gateway chose; the mean of large is 4, its standard error 1, t_1 = 12.706.
    assert found.pop("single") == "large"
    assert found == pytest.approx(
        {
            "number": 3,
            "actual_usd": 9.0,
            "single_number": 2,
            "single_usd": 12.0,
            "single_low_usd": 0.0,
            "single_high_usd": 3 * (4 + 12.7062),
        },
        rel=1e-4,
    )
    assert look(place, single="other")["cost"]["single_usd"] is None
    assert of(look(place), "small")["cost_usd"] == 101.0


def test_of_feedback_the_latest_counts_and_it_is_about_who_answered(place):
    fill(
        place,
        *(decision(f"r{number}") for number in range(4)),
        answer("r0"),
        answer("r1", vlm="small"),
        answer("r2", vlm=None, status=502),
        feedback("r0", False),
        feedback("r0", True),  # withdraws it
        feedback("r0", None, score=0.4),  # says nothing of right or wrong
        feedback("r0", False, vlm="small"),  # of a VLM that did not answer
        feedback("r1", True),
        feedback("r2", True),  # nobody answered
        feedback("r3", False),  # no answer is recorded: about the chosen one
    )
    found = look(place)
    counts = {one["vlm"]: (one["feedback"]["right"], one["feedback"]["judged"]) for one in found["vlms"]}
    assert counts == {"large": (1, 2), "small": (1, 2)}
    assert (found["feedback"]["right"], found["feedback"]["judged"]) == (2, 3)


def test_wilsons_interval_by_hand():
    # 8 of 10: centre (0.8 + 1.92073 / 10) / 1.384146, half width 1.95996 / 1.384146 sqrt(0.016 + 3.84146 / 400)
    assert accuracy(8, 10) == pytest.approx(
        {"right": 8, "judged": 10, "accuracy": 0.8, "low": 0.490162, "high": 0.943318}, abs=1e-5
    )
    assert accuracy(0, 0) is None
