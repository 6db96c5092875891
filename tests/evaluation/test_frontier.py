"""Areas, peak, QNC and Rank Score: by hand, against SciPy, scikit-learn and a published table, and as properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from sklearn.metrics import auc

from arms.evaluation.cost_quality import Curve
from arms.evaluation.frontier import aiq, cost_range, nauc, pareto_front, peak, qnc, rank_score, rising_hull

NAN = np.nan
POOL = (np.array([1.0, 3.0, 5.0]), np.array([0.4, 0.5, 0.6]))
EMPTY = Curve(*np.zeros((3, 0)))


def curve_of(*points):
    cost, accuracy = np.array(points, dtype=float).T
    return Curve(cost, accuracy, np.arange(len(cost), dtype=float))


def random_points(seed, count):
    rng = np.random.default_rng(seed)
    return np.round(rng.random(count) * 8, 1), np.round(rng.random(count), 1)


def test_front_by_hand():
    cost, quality = pareto_front(np.array([3.0, 1, 2, 2, 4, 5]), np.array([0.5, 0.3, 0.2, 0.4, 0.5, 0.7]))
    np.testing.assert_array_equal(cost, [1, 2, 3, 5])
    np.testing.assert_array_equal(quality, [0.3, 0.4, 0.5, 0.7])


def test_hull_by_hand():
    # (2, 0.4) lies below the line from (1, 0.3) to (3, 0.9); past (3, 0.9) quality falls.
    cost, quality = rising_hull(np.array([3.0, 1, 2, 4]), np.array([0.9, 0.3, 0.4, 0.8]))
    np.testing.assert_array_equal(cost, [1, 3])
    np.testing.assert_array_equal(quality, [0.3, 0.9])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_front_equals_a_loop(seed, count):
    cost, quality = random_points(seed, count)
    points = set(zip(cost, quality, strict=True))
    undominated = [(c, q) for c, q in points if not any(d <= c and r >= q and (d, r) != (c, q) for d, r in points)]
    assert list(zip(*pareto_front(cost, quality), strict=True)) == sorted(undominated)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(4, 60))
def test_hull_equals_that_of_scipy(seed, count):
    rng = np.random.default_rng(seed)
    cost, quality = rng.random(count), rng.random(count)
    hull = ConvexHull(np.column_stack([cost, quality]))
    # Its upper right part: from the top corner's left side, corners of the rising hull are those that rise to the top.
    corners = sorted(zip(cost[hull.vertices], quality[hull.vertices], strict=True))
    left, top = corners[0], max(corners, key=lambda corner: corner[1])
    upper = [
        (c, q)
        for c, q in corners
        if c <= top[0] and q >= left[1] + (top[1] - left[1]) * (c - left[0]) / max(top[0] - left[0], 1e-300) - 1e-12
    ]
    np.testing.assert_allclose(np.column_stack(rising_hull(cost, quality)), upper, atol=1e-12)


def test_areas_by_hand():
    # Over the pool's range [1, 5]. The hull: from (1, 0.4) to (2, 0.7), on to (4, 0.8), and flat to 5.
    # (3, 0.71) is on the front, but below the hull; (4.5, 0.6) is on neither.
    curve = curve_of((4.5, 0.6), (4, 0.8), (3, 0.71), (2, 0.7), (1, 0.4))
    first, last = (0.4 + 0.7) / 2 * 1, 0.8 * 1
    assert aiq(curve, *POOL) == pytest.approx((first + (0.7 + 0.8) / 2 * 2 + last) / 4)
    assert nauc(curve, *POOL) == pytest.approx((first + (0.7 + 0.71) / 2 + (0.71 + 0.8) / 2 + last) / 4)
    assert peak(curve) == 0.8


def test_a_curve_that_starts_late_is_joined_to_the_least_expensive_vlm():
    # From (1, 0.4), the VLM, to (3, 0.8), then flat to 5.
    assert aiq(curve_of((3, 0.8)), *POOL) == pytest.approx((0.6 * 2 + 0.8 * 2) / 4)
    # That VLM lends the curve no accuracy beyond its own first point.
    assert aiq(curve_of((3, 0.2)), *POOL) == nauc(curve_of((3, 0.2)), *POOL) == pytest.approx(0.2)


def test_a_curve_beyond_the_range_counts_as_far_as_the_range_goes():
    # From (1, 0.4) towards (9, 0.8), which is (5, 0.6) at the range's end.
    assert aiq(curve_of((9, 0.8)), *POOL) == pytest.approx(0.5)
    # Less expensive than any single VLM: from (0, 0.5) to (2, 0.9) it is at 0.7 where the range begins.
    assert aiq(curve_of((0, 0.5), (2, 0.9)), *POOL) == pytest.approx((0.8 * 1 + 0.9 * 3) / 4)
    assert nauc(curve_of((0.5, 0.5)), *POOL) == pytest.approx(0.5)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 30))
def test_areas_agree_with_scikit_learn(seed, count):
    cost, quality = random_points(seed, count)
    curve = curve_of(*zip(cost, quality, strict=True))
    ends = np.array([0.0, 8.0])
    # All points lie in the pool's range, whose least expensive VLM is free and never right.
    pool = (ends, np.array([0.0, 0.3]))
    for area, outline in ((aiq, rising_hull), (nauc, pareto_front)):
        with_start = (np.append(cost, 0.0), np.append(quality, 0.0)) if cost.min() > 0 else (cost, quality)
        x, y = outline(*with_start)
        x, y = (np.append(x, 8.0), np.append(y, y[-1])) if x[-1] < 8 else (x, y)
        assert area(curve, *pool) == pytest.approx(auc(x, y) / 8, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(2, 6))
def test_front_below_hull_below_peak(seed, count, num_vlms):
    curve = curve_of(*zip(*random_points(seed, count), strict=True))
    pool_cost, pool_quality = random_points(seed + 1, num_vlms)
    areas = nauc(curve, pool_cost, pool_quality), aiq(curve, pool_cost, pool_quality)
    if pool_cost.min() == pool_cost.max():
        assert areas == (None, None)
    else:
        assert -1e-12 <= areas[0] <= areas[1] + 1e-12 <= peak(curve) + 2e-12


@pytest.mark.parametrize("pool_cost", [[1.0], [2.0, 2.0], [0.3, 0.1 + 0.2], [0.0, 0.0], [1.0, NAN], []])
def test_without_a_range_of_costs_there_is_no_area(pool_cost):
    pool_cost = np.array(pool_cost)
    assert cost_range(pool_cost) is None
    assert aiq(curve_of((1, 0.5)), pool_cost, np.full(len(pool_cost), 0.5)) is None
    assert nauc(curve_of((1, 0.5)), pool_cost, np.full(len(pool_cost), 0.5)) is None


def test_an_empty_curve_has_no_metrics():
    assert (aiq(EMPTY, *POOL), nauc(EMPTY, *POOL), peak(EMPTY), qnc(EMPTY, 1.0, 0.5)) == (None, None, None, None)
    assert cost_range(POOL[0]) == (1, 5)


def test_qnc_by_hand():
    curve = curve_of((5, 0.7), (3, 0.6), (4, 0.62), (2, 0.5))
    assert qnc(curve, 4.0, 0.6) == 3 / 4
    assert qnc(curve, 4.0, 0.65) == 5 / 4
    assert qnc(curve, 4.0, 0.71) is None  # never reached
    assert qnc(curve, 0.0, 0.6) is None  # nothing is a multiple of nothing
    assert qnc(curve, NAN, 0.6) is qnc(curve, 4.0, NAN) is None


def test_rank_score_by_hand():
    # Half way from 1 to 16 on the logarithmic scale: C = 50. 1.1 * 80 * 50 / (0.1 * 80 + 50).
    assert rank_score(0.8, 4.0, (1.0, 16.0)) == pytest.approx(1.1 * 80 * 50 / 58)
    assert rank_score(0.8, 4.0, (1.0, 16.0), beta=1.0) == pytest.approx(2 * 80 * 50 / 130)
    assert rank_score(1.0, 0.5, (1.0, 16.0)) == pytest.approx(100)  # clipped
    assert rank_score(0.8, 16.0, (1.0, 16.0)) == rank_score(0.8, 20.0, (1.0, 16.0)) == 0
    assert rank_score(0.0, 4.0, (1.0, 16.0)) == rank_score(0.0, 16.0, (1.0, 16.0)) == 0


def test_rank_score_of_a_published_table():
    """Rows of VL-RouterBench: accuracy, USD per 10,000 queries, score. Two of them fix the range, the third follows."""
    oracle, strongest, mlp = (0.9560, 0.37, 93.68), (0.7801, 2.72, 68.88), (0.7749, 1.13, 74.23)

    def saved(accuracy, _, score):  # the formula, solved for C
        return 10 * accuracy * score / (110 * accuracy - score)

    slope = (saved(*strongest) - saved(*oracle)) / np.log2(strongest[1] / oracle[1])
    low = oracle[1] * 2 ** ((100 - saved(*oracle)) / slope)
    high = oracle[1] * 2 ** (-saved(*oracle) / slope)
    assert 0 < low < 0.37 < 2.72 < high
    assert rank_score(*mlp[:2], (low, high)) == pytest.approx(mlp[2], abs=0.05)


@given(st.floats(0, 1), st.floats(0, 10), st.floats(0.01, 1), st.floats(1.01, 10))
def test_rank_score_is_a_percentage(accuracy, cost, low, factor):
    limits = (low, low * factor)
    score = rank_score(accuracy, cost, limits)
    assert 0 <= score <= 100 + 1e-9
    assert rank_score(accuracy, cost / 2, limits) >= score - 1e-9
    assert rank_score(accuracy / 2, cost, limits) <= score + 1e-9


def test_rank_score_undefined():
    assert rank_score(None, 1.0, (1.0, 2.0)) is None
    assert rank_score(0.5, None, (1.0, 2.0)) is None
    assert rank_score(0.5, 1.0, None) is None
    assert rank_score(0.5, 1.0, (0.0, 2.0)) is None
