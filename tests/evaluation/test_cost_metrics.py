"""What a router's accuracy costs: worked by hand, the same from loops, properties, and what is undefined."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.evaluation import frontier
from arms.evaluation.cost_metrics import charge_of, evaluate_cost, router_curve
from arms.evaluation.cost_quality import cost_quality_curve, oracle_point, single_vlm_points
from arms.evaluation.metrics import evaluate_router, round_metrics
from arms.evaluation.outcomes import correct_of
from arms.selection.select import select

NAN = np.nan
KEYS = ["cost_usd", "rank_score", "aiq", "nauc", "peak", "qnc", "apgr", "cpt_50", "cpt_80", "regret"]
GAP = ("apgr", "cpt_50", "cpt_80")
AREAS = ("rank_score", "aiq", "nauc")


def choose(confidence, outcomes):
    names = [str(vlm) for vlm in range(outcomes.shape[1])]
    return select(np.nan_to_num(confidence), {"name": "argmax"}, names, ~np.isnan(outcomes))


def random_case(seed, num_queries=60, num_vlms=4, missing=0.2):
    rng = np.random.default_rng(seed)
    shape = (num_queries, num_vlms)
    chance = rng.random(shape)
    confidence = np.clip(chance + rng.normal(0, 0.2, shape), 0, 1).astype(np.float32)
    outcomes = (rng.random(shape) < chance).astype(float)
    outcomes[rng.random(shape) < missing] = NAN
    expected = rng.uniform(1e-4, 1e-2, num_vlms) * rng.uniform(0.5, 1.5, (num_queries, 1))
    return {
        "confidence": confidence,
        "selected": choose(confidence, outcomes),
        "expected_cost": expected,
        "charged_cost": expected * rng.uniform(0.8, 1.2, shape),
        "outcomes": outcomes,
        "weak": 0,
        "strong": num_vlms - 1,
    }


def by_hand():
    """Two VLMs at 1 and 4, and a query of which nothing is known."""
    outcomes = np.array([[1, 1], [0, 1], [0, 0], [0, 1], [NAN, NAN]])
    confidence = np.array([[0.9, 0.7], [0.1, 0.9], [0.2, 0.8], [0.4, 0.5], [0.5, 0.5]])
    cost = np.tile([1.0, 4.0], (5, 1))
    return {
        "confidence": confidence,
        "selected": choose(confidence, outcomes),
        "expected_cost": cost,
        "charged_cost": cost,
        "outcomes": outcomes,
        "weak": 0,
        "strong": 1,
    }


def test_by_hand():
    metrics = evaluate_cost(**by_hand())
    assert list(metrics) == KEYS
    # Selected: 0, 1, 1, 1, of which three are right. The single VLMs: 1/4 right at 1, 3/4 right at 4.
    cost = (1 + 4 + 4 + 4) / 4
    saved = 100 * (np.log2(4) - np.log2(cost)) / 2
    # As the penalty grows, queries 3, 2 and 1 go over to VLM 0, in this order: (cost, accuracy) =
    # (3.25, 3/4), (2.5, 2/4), (1.75, 2/4), (1, 1/4). The hull leaves (2.5, 2/4) out.
    aiq = (0.75 * (1 / 4 + 2 / 4) / 2 + 1.5 * (2 / 4 + 3 / 4) / 2 + 0.75 * 3 / 4) / 3
    # Advantages of the strong VLM: -0.2, 0.8, 0.6, 0.1, gains 0, 1, 0, 1: PGR 0, 1/2, 1/2, 1, 1 at 0, 1/4, ..., 1.
    expected = {
        "cost_usd": cost,
        "rank_score": 1.1 * 75 * saved / (7.5 + saved),
        "aiq": aiq,
        "nauc": aiq,  # on the front as on the hull
        "peak": 3 / 4,
        "qnc": 3.25 / 4,
        "apgr": (0.25 + 0.5 + 0.75 + 1) / 4,
        "cpt_50": 1 / 4,
        "cpt_80": 2 / 4 + 1 / 4 * 0.3 / 0.5,
        "regret": 1 - 3 / 3,  # query 2 is not answerable
    }
    assert metrics == pytest.approx(expected)


def test_is_made_of_its_parts():
    case = random_case(0, 200)
    metrics = evaluate_cost(**case)
    outcomes, charged = case["outcomes"], case["charged_cost"]
    costs, hits = [], []
    for query, vlm in enumerate(case["selected"]):
        if vlm >= 0:
            costs.append(charged[query, vlm])
            hits.append(outcomes[query, vlm])
    assert metrics["cost_usd"] == pytest.approx(np.mean(costs))
    pool = single_vlm_points(charged, outcomes)
    curve = cost_quality_curve(case["confidence"], case["expected_cost"], charged, outcomes)
    assert metrics["rank_score"] == frontier.rank_score(
        np.mean(hits), metrics["cost_usd"], (pool[0].min(), pool[0].max())
    )
    assert metrics["aiq"] == frontier.aiq(curve, *pool)
    assert metrics["nauc"] == frontier.nauc(curve, *pool)
    assert metrics["qnc"] == frontier.qnc(curve, pool[0][3], pool[1][3])
    assert metrics["peak"] == curve.accuracy.max()


def test_regret_is_the_oracle_minus_the_em():
    case = random_case(1, missing=0)
    em = evaluate_router(
        **{key: case[key] for key in ("confidence", "selected", "outcomes")},
        groups=np.arange(60),
        best_single=np.ones(4),
        best_possible=None,
        samples=10,
        seed=0,
    )
    assert evaluate_cost(**case)["regret"] == pytest.approx(em["oracle_em"] - em["em"])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(0, 40), st.integers(1, 5), st.sampled_from([0.0, 0.3, 0.9]), st.booleans())
def test_properties(seed, num_queries, num_vlms, missing, asks):
    case = random_case(seed, num_queries, num_vlms, missing)
    rng = np.random.default_rng(seed)
    if asks:
        case["asked"] = rng.random((num_queries, num_vlms)) < 0.5
    metrics = evaluate_cost(**case)
    assert list(metrics) == KEYS
    json.dumps(round_metrics(metrics), allow_nan=False)
    oracle = oracle_point(case["charged_cost"], case["outcomes"])
    if oracle is None:
        assert set(metrics.values()) == {None}
        return
    assert metrics["peak"] <= oracle[1] + 1e-12
    if metrics["aiq"] is not None:
        assert 0 <= metrics["nauc"] <= metrics["aiq"] + 1e-12 <= metrics["peak"] + 2e-12
        assert 0 <= metrics["rank_score"] <= 100 + 1e-9
    if metrics["regret"] is not None:
        assert 0 <= metrics["regret"] <= 1
    if metrics["apgr"] is not None:
        assert 0 < metrics["cpt_50"] <= metrics["cpt_80"] <= 1

    order = rng.permutation(num_queries)
    shuffled = {key: value if np.ndim(value) == 0 else value[order] for key, value in case.items()}
    assert evaluate_cost(**shuffled) == pytest.approx(metrics, abs=1e-9)


def test_what_is_said_of_unknown_outcomes_does_not_matter():
    case = random_case(2)
    unknown = np.isnan(case["outcomes"])
    other = {key: np.where(unknown, NAN, case[key]) for key in ("confidence", "expected_cost", "charged_cost")}
    assert evaluate_cost(**case | other) == evaluate_cost(**case)


def test_a_router_that_asks_several_pays_for_all():
    case = by_hand()
    asked = np.array([[True, False], [True, True], [False, False], [True, True], [True, True]])
    # The chosen VLM is paid for in any case: query 2 comes to 4.
    np.testing.assert_array_equal(
        charge_of(case["selected"], case["charged_cost"], case["outcomes"], asked), [1, 5, 4, 5]
    )
    metrics = evaluate_cost(**case, asked=asked)
    assert metrics["cost_usd"] == 15 / 4
    # Its one point, (3.75, 3/4), joined to the least expensive VLM's (1, 1/4).
    area = (2.75 * (1 / 4 + 3 / 4) / 2 + 0.25 * 3 / 4) / 3
    assert (metrics["aiq"], metrics["nauc"]) == pytest.approx((area, area))
    assert (metrics["peak"], metrics["qnc"]) == (3 / 4, 3.75 / 4)
    assert [metrics[key] for key in GAP] == [None] * 3
    assert metrics["regret"] == evaluate_cost(**case)["regret"]


def test_asking_the_chosen_one_alone_costs_the_same():
    case = random_case(3)
    asked = case["selected"][:, None] == np.arange(4)
    alone = evaluate_cost(**case, asked=asked)
    for key in ("cost_usd", "rank_score", "regret"):
        assert alone[key] == evaluate_cost(**case)[key]
    curve = router_curve(**{key: case[key] for key in case if key not in ("weak", "strong")}, asked=asked)
    known = ~np.isnan(case["outcomes"]).all(axis=1)
    correct = correct_of(case["selected"], case["outcomes"])[known]
    assert (curve.cost[0], curve.accuracy[0], len(curve.cost)) == (alone["cost_usd"], correct.mean(), 1)


def test_on_an_empty_split_nothing_is_defined():
    case = random_case(0)
    for empty in (case["outcomes"][:0], np.full((5, 4), NAN)):
        rows = slice(0, len(empty))
        cut = {key: case[key][rows] for key in ("confidence", "expected_cost", "charged_cost")}
        metrics = evaluate_cost(**cut, outcomes=empty, selected=np.full(len(empty), -1), weak=0, strong=1)
        assert metrics == dict.fromkeys(KEYS)


def test_of_a_single_vlm():
    case = random_case(4, num_vlms=1, missing=0)
    metrics = evaluate_cost(**case)
    assert [metrics[key] for key in (*AREAS, *GAP)] == [None] * 6  # no range of costs, no gap
    assert metrics["cost_usd"] == pytest.approx(case["charged_cost"].mean())
    assert metrics["peak"] == pytest.approx(case["outcomes"].mean())
    assert (metrics["qnc"], metrics["regret"]) == (pytest.approx(1), 0)


@pytest.mark.parametrize("name", ["charged_cost", "expected_cost"])
def test_an_unknown_cost_leaves_undefined_what_needs_it(name):
    case = random_case(5)
    whole = evaluate_cost(**case)
    elsewhere = (np.arange(60) % 2 == 0) & ~np.isnan(case["outcomes"][:, 1]) & (case["selected"] != 1)
    case[name] = case[name].copy()
    case[name][elsewhere, 1] = NAN
    metrics = evaluate_cost(**case)
    gone = {"aiq", "nauc", "peak", "qnc"} | ({"rank_score"} if name == "charged_cost" else set())
    assert {key for key in KEYS if metrics[key] is None} == gone
    assert {key: metrics[key] for key in KEYS if key not in gone} == {
        key: whole[key] for key in KEYS if key not in gone
    }

    case["charged_cost"] = np.where(case["selected"][:, None] == np.arange(4), NAN, case["charged_cost"])
    metrics = evaluate_cost(**case)
    assert {key for key in KEYS if metrics[key] is not None} == {*GAP, "regret"}


def test_a_vlm_that_was_never_run_bounds_no_range():
    case = random_case(6, missing=0)
    whole = evaluate_cost(**case)
    more = {"confidence": 0.5, "expected_cost": 9.0, "charged_cost": NAN, "outcomes": NAN}
    wider = {key: np.column_stack([case[key], np.full(60, value)]) for key, value in more.items()}
    assert evaluate_cost(**case | wider) == whole
    assert evaluate_cost(**case | wider | {"strong": 4})["qnc"] is None


def test_a_free_vlm_leaves_no_rank_score():
    case = random_case(7)
    case["charged_cost"][:, 0] = case["expected_cost"][:, 0] = 0
    metrics = evaluate_cost(**case)
    assert {key for key in KEYS if metrics[key] is None} <= {"rank_score", *GAP}
    assert metrics["rank_score"] is None
    assert evaluate_cost(**case | {"strong": 0})["qnc"] is None


def test_without_two_vlms_there_is_no_gap():
    case = by_hand()
    for names in ({"weak": 1}, {"weak": 1, "strong": 0}, {"weak": None}, {"strong": None}):
        metrics = evaluate_cost(**case | names)
        assert [metrics[key] for key in GAP] == [None] * 3
    assert metrics["qnc"] is None  # nor a best single VLM


def test_inputs_stay_as_they_were():
    case = random_case(8) | {"asked": np.zeros((60, 4), dtype=bool)}
    before = {key: np.copy(value) for key, value in case.items()}
    evaluate_cost(**case)
    for key, value in before.items():
        np.testing.assert_array_equal(case[key], value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": np.zeros((5, 3))}, r"expected confidence of shape \(5, 2\), got \(5, 3\)"),
        ({"selected": np.zeros(4, int)}, r"expected selected of shape \(5,\), got \(4,\)"),
        ({"asked": np.zeros((5, 1), bool)}, r"expected asked of shape \(5, 2\), got \(5, 1\)"),
        ({"asked": np.zeros((5, 2))}, "expected asked as bool, got float64"),
        ({"charged_cost": np.full((5, 2), -1.0)}, r"expected charged_cost of at least 0 or NaN .*, got -1.0 \(10 such"),
        ({"expected_cost": np.full((5, 2), np.inf)}, "expected expected_cost of at least 0 or NaN .*, got inf"),
        ({"outcomes": np.full((5, 2), 2.0)}, "expected 0, 1 or NaN"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        evaluate_cost(**by_hand() | change)
