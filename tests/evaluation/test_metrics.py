"""Router metrics: worked by hand, against scikit-learn, and as properties."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from arms.evaluation.metrics import PARTIAL, compare, evaluate_router, round_metrics, train_accuracy
from arms.evaluation.outcomes import correct_of, is_complete, known_pairs, select_best_single
from arms.selection.select import select

NAN = np.nan
EM_KEYS = ["em", "em_low", "em_high", "em_all"]
GAIN_KEYS = [
    "best_single_em", "best_single_em_all", "gain", "gain_low", "gain_high", "gap_closed", "oracle_em",
    "best_possible_em",
]  # fmt: skip
PAIR_KEYS = ["accuracy", "precision", "recall", "f1", "auroc", "brier", "ece", "ece_all"]
COUNTS = ["queries", "queries_all", "pairs", "queries_incomplete"]
KEYS = EM_KEYS + GAIN_KEYS + PAIR_KEYS + COUNTS
PARTIAL_KEYS = [f"partial_{name}" for name in PARTIAL]


def random_case(seed, num_queries=60, num_vlms=4, missing=0.2):
    rng = np.random.default_rng(seed)
    chance = rng.random((num_queries, num_vlms))
    outcomes = (rng.random((num_queries, num_vlms)) < chance).astype(float)
    outcomes[rng.random(outcomes.shape) < missing] = NAN
    return {
        "confidence": np.clip(chance + rng.normal(0, 0.3, chance.shape), 0, 1).astype(np.float32),
        "outcomes": outcomes,
        "groups": rng.integers(0, max(1, num_queries // 2), num_queries).astype(str),
        "best_single": rng.random(num_vlms),
        "best_possible": choose(chance, outcomes),
    }


def choose(confidence, outcomes):
    return select(confidence, {"name": "argmax"}, [str(j) for j in range(outcomes.shape[1])], ~np.isnan(outcomes))


def evaluate(case, **changes):
    case = case | changes
    case.setdefault("selected", choose(case["confidence"], case["outcomes"]))
    return evaluate_router(**{"samples": 200, "seed": 0, **case})


def assert_same(metrics, expected):
    assert list(metrics) == list(expected)
    for key, value in expected.items():
        assert metrics[key] == (value if value is None else pytest.approx(value, abs=1e-12)), key


def test_by_hand():
    outcomes = np.array(
        [
            [1, 0, 0],  # the router takes VLM 0: right; best single (2): wrong
            [0, 1, NAN],  # the router takes 0: wrong; best single among 0 and 1 is 1: right
            [1, 0, 1],  # the router takes 2: right; best single: right
            [1, 1, 0],  # the router takes 1: right; best single: wrong
            [0, 0, NAN],  # not answerable
            [NAN, NAN, NAN],  # nothing known
        ]
    )
    confidence = np.array(
        [
            [0.9, 0.1, 0.5],  # 0.5 is not above the threshold
            [0.6, 0.2, 0.9],
            [0.3, 0.1, 0.8],
            [0.4, 0.7, 0.6],
            [0.9, 0.2, 0.3],
            [0.9, 0.2, 0.3],
        ]
    )
    case = {
        "confidence": confidence,
        "outcomes": outcomes,
        "groups": np.arange(6),
        "best_single": np.array([0.5, 0.6, 0.7]),
        "best_possible": np.array([0, 1, 0, 0, 0, -1]),
    }
    metrics = evaluate(case)
    assert list(metrics) == KEYS + PARTIAL_KEYS
    expected = {
        "em": 1,
        "em_all": 1,
        "best_single_em": 1 / 3,
        "best_single_em_all": 1 / 3,
        "gain": 2 / 3,
        "gap_closed": 1,
        "oracle_em": 1.0,
        "best_possible_em": 1.0,
        # Nine pairs; predicted correct: (0,0) (2,2) (3,1) (3,2), of which three are right; five are correct.
        "accuracy": 6 / 9,
        "precision": 3 / 4,
        "recall": 3 / 5,
        "f1": 2 * 3 / (4 + 5),
        "queries": 3,
        "queries_all": 3,
        "pairs": 9,
        "queries_incomplete": 3,
        "partial_em": 3 / 4,
        "partial_em_all": 3 / 5,
        "partial_best_single_em": 2 / 4,
        "partial_gain": 1 / 4,
        "partial_queries": 4,
        "partial_queries_all": 5,
    }
    for key, value in expected.items():
        assert metrics[key] == pytest.approx(value), key
    squares = [0.1, 0.1, 0.5, 0.7, 0.1, 0.2, 0.6, 0.3, 0.6]
    assert metrics["brier"] == pytest.approx(np.mean(np.square(squares)))


def test_an_unanswerable_complete_case_counts_over_all_queries():
    outcomes = np.array([[1, 0], [0, 0], [1, NAN]])
    case = {"confidence": np.full((3, 2), 0.5), "outcomes": outcomes, "groups": np.arange(3)}
    metrics = evaluate(case | {"best_single": np.array([0.6, 0.4]), "best_possible": None})
    assert (metrics["em"], metrics["em_all"], metrics["best_single_em_all"]) == (1, 1 / 2, 1 / 2)
    assert (metrics["partial_em"], metrics["partial_em_all"]) == (1, 2 / 3)


def test_a_pool_without_complete_cases_has_only_a_partial_replay():
    case = random_case(2)
    case["outcomes"][:, 3] = NAN
    case["best_possible"] = choose(case["confidence"], case["outcomes"])
    metrics = evaluate(case)
    assert list(metrics) == KEYS + PARTIAL_KEYS
    assert [metrics[key] for key in COUNTS] == [0, 0, 0, 60]
    assert all(metrics[key] is None for key in KEYS if key not in COUNTS)
    assert metrics["partial_em_low"] < metrics["partial_em"] < metrics["partial_em_high"]


def test_there_is_no_partial_replay_where_nothing_more_is_known():
    outcomes = np.array([[1, 0], [0, 1], [NAN, NAN]])
    case = {"confidence": np.full((3, 2), 0.5), "outcomes": outcomes, "groups": np.arange(3)}
    metrics = evaluate(case | {"best_single": np.array([0.6, 0.4]), "best_possible": None})
    assert not set(metrics) & set(PARTIAL_KEYS)
    assert (metrics["queries_all"], metrics["queries_incomplete"]) == (2, 1)


def test_calibration_counts_the_unanswerable_queries_too():
    """A router that says 0.5 and is right half the time is calibrated, whichever queries are answerable."""
    outcomes = np.array([[1, 1], [0, 0], [1, 0], [0, 0], [1, 1]])
    case = {"confidence": np.full((5, 2), 0.5), "outcomes": outcomes, "groups": np.arange(5)}
    metrics = evaluate(case | {"best_single": np.array([0.6, 0.4]), "best_possible": None})
    assert metrics["ece_all"] == 0
    assert metrics["ece"] == pytest.approx(5 / 6 - 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_classification_agrees_with_scikit_learn(seed):
    case = random_case(seed)
    metrics = evaluate(case, threshold=0.6)
    complete = is_complete(case["outcomes"])
    confidence, correct = known_pairs(case["confidence"][complete], case["outcomes"][complete], answerable=True)
    predicted = confidence > np.float32(0.6)
    assert metrics["pairs"] == len(correct)
    assert metrics["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(correct, predicted))
    assert metrics["precision"] == pytest.approx(sklearn_metrics.precision_score(correct, predicted))
    assert metrics["recall"] == pytest.approx(sklearn_metrics.recall_score(correct, predicted))
    assert metrics["f1"] == pytest.approx(sklearn_metrics.f1_score(correct, predicted))
    assert metrics["auroc"] == pytest.approx(sklearn_metrics.roc_auc_score(correct, confidence))
    assert metrics["brier"] == pytest.approx(sklearn_metrics.brier_score_loss(correct, confidence))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 5), st.sampled_from([0.0, 0.3, 0.9]))
def test_properties(seed, num_queries, num_vlms, missing):
    case = random_case(seed, num_queries, num_vlms, missing)
    metrics = evaluate(case)
    json.dumps(round_metrics(metrics), allow_nan=False)
    if metrics["queries"]:
        assert metrics["oracle_em"] == 1
        assert max(metrics["em"], metrics["best_single_em"], metrics["best_possible_em"]) <= metrics["oracle_em"]
        assert metrics["em_all"] <= metrics["em"]
        assert metrics["em_low"] <= metrics["em_high"]

    # Neither the order of the queries nor what was said of unknown outcomes matters.
    rng = np.random.default_rng(seed)
    order = rng.permutation(num_queries)
    shuffled = {key: value if key == "best_single" else value[order] for key, value in case.items()}
    assert_same(evaluate(shuffled), metrics)
    unknown = np.isnan(case["outcomes"])
    elsewhere = np.where(unknown, rng.random(unknown.shape), case["confidence"]).astype(np.float32)
    assert_same(evaluate(case, confidence=elsewhere), metrics)

    # A query without any known outcome only counts as left out; one that no VLM answers counts in em_all and ece_all.
    longer = {
        "confidence": np.concatenate([case["confidence"], np.full((2, num_vlms), 0.9, np.float32)]),
        "outcomes": np.concatenate([case["outcomes"], np.full((2, num_vlms), NAN)]),
        "groups": np.append(case["groups"], ["x", "y"]),
        "best_possible": np.append(case["best_possible"], [-1, -1]),
    }
    left_out = metrics["queries_incomplete"]
    assert_same(evaluate(case, **longer), metrics | {"queries_incomplete": left_out + 2})
    longer["outcomes"][-1] = 0
    longer["best_possible"][-1] = 0
    with_unanswered = evaluate(case, **longer)
    changed = {"queries_all": metrics["queries_all"] + 1, "queries_incomplete": left_out + 1}
    for name in ("em_all", "best_single_em_all"):
        changed[name] = (metrics[name] or 0) * metrics["queries_all"] / changed["queries_all"]
    if PARTIAL_KEYS[0] in metrics:
        changed["partial_queries_all"] = metrics["partial_queries_all"] + 1
        share = metrics["partial_queries_all"] / changed["partial_queries_all"]
        changed["partial_em_all"] = metrics["partial_em_all"] * share
    calibration = {name: with_unanswered[name] for name in ("ece_all", "partial_ece_all") if name in with_unanswered}
    assert_same(with_unanswered, metrics | changed | calibration)


def test_the_complete_cases_are_judged_as_if_there_were_no_others():
    case = random_case(4, num_queries=300)
    complete = is_complete(case["outcomes"])
    only = {key: value if key == "best_single" else value[complete] for key, value in case.items()}
    metrics = evaluate(case)
    without_partial = {name: metrics[name] for name in KEYS}
    assert_same(without_partial, evaluate(only) | {"queries_incomplete": int((~complete).sum())})


@pytest.mark.parametrize("seed", range(8))
def test_intervals_contain_the_estimate(seed):
    metrics = evaluate(random_case(seed, num_queries=200))
    assert metrics["em_low"] < metrics["em"] < metrics["em_high"]
    assert metrics["gain_low"] < metrics["gain"] < metrics["gain_high"]
    assert metrics["gain"] == pytest.approx(metrics["em"] - metrics["best_single_em"])


def test_a_router_gains_exactly_nothing_on_itself():
    case = random_case(0)
    constant = np.broadcast_to(case["best_single"], case["outcomes"].shape)
    metrics = evaluate(case, confidence=constant)
    assert (metrics["gain"], metrics["gain_low"], metrics["gain_high"]) == (0, 0, 0)
    assert metrics["em_low"] < metrics["em_high"]


def test_the_oracle_closes_the_gap():
    case = random_case(1)
    metrics = evaluate(case, selected=choose(np.nan_to_num(case["outcomes"]), case["outcomes"]))
    assert metrics["em"] == 1
    assert metrics["gap_closed"] == pytest.approx(1)


def test_no_gap_to_close():
    case = random_case(1, num_vlms=1)
    metrics = evaluate(case)
    assert metrics["best_single_em"] == metrics["oracle_em"] == 1
    assert metrics["gap_closed"] is None


def test_undefined_metrics_are_none():
    ones = np.ones((3, 2))
    case = {"groups": np.arange(3), "best_single": np.ones(2), "best_possible": None}
    metrics = evaluate(case, outcomes=ones, confidence=ones * 0.2)
    assert metrics["precision"] is None
    assert metrics["auroc"] is None
    assert (metrics["recall"], metrics["f1"], metrics["accuracy"]) == (0, 0, 0)
    assert "best_possible_em" not in metrics


@pytest.mark.parametrize("best_possible", [None, np.zeros(0, int)])
def test_an_empty_split(best_possible):
    metrics = evaluate(random_case(0, num_queries=0), best_possible=best_possible)
    assert list(metrics) == [key for key in KEYS if best_possible is not None or key != "best_possible_em"]
    assert [metrics[key] for key in COUNTS] == [0, 0, 0, 0]
    assert all(value is None for key, value in metrics.items() if key not in COUNTS)


def test_a_split_that_no_vlm_answers():
    metrics = evaluate(random_case(0), outcomes=np.zeros((60, 4)))
    assert (metrics["queries"], metrics["queries_all"], metrics["em_all"]) == (0, 60, 0)
    assert metrics["em"] is None
    assert metrics["gain_low"] is None


@pytest.mark.parametrize("selected", [np.array([-1, 0]), np.array([1, 0])])
def test_a_selection_without_outcome_is_our_own_error(selected):
    case = {"groups": np.arange(2), "best_single": np.ones(2), "best_possible": None, "confidence": np.zeros((2, 2))}
    with pytest.raises(AssertionError, match="select with known="):
        evaluate(case, outcomes=np.array([[1, NAN], [1, 1]]), selected=selected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": np.zeros(3)}, r"expected groups of shape \(60,\), got \(3,\)"),
        ({"best_single": np.zeros(3)}, r"expected best_single of shape \(4,\)"),
        ({"selected": np.zeros(3, int)}, r"expected selected of shape \(60,\)"),
        ({"best_possible": np.zeros(3, int)}, r"expected best_possible of shape \(60,\)"),
        ({"outcomes": np.full((60, 4), 0.5)}, r"expected 0, 1 or NaN \(unknown\), got 0.5 \(240 such values\)"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate(random_case(0), **changes)


def test_best_single_is_chosen_on_train_among_the_known():
    outcomes = np.array([[0, 0, 0], [0, NAN, 0], [NAN, NAN, 1], [NAN, NAN, NAN]])
    assert select_best_single(np.array([0.4, 0.9, NAN]), outcomes).tolist() == [1, 0, 2, -1]


def test_train_accuracy_leaves_unknown_outcomes_out():
    outcomes = np.array([[1, 0, NAN], [0, NAN, NAN], [1, 1, NAN], [1, 1, NAN]])
    np.testing.assert_allclose(train_accuracy(outcomes), [0.75, 2 / 3, NAN])
    assert np.isnan(train_accuracy(np.zeros((0, 2)))).all()


def test_compare_is_paired():
    case = random_case(6, num_queries=400, missing=0)
    case["outcomes"][:, 0] = 1  # every query is answerable
    chosen = correct_of(choose(case["confidence"], case["outcomes"]), case["outcomes"])
    single = correct_of(select_best_single(case["best_single"], case["outcomes"]), case["outcomes"])
    metrics = evaluate(case)
    expected = {"difference": metrics["gain"], "low": metrics["gain_low"], "high": metrics["gain_high"]}
    assert compare(chosen, single, case["groups"], 200, 0) == pytest.approx(expected)
    assert compare(chosen, chosen, case["groups"], 200, 0) == {"difference": 0, "low": 0, "high": 0}
    swapped = compare(single, chosen, case["groups"], 200, 0)
    assert swapped["low"] == pytest.approx(-metrics["gain_high"])

    # One query apart: far tighter than the difference of two independent intervals.
    almost = chosen.copy()
    almost[0] = 1 - almost[0]
    paired = compare(chosen, almost, case["groups"], 200, 0)
    assert paired["high"] - paired["low"] < 0.1 * 2**0.5 * (metrics["em_high"] - metrics["em_low"])


def test_compare_refuses_unknown_outcomes_and_takes_none_at_all():
    assert compare([], [], [], 10, 0) == {"difference": None, "low": None, "high": None}
    with pytest.raises(ValueError, match="expected known outcomes on all queries"):
        compare([1, NAN], [1, 0], [0, 1], 10, 0)


def test_round_metrics():
    nested = {"id": {"base": {"em": 0.123456, "gain": -0.00001, "auroc": None, "queries": 12}}, "em": np.float64(1 / 3)}
    rounded = round_metrics(nested)
    assert rounded == {"id": {"base": {"em": 0.1235, "gain": 0.0, "auroc": None, "queries": 12}}, "em": 0.3333}
    assert json.dumps(rounded["id"]["base"]["gain"]) == "0.0"
    assert type(rounded["em"]) is float
    with pytest.raises(ValueError, match="em: expected a finite number or None, got nan"):
        round_metrics({"id": {"em": NAN}})
