"""Claims about many differences at once: false ones are rare, true ones are found."""

import numpy as np
import pytest

from arms.evaluation.claims import against, max_t, verdict
from arms.evaluation.pairwise import paired_differences

SAMPLES = 400


def equal_routers(rng, routers=6, images=150, seeds=1, seed_effect=0.0):
    """R routers with the same chance of being right, two queries an image, as one of R arrays of shape (N, seeds)."""
    difficulty = np.repeat(rng.normal(size=images), 2) + 0.5 * rng.normal(size=2 * images)
    found = []
    for _ in range(routers):
        own = difficulty + 0.7 * rng.normal(size=2 * images)
        noise = 0.6 * rng.normal(size=(2 * images, seeds)) + seed_effect * rng.normal(size=seeds)
        found.append((own[:, None] + noise > -0.8).astype(float))
    return found, np.repeat(np.arange(images), 2)


def false_claims(experiments=300, **settings):
    """Share of experiments in which one or more pairs of equal routers are told apart: by claims, and by intervals."""
    rng, by_claims, by_intervals = np.random.default_rng(0), 0, 0
    for _ in range(experiments):
        runs, groups = equal_routers(rng, **settings)
        pairs = paired_differences(runs, groups, SAMPLES, 1)
        by_claims += (pairs.claims.p <= 0.05).any()
        by_intervals += ((pairs.low > 0) | (pairs.high < 0)).any()
    return by_claims / experiments, by_intervals / experiments


def test_of_equal_routers_some_are_told_apart_in_5_percent_of_experiments():
    by_claims, by_intervals = false_claims()
    assert by_claims == pytest.approx(0.05, abs=0.025)
    assert by_intervals > 0.25, "15 pairs, each by itself at 5 %"


def test_three_seeds_of_equal_routers_are_not_told_apart_more_often():
    """The seeds are a quarter of the variance here."""
    by_claims, _ = false_claims(seeds=3, seed_effect=0.07)
    assert 0 < by_claims <= 0.06


def test_seeds_that_matter_widen_the_claims():
    runs, groups = equal_routers(np.random.default_rng(3), routers=2, seeds=5, seed_effect=0.5)
    as_one = [run.mean(axis=1, keepdims=True) for run in runs]
    with_seeds, without = (paired_differences(given, groups, 2000, 1) for given in (runs, as_one))
    np.testing.assert_allclose(with_seeds.difference, without.difference)
    widths = [(pairs.claims.high - pairs.claims.low)[0] for pairs in (with_seeds, without)]
    assert widths[0] > 1.5 * widths[1]


def test_a_better_router_is_found_among_many():
    rng, found = np.random.default_rng(1), 0
    for _ in range(50):
        runs, groups = equal_routers(rng, routers=6, images=300)
        wrong = np.flatnonzero(runs[0][:, 0] == 0)
        runs[0][rng.choice(wrong, int(0.6 * len(wrong)), replace=False)] = 1
        pairs = paired_differences(runs, groups, SAMPLES, 1)
        found += all(pairs.claims.low[at] > 0 for at, pair in enumerate(pairs.pairs) if pair[0] == 0)
    assert found >= 48


def test_one_pair_has_the_interval_that_it_has_by_itself():
    runs, groups = equal_routers(np.random.default_rng(2), routers=2, images=500)
    pairs = paired_differences(runs, groups, 4000, 1)
    assert pairs.claims.low[0] == pytest.approx(pairs.low[0], abs=0.002)
    assert pairs.claims.high[0] == pytest.approx(pairs.high[0], abs=0.002)


def test_more_pairs_widen_every_claim():
    runs, groups = equal_routers(np.random.default_rng(2))
    few, many = (paired_differences(given, groups, 1000, 1) for given in (runs[:2], runs))
    assert many.pairs[0] == (0, 1)
    assert many.claims.high[0] - many.claims.low[0] > few.claims.high[0] - few.claims.low[0]
    assert many.claims.p[0] > few.claims.p[0]
    assert (many.low[0], many.high[0]) == (few.low[0], few.high[0]), "by itself it stays as it is"


def test_an_interval_leaves_out_0_exactly_where_p_is_at_most_5_percent():
    runs, groups = equal_routers(np.random.default_rng(4), routers=8)
    for router, run in enumerate(runs):
        run[: 20 * router] = 1
    claims = paired_differences(runs, groups, 999, 1).claims
    outside = (claims.low > 0) | (claims.high < 0)
    np.testing.assert_array_equal(outside, claims.p <= 0.05)
    assert 0 < outside.sum() < len(outside)


def test_the_order_of_routers_and_queries_changes_nothing():
    runs, groups = equal_routers(np.random.default_rng(5), seeds=3, seed_effect=0.2)
    rows, order = np.random.default_rng(6).permutation(len(groups)), [3, 0, 5, 1, 4, 2]
    records = paired_differences(runs, groups, 200, 1).records("abcdef", split="id", pool="base")
    shuffled = paired_differences([runs[at][rows] for at in order], groups[rows], 200, 1)
    moved = shuffled.records(["abcdef"[at] for at in order], split="id", pool="base")
    one, other = (against(given, tuple("abcdef"))["id"]["base"] for given in (records, moved))
    for router, of in one.items():
        for reference, numbers in of.items():
            assert other[router][reference] == pytest.approx(numbers, abs=1e-12)


def test_what_does_not_vary():
    rng = np.random.default_rng(0)
    varying = rng.normal(0.1, 0.02, 500)
    draws = np.stack([varying, np.zeros(500), np.full(500, 0.3)], axis=1)
    claims, only = max_t(np.array([0.1, 0.0, 0.3]), draws), max_t(np.array([0.1]), varying[:, None])
    assert (claims.low[0], claims.high[0], claims.p[0]) == (only.low[0], only.high[0], only.p[0])
    assert (claims.low[1], claims.high[1], claims.p[1]) == (0, 0, 1), "the same router"
    assert (claims.low[2], claims.high[2], claims.p[2]) == (-1, 1, 1), "nothing says how sure this is"


def test_with_too_few_draws_nothing_is_claimed():
    runs, groups = equal_routers(np.random.default_rng(0), routers=2)
    claims = paired_differences([np.ones_like(runs[0]), runs[1]], groups, 10, 1).claims
    assert (claims.low[0], claims.high[0]) == (-1, 1)
    assert claims.p[0] == pytest.approx(1 / 11)


def test_against_the_references():
    pair = {"split": "id", "pool": "base", "low": 0.0, "high": 0.0}
    records = [
        pair | {"router": "a", "other": "knn", "difference": 0.1, "claim_low": 0.01, "claim_high": 0.2, "p": 0.01},
        pair
        | {"router": "best-single", "other": "a", "difference": 0.2, "claim_low": -0.1, "claim_high": 0.4, "p": 0.3},
        pair | {"router": "a", "other": "b", "difference": 0.2, "claim_low": 0.1, "claim_high": 0.4, "p": 0.01},
        pair | {"router": "b", "other": "knn", "difference": None, "claim_low": None, "claim_high": None, "p": None},
    ]
    assert against(records) == {
        "id": {
            "base": {
                "a": {
                    "knn": {"difference": 0.1, "low": 0.01, "high": 0.2, "p": 0.01, "verdict": "better"},
                    "best-single": {"difference": -0.2, "low": -0.4, "high": 0.1, "p": 0.3, "verdict": "level"},
                }
            }
        }
    }


def test_verdicts():
    assert [verdict(0.1, 0.2), verdict(0.0, 0.2), verdict(-0.2, -0.1)] == ["better", "level", "worse"]
    assert verdict(None, None) is None


def test_refuses():
    with pytest.raises(ValueError, match=r"got \(2,\) and \(10, 3\)"):
        max_t(np.zeros(2), np.zeros((10, 3)))
    with pytest.raises(ValueError, match="max_t: expected draws without NaN"):
        max_t(np.zeros(1), np.array([[0.0], [np.nan]]))
