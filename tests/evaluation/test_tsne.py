"""Maps by t-SNE: close vectors stay close, the same ones give the same map, and bad input is told."""

import numpy as np
import pytest

from arms.evaluation.tsne import tsne


def blobs(per_blob=12, width=16, seed=0):
    """Three groups of vectors far apart, and the group of each."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(3), per_blob)
    return (20 * rng.normal(size=(3, width))[group] + rng.normal(size=(len(group), width))).astype(np.float32), group


def test_neighbours_stay_neighbours():
    vectors, group = blobs()
    points = tsne(vectors, seed=1)
    assert points.shape == (len(vectors), 2)
    assert points.dtype == np.float32
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(group[distances.argmin(axis=1)], group)


def test_same_vectors_and_seed_give_the_same_map():
    vectors, _ = blobs()
    np.random.seed(5)  # the global generator has no say
    first = tsne(vectors, seed=3)
    np.random.seed(6)
    np.testing.assert_array_equal(tsne(vectors, seed=3), first)


@pytest.mark.parametrize("count", [5, 6, 31])
def test_few_points_are_enough(count):
    points = tsne(blobs()[0][:count].astype(np.float16), seed=0)
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.eye(4), "expected at least 5 points, got 4"),
        (np.arange(8.0), r"expected vectors of shape \(N, D\)"),
        (np.arange(8.0)[:, None], r"D of at least 2, got shape \(8, 1\)"),
        (np.where(np.eye(6) == 1, np.nan, 0), "expected finite values, got 6"),
        (np.ones((7, 3)), "expected points that differ, got 7 in one place"),
    ],
)
def test_bad_vectors_are_an_error(vectors, message):
    with pytest.raises(ValueError, match=message):
        tsne(vectors, seed=0)
