import numpy as np
import pytest

from arms.baselines.kmeans import KMeansRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, best_share, em_on, label_vectors, learnable, noisy, queries_of

NAN = np.nan


def make(num_clusters, vlms=VLMS, seed=0):
    return KMeansRouter(vlms, features="concat", num_clusters=num_clusters, seed=seed)


def test_a_cluster_gives_its_mean_drawn_to_the_overall_share():
    """Two far groups; shares are (4 + 0.5) / 6, (1 + 0.5) / 4 and 0.5."""
    vectors = [[0, 0], [0, 1], [0, 2], [90, 0], [90, 1], [90, 2]]
    outcomes = [[1, 1, NAN], [1, 0, NAN], [0, NAN, NAN], [1, NAN, NAN], [1, NAN, NAN], [NAN, 0, NAN]]
    router = make([2]).fit(label_vectors(vectors, outcomes))
    first = [(2 + 0.75) / 4, (1 + 0.375) / 3, 0.5]
    second = [(2 + 0.75) / 3, (0 + 0.375) / 2, 0.5]
    np.testing.assert_allclose(router.score(queries_of([[80, 3], [-5, 0]])), [second, first], atol=1e-6)


def test_all_queries_in_one_cluster():
    train = noisy(40, 0)
    router = make([1]).fit(train)
    scores = router.score(noisy(7, 1).queries)
    column = [column[~np.isnan(column)] for column in train.outcomes.T]
    expected = [(c.sum() + (c.sum() + 0.5) / (len(c) + 1)) / (len(c) + 1) for c in column]
    np.testing.assert_allclose(scores, np.tile(expected, (7, 1)), atol=1e-6)


def test_no_more_clusters_than_distinct_vectors():
    train = label_vectors([[0, 0], [5, 5], [9, 0]] * 4, [[1, 0, 0], [0, 1, 0], [0, 0, 1]] * 4)
    router = make([50]).fit(train)
    assert router.clustering.means_CS.shape == (3, 3)
    assert (router.score(train.queries).argmax(axis=1) == [0, 1, 2] * 4).all()


def test_the_number_of_clusters_is_chosen_on_val():
    train, val = noisy(80, 0), noisy(60, 1)
    candidates = [2, 80, 5, 20]

    def em(count):
        return em_on(val, make([count]).fit(train))

    assert len({em(count) for count in candidates}) > 1
    best = max(candidates, key=em)
    assert best != candidates[0]
    assert len(make(candidates).fit(train, val).clustering.means_CS) == best
    assert len(make(candidates).fit(train).clustering.means_CS) == 2


def test_it_learns():
    train, test = learnable(400, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make([12]).fit(train)) > best_share(test) + 0.1


def test_settings_are_checked():
    with pytest.raises(ArmsError, match=r"baselines\.kmeans\.num_clusters\.0: expected greater than or equal to 1"):
        build_router("kmeans", VLMS, {"features": "concat", "num_clusters": [0]}, seed=1)
