"""PGR, APGR and CPT: worked by hand, against loops over thresholds, and their ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc

from arms.evaluation.strong_calls import gap_recovery, weak_and_strong

NAN = np.nan


def test_by_hand():
    # By falling advantage the strong VLM gains 1, 1, 0, -1, 1 over the weak one: a gap of 2 queries.
    advantage = np.array([0.1, 0.9, 0.5, -0.3, 0.7])
    weak = np.array([1, 0, 1, 0, 0])
    strong = np.array([0, 1, 1, 1, 1])
    recovery = gap_recovery(advantage, weak, strong)
    np.testing.assert_allclose(recovery.share, [0, 0.2, 0.4, 0.6, 0.8, 1])
    np.testing.assert_allclose(recovery.pgr, [0, 0.5, 1, 1, 0.5, 1])
    assert recovery.average() == pytest.approx((0.25 + 0.75 + 1 + 0.75 + 0.75) / 5)
    assert recovery.least_share(0.5) == pytest.approx(0.2)
    assert recovery.least_share(0.8) == pytest.approx(0.2 + 0.2 * 0.3 / 0.5)
    assert recovery.least_share(1.0) == pytest.approx(0.4)


def test_a_router_that_knows_nothing_recovers_what_it_pays_for():
    recovery = gap_recovery(np.zeros(8), np.zeros(8), np.arange(8) % 2)
    np.testing.assert_array_equal(recovery.share, [0, 1])
    assert (recovery.average(), recovery.least_share(0.5), recovery.least_share(0.8)) == pytest.approx((0.5, 0.5, 0.8))


def test_the_best_and_the_worst_order():
    weak, strong = np.array([1, 0, 0, 0]), np.array([1, 0, 1, 1])
    best = gap_recovery(strong - weak, weak, strong)
    worst = gap_recovery(weak - strong, weak, strong)
    assert best.least_share(1.0) == 0.5
    assert worst.least_share(0.5) == 0.75
    assert best.average() == pytest.approx(0.75)
    assert worst.average() == pytest.approx(0.25)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_equals_a_loop_over_thresholds(seed, count):
    rng = np.random.default_rng(seed)
    advantage = rng.integers(-5, 6, count) / 5  # full of ties
    weak, strong = (np.where(rng.random(count) < 0.1, NAN, rng.random(count) < share) for share in (0.3, 0.6))
    recovery = gap_recovery(advantage, weak, strong)
    both = ~np.isnan(weak) & ~np.isnan(strong)
    advantage, weak, strong = advantage[both], weak[both], strong[both]
    if not len(weak) or strong.mean() <= weak.mean():
        assert recovery is None
        return
    shares, recovered = [], []
    for threshold in [np.inf, *sorted(set(advantage), reverse=True)]:
        calls = advantage >= threshold
        accuracy = np.where(calls, strong, weak).mean()
        shares.append(calls.mean())
        recovered.append((accuracy - weak.mean()) / (strong.mean() - weak.mean()))
    np.testing.assert_allclose(recovery.share, shares)
    np.testing.assert_allclose(recovery.pgr, recovered, atol=1e-12)
    assert recovery.average() == pytest.approx(auc(shares, recovered))
    for wanted in (0.5, 0.8):
        share = recovery.least_share(wanted)
        assert np.interp(share, shares, recovered) == pytest.approx(wanted)
        earlier = np.linspace(0, share, 50)[:-1]
        assert (np.interp(earlier, shares, recovered) < wanted + 1e-12).all()


@pytest.mark.parametrize(
    ("weak", "strong"),
    [([1, 0], [0, 1]), ([1, 1], [0, 1]), ([NAN, 0], [1, NAN]), ([], [])],
    ids=["no better", "worse", "never both", "no queries"],
)
def test_no_gap(weak, strong):
    assert gap_recovery(np.zeros(len(weak)), np.array(weak, float), np.array(strong, float)) is None


def test_weak_and_strong():
    assert weak_and_strong(np.array([2.0, NAN, 1.0, 1.0]), np.array([0.5, 0.7, NAN, 0.7])) == (2, 1)
    assert weak_and_strong(np.array([NAN]), np.array([NAN])) == (None, None)
