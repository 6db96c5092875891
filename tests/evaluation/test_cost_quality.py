"""The curve of cost against accuracy: by hand, against the policy itself at many penalties, and its ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.evaluation.cost_quality import Curve, cost_quality_curve, oracle_point, single_vlm_points
from arms.selection.select import select

NAN = np.nan


def random_case(seed, num_queries=40, num_vlms=5, missing=0.2, coarse=False):
    """Confidence, expected and charged cost, outcomes; coarse ones are full of ties."""
    rng = np.random.default_rng(seed)
    shape = (num_queries, num_vlms)
    confidence, expected, charged = rng.random(shape), rng.random(shape), rng.random(shape)
    if coarse:  # in eighths, which floats hold exactly
        confidence, expected = np.floor(8 * confidence) / 8, np.floor(4 * expected) / 8
    outcomes = (rng.random(shape) < confidence).astype(float)
    outcomes[rng.random(shape) < missing] = NAN
    return confidence, expected, charged, outcomes


def at_penalty(penalty, confidence, expected, charged, outcomes):
    """Cost and accuracy of the penalised policy, one query at a time."""
    costs, hits = [], []
    for query in range(len(outcomes)):
        known = [vlm for vlm in range(outcomes.shape[1]) if not np.isnan(outcomes[query, vlm])]
        if known:
            value = {vlm: confidence[query, vlm] - penalty * expected[query, vlm] for vlm in known}
            best = min(known, key=lambda vlm: (-value[vlm], expected[query, vlm], vlm))
            costs.append(charged[query, best])
            hits.append(outcomes[query, best])
    return np.mean(costs), np.mean(hits)


def point_of(curve, penalty):
    index = np.searchsorted(curve.penalty, penalty, side="right") - 1
    return curve.cost[index], curve.accuracy[index]


def test_by_hand():
    # Query 0 leaves VLM 0 for VLM 1 at (0.9 - 0.5) / (4 - 2) = 0.2, and that for 2 at (0.5 - 0.1) / (2 - 1) = 0.4.
    # Query 1 leaves 0 for 2 at (0.8 - 0.5) / (4 - 1) = 0.1: VLM 1, of confidence 0.4, is never best.
    confidence = np.array([[0.9, 0.5, 0.1], [0.8, 0.4, 0.5]])
    expected = np.array([[4.0, 2.0, 1.0], [4.0, 2.0, 1.0]])
    charged = np.array([[5.0, 3.0, 0.0], [7.0, 9.0, 1.0]])
    outcomes = np.array([[1, 0, 0], [0, 0, 1]])
    curve = cost_quality_curve(confidence, expected, charged, outcomes)
    np.testing.assert_allclose(curve.penalty, [0, 0.1, 0.2, 0.4])
    np.testing.assert_allclose(curve.cost, [12 / 2, 6 / 2, 4 / 2, 1 / 2])
    np.testing.assert_allclose(curve.accuracy, [1 / 2, 2 / 2, 1 / 2, 1 / 2])


def test_an_unknown_vlm_is_never_taken_and_a_query_without_any_is_left_out():
    confidence = np.array([[0.9, 0.5, NAN], [0.9, 0.1, 0.2]])
    expected = np.array([[4.0, 2.0, NAN], [1.0, 1.0, 1.0]])
    outcomes = np.array([[1, 0, NAN], [NAN, NAN, NAN]])
    curve = cost_quality_curve(confidence, expected, expected, outcomes)
    np.testing.assert_allclose(curve.penalty, [0, 0.2])
    np.testing.assert_allclose(curve.cost, [4, 2])
    np.testing.assert_allclose(curve.accuracy, [1, 0])


def test_ties():
    # Equal confidences: the less expensive at once. Equal in both: the first. Equal costs: the surer, for ever.
    confidence = np.array([[0.5, 0.5, 0.25], [0.5, 0.5, 0.25], [0.5, 0.75, 0.25]])
    expected = np.array([[2.0, 1.0, 1.0], [1.0, 1.0, 2.0], [1.0, 1.0, 1.0]])
    charged = np.array([[8.0, 1.0, 8.0], [1.0, 8.0, 8.0], [8.0, 1.0, 8.0]])
    curve = cost_quality_curve(confidence, expected, charged, np.ones((3, 3)))
    np.testing.assert_array_equal(curve.penalty, [0])
    np.testing.assert_array_equal(curve.cost, [1])


def test_where_three_lines_cross_in_one_point_the_least_expensive_goes_on():
    curve = cost_quality_curve(
        np.array([[0.75, 0.5, 0.25]]), np.array([[3.0, 2.0, 1.0]]), np.array([[3.0, 2.0, 1.0]]), np.ones((1, 3))
    )
    np.testing.assert_array_equal(curve.penalty, [0, 0.25])
    np.testing.assert_array_equal(curve.cost, [3, 1])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.8]), st.booleans())
def test_equals_the_policy_at_every_penalty(seed, num_queries, num_vlms, missing, coarse):
    case = random_case(seed, num_queries, num_vlms, missing, coarse)
    curve = cost_quality_curve(*case)
    if np.isnan(case[3]).all():
        assert len(curve.cost) == len(curve.accuracy) == len(curve.penalty) == 0
        return
    assert curve.penalty[0] == 0
    assert (np.diff(curve.penalty) > 0).all()
    between = (curve.penalty[1:] + curve.penalty[:-1]) / 2
    for penalty in [0.0, *between[:: max(1, len(between) // 20)], curve.penalty[-1] + 1, 1e6]:
        assert point_of(curve, penalty) == pytest.approx(at_penalty(penalty, *case), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_is_the_penalised_policy_of_the_selection(seed):
    """Ties included, also at the penalties where the policy changes: in powers of two floats compute them exactly."""
    rng = np.random.default_rng(seed)
    shape = (200, 3)
    confidence, expected = rng.integers(0, 9, shape) / 8, np.tile([1.0, 2.0, 4.0], (200, 1))[:, rng.permutation(3)]
    outcomes = rng.integers(0, 2, shape).astype(float)
    outcomes[rng.random(shape) < 0.2] = NAN
    curve = cost_quality_curve(confidence, expected, expected, outcomes)
    known = ~np.isnan(outcomes)
    rows = known.any(axis=1)
    exact = curve.penalty[curve.penalty * 1024 % 1 == 0]  # not those that are a third of something
    assert len(exact) > 5
    for penalty in [*exact.tolist(), 0.3]:
        policy = {"name": "penalised", "penalty": penalty, "of": "cost"}
        chosen = select(confidence, policy, ["a", "b", "c"], known, costs=expected)
        cost, accuracy = expected[rows, chosen[rows]].mean(), outcomes[rows, chosen[rows]].mean()
        assert point_of(curve, penalty) == pytest.approx((cost, accuracy), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_ends_are_the_surest_and_the_least_expensive(seed):
    confidence, expected, charged, outcomes = random_case(seed, 300)
    curve = cost_quality_curve(confidence, expected, charged, outcomes)
    known = ~np.isnan(outcomes)
    rows = np.flatnonzero(known.any(axis=1))
    argmax = select(confidence, {"name": "argmax"}, list("abcde"), known)[rows]
    cheapest = np.where(known, expected, np.inf).argmin(axis=1)[rows]
    for end, chosen in ((0, argmax), (-1, cheapest)):
        assert curve.cost[end] == pytest.approx(charged[rows, chosen].mean())
        assert curve.accuracy[end] == pytest.approx(outcomes[rows, chosen].mean())


def test_expected_costs_never_rise_with_the_penalty():
    confidence, expected, _, outcomes = random_case(3, 200)
    assert (np.diff(cost_quality_curve(confidence, expected, expected, outcomes).cost) <= 1e-12).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 6))
def test_no_curve_beats_the_oracle(seed, num_queries, num_vlms):
    confidence, expected, charged, outcomes = random_case(seed, num_queries, num_vlms, missing=0.1)
    curve, oracle = cost_quality_curve(confidence, expected, charged, outcomes), oracle_point(charged, outcomes)
    if oracle is None:
        assert not len(curve.cost)
    else:
        assert (curve.accuracy <= oracle[1] + 1e-12).all()


def test_what_is_free_stays_exactly_free():
    confidence, expected, charged, outcomes = random_case(4, 300, missing=0)
    expected[:, 2] = charged[:, 2] = 0
    assert cost_quality_curve(confidence, expected, charged, outcomes).cost[-1] == 0


def test_the_order_of_queries_and_what_is_said_of_unknown_outcomes_do_not_matter():
    case = random_case(5, 100)
    curve = cost_quality_curve(*case)
    order = np.random.default_rng(0).permutation(100)
    unknown = np.isnan(case[3])
    elsewhere = [np.where(unknown, NAN, array) for array in case[:3]]
    for other in ([array[order] for array in case], [*elsewhere, case[3]]):
        again = cost_quality_curve(*other)
        np.testing.assert_array_equal(again.penalty, curve.penalty)
        np.testing.assert_allclose(again.cost, curve.cost, atol=1e-12)
        np.testing.assert_allclose(again.accuracy, curve.accuracy, atol=1e-12)


def test_inputs_stay_as_they_were():
    case = random_case(6)
    before = [array.copy() for array in case]
    cost_quality_curve(*case)
    single_vlm_points(case[2], case[3])
    oracle_point(case[2], case[3])
    for array, copy in zip(case, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_thinned_keeps_the_ends_and_the_peak():
    curve = cost_quality_curve(*random_case(7, 500))
    thin = curve.thinned(10)
    assert 3 <= len(thin.cost) <= 10
    points, thin_points = (list(zip(c.cost, c.accuracy, c.penalty, strict=True)) for c in (curve, thin))
    assert set(thin_points) <= set(points)
    assert (thin_points[0], thin_points[-1]) == (points[0], points[-1])
    assert thin.accuracy.max() == curve.accuracy.max()
    assert (np.diff(thin.penalty) > 0).all()
    assert curve.thinned(len(curve.cost)) is curve
    with pytest.raises(ValueError, match="expected max_points of at least 3, got 2"):
        curve.thinned(2)


def test_an_empty_curve_is_thin():
    assert len(Curve(*np.zeros((3, 0))).thinned(3).cost) == 0


def test_single_vlms_and_oracle_by_hand():
    outcomes = np.array([[1, 1, NAN], [0, 1, NAN], [0, 0, NAN], [NAN, 1, NAN], [NAN, NAN, NAN]])
    charged = np.array([[1.0, 2, 9], [1, 4, 9], [4, 6, 9], [9, 8, 9], [9, 9, 9]])
    cost, accuracy = single_vlm_points(charged, outcomes)
    np.testing.assert_allclose(cost, [6 / 3, 20 / 4, NAN])
    np.testing.assert_allclose(accuracy, [1 / 3, 3 / 4, NAN])
    assert oracle_point(charged, outcomes) == ((1 + 4 + 4 + 8) / 4, 3 / 4)

    charged[1, 0] = NAN  # of a known outcome
    np.testing.assert_allclose(single_vlm_points(charged, outcomes)[0], [NAN, 5, NAN])
    assert oracle_point(charged, outcomes) is None
    assert oracle_point(charged[4:], outcomes[4:]) is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("confidence", NAN, "expected finite numbers as confidence beside known outcomes, got nan"),
        ("expected_cost", -1.0, "expected finite numbers of at least 0 as expected_cost .* got -1.0"),
        ("charged_cost", np.inf, "expected finite numbers of at least 0 as charged_cost .* got inf"),
    ],
)
def test_refuses_values(name, value, message):
    case = {key: np.ones((2, 2)) for key in ("confidence", "expected_cost", "charged_cost", "outcomes")}
    case[name][1, 0] = value
    with pytest.raises(ValueError, match=message):
        cost_quality_curve(**case)
    case["outcomes"][1, 0] = NAN  # what is not read may be anything
    assert len(cost_quality_curve(**case).cost) == 1


def test_refuses_shapes():
    with pytest.raises(ValueError, match=r"expected charged_cost of shape \(2, 3\), got \(2, 2\)"):
        cost_quality_curve(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 2)), np.ones((2, 3)))
