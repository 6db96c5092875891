"""The cluster bootstrap: what it resamples, and what stays fixed."""

import numpy as np
import pytest

from arms.evaluation import bootstrap
from arms.evaluation.bootstrap import bootstrap_means, bootstrap_seed_means, interval


def loop_bootstrap(values, groups, samples, seed):
    """The same bootstrap, one resample at a time: pick images, gather their rows, average."""
    rng = np.random.default_rng(seed)
    names = np.unique(groups)
    means = []
    for _ in range(samples):
        rows = np.concatenate(
            [np.flatnonzero(groups == names[pick]) for pick in rng.integers(0, len(names), len(names))]
        )
        means.append(values[rows].mean(axis=0))
    return np.array(means)


def test_equals_a_loop_over_resamples():
    rng = np.random.default_rng(1)
    values, groups = rng.random((30, 2)), rng.integers(0, 8, 30)
    np.testing.assert_allclose(bootstrap_means(values, groups, 50, 7), loop_bootstrap(values, groups, 50, 7))


def test_draws_do_not_depend_on_chunks_rows_or_other_columns(monkeypatch):
    rng = np.random.default_rng(2)
    values, groups = (rng.random((40, 3)) < 0.5).astype(float), rng.integers(0, 9, 40).astype(str)
    whole = bootstrap_means(values, groups, 64, 0)
    order = rng.permutation(40)
    np.testing.assert_array_equal(bootstrap_means(values[order], groups[order], 64, 0), whole)
    np.testing.assert_array_equal(bootstrap_means(values[:, [2]], groups, 64, 0), whole[:, [2]])
    monkeypatch.setattr(bootstrap, "CHUNK_WEIGHTS", 25)
    np.testing.assert_array_equal(bootstrap_means(values, groups, 64, 0), whole)
    assert not np.array_equal(bootstrap_means(values, groups, 64, 1), whole)


def test_queries_of_one_image_move_together():
    values = np.repeat([0.0, 1.0], 100)[:, None]
    draws = bootstrap_means(values, np.repeat(["a", "b"], 100), 200, 0)
    assert set(np.unique(draws)) == {0.0, 0.5, 1.0}  # two images: none, one or both of the picks are "b"


def test_images_resampled_give_wider_intervals_than_queries():
    rng = np.random.default_rng(3)
    values = np.repeat(rng.random(50) < 0.5, 8)[:, None].astype(float)
    by_image = interval(bootstrap_means(values, np.repeat(np.arange(50), 8), 1000, 0)[:, 0])
    by_query = interval(bootstrap_means(values, np.arange(400), 1000, 0)[:, 0])
    assert by_image[1] - by_image[0] > 2 * (by_query[1] - by_query[0])


def test_with_one_query_per_image_it_agrees_with_the_normal_interval():
    values = (np.arange(2000) % 10 < 3).astype(float)[:, None]
    low, high = interval(bootstrap_means(values, np.arange(2000), 4000, 0)[:, 0])
    half = 1.96 * np.sqrt(0.3 * 0.7 / 2000)
    assert low == pytest.approx(0.3 - half, abs=0.003)
    assert high == pytest.approx(0.3 + half, abs=0.003)


def test_nan_rows_count_in_no_column_of_their_own():
    values = np.array([[1.0, 1.0], [0.0, np.nan], [1.0, np.nan], [0.0, 0.0]])
    groups = np.array([0, 0, 1, 2])
    without = bootstrap_means(np.array([[1.0], [0.0], [0.0]]), np.array([0, 1, 2]), 100, 5)
    draws = bootstrap_means(values, groups, 100, 5)
    assert np.isnan(draws[:, 1]).any()  # resamples of image 1 alone
    assert not np.isnan(draws[:, 0]).any()
    assert without.shape == (100, 1)
    low, high = interval(draws[:, 1])
    assert (low, high) == (0.0, 1.0)


@pytest.fixture
def many():
    """4,000 scenes of one to three queries, right or wrong: some dozen kinds of scenes."""
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(4000), rng.integers(1, 4, 4000))
    values = (rng.random((len(groups), 2)) < [0.3, 0.6]).astype(float)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values, groups


def test_groups_of_one_kind_drawn_together_have_the_same_distribution(many, monkeypatch):
    one_by_one = bootstrap_means(*many, 4000, 0)
    monkeypatch.setattr(bootstrap, "MANY_GROUPS", 1000)
    together = bootstrap_means(*many, 4000, 0)
    assert not np.array_equal(together, one_by_one)
    np.testing.assert_allclose(together.mean(axis=0), one_by_one.mean(axis=0), atol=0.001)
    np.testing.assert_allclose(np.cov(together.T), np.cov(one_by_one.T), rtol=0.1, atol=2e-6)
    np.testing.assert_allclose(interval(together[:, 0]), interval(one_by_one[:, 0]), atol=0.002)


def test_kinds_are_drawn_the_same_in_chunks(many, monkeypatch):
    monkeypatch.setattr(bootstrap, "MANY_GROUPS", 1000)
    whole = bootstrap_means(*many, 64, 0)
    monkeypatch.setattr(bootstrap, "CHUNK_WEIGHTS", 500)
    np.testing.assert_array_equal(bootstrap_means(*many, 64, 0), whole)


def test_many_groups_that_are_all_different_are_drawn_one_by_one(monkeypatch):
    values, groups = np.random.default_rng(9).random((200, 1)), np.arange(200)
    one_by_one = bootstrap_means(values, groups, 64, 0)
    monkeypatch.setattr(bootstrap, "MANY_GROUPS", 100)
    np.testing.assert_array_equal(bootstrap_means(values, groups, 64, 0), one_by_one)


def test_interval_is_the_central_95_percent():
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))
    assert interval(np.array([np.nan, 0.5])) == (0.5, 0.5)
    assert interval(np.array([np.nan])) == (None, None)


def test_with_one_seed_the_draws_are_those_of_the_groups():
    rng = np.random.default_rng(4)
    values, groups = rng.random((40, 3)), rng.integers(0, 9, 40)
    expected = bootstrap_means(values, groups, 64, 0)
    np.testing.assert_array_equal(bootstrap_seed_means(list(values.T), groups, 64, 0), expected)
    beside = bootstrap_seed_means([rng.random((40, 2)), *values.T[:, :, None]], groups, 64, 0)
    np.testing.assert_array_equal(beside[:, 1:], expected)


def test_the_variances_of_groups_and_seeds_add_up():
    """Three seeds with EMs 0.1 apart: the standard error of their mean is 0.1 / sqrt(3), times 2.2 for three."""
    rng = np.random.default_rng(5)
    query = (rng.random(3000) < 0.5).astype(float)
    run = np.stack([query - 0.1, query, query + 0.1], axis=1)
    with_seeds, one = (bootstrap_seed_means([of], np.arange(3000), 8000, 0)[:, 0] for of in (run, query))
    assert with_seeds.mean() == pytest.approx(run.mean(), abs=0.005)
    widened = 0.1 / np.sqrt(3) * 4.303 / 1.960
    assert with_seeds.var() == pytest.approx(one.var() + widened**2, rel=0.05)


def test_seeds_that_agree_add_nothing():
    rng = np.random.default_rng(6)
    query, groups = (rng.random(50) < 0.5).astype(float), np.arange(50)
    same = bootstrap_seed_means([np.stack([query] * 4, axis=1)], groups, 100, 0)
    np.testing.assert_allclose(same, bootstrap_seed_means([query], groups, 100, 0))


def test_equal_routers_with_the_same_seeds_differ_nowhere():
    run, groups = np.random.default_rng(7).random((30, 3)), np.arange(30)
    draws = bootstrap_seed_means([run, run[:, :2], run], groups, 100, 0)
    np.testing.assert_array_equal(draws[:, 0], draws[:, 2])
    assert not np.allclose(draws[:, 0], draws[:, 1])


@pytest.mark.parametrize("runs", [[], [np.zeros((3, 0))]])
def test_refuses_a_router_without_a_seed(runs):
    with pytest.raises(ValueError, match="expected one or more routers with one or more seeds each"):
        bootstrap_seed_means(runs, np.arange(3), 10, 0)


@pytest.mark.parametrize(
    ("values", "groups", "samples"),
    [
        (np.zeros((0, 1)), np.zeros(0), 10),
        (np.zeros((3, 1)), np.zeros(2), 10),
        (np.zeros(3), np.zeros(3), 10),
        (np.zeros((3, 1)), np.zeros(3), 0),
    ],
)
def test_refuses(values, groups, samples):
    with pytest.raises(ValueError, match="bootstrap_means: expected values of shape"):
        bootstrap_means(values, groups, samples, 0)
