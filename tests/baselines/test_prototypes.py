import numpy as np

from arms.baselines.prototypes import PrototypeRouter
from arms.baselines.registry import build_router
from tests.baselines.made_vectors import VLMS, em_on, label_vectors, noisy

NAN = np.nan


def make():
    return PrototypeRouter(VLMS, features="concat")


def test_by_hand():
    """Means are (1.5, 0.5) for a and (0, 1.5) for b; c was never known to be right."""
    outcomes = [[1, 0, 0], [1, 1, NAN], [NAN, 1, 0], [0, NAN, NAN]]
    train = label_vectors([[3, 0], [0, 1], [0, 2], [7, 7]], outcomes)
    scores = make().fit(train).score_vectors(np.array([[1, 0], [0, 4], [2, 2]], dtype=np.float32))
    root = np.sqrt(10)
    expected = [[3 / root, 0, -1], [1 / root, 1, -1], [4 / root / np.sqrt(2), 1 / np.sqrt(2), -1]]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_only_the_direction_of_a_query_counts():
    router, vectors = make().fit(noisy(50, 0)), noisy(20, 1).vectors
    np.testing.assert_allclose(router.score_vectors(vectors), router.score_vectors(7 * vectors), atol=1e-6)


def test_confidences_keep_the_order_of_the_cosines():
    train, test = noisy(60, 0), noisy(30, 1)
    router = make().fit(train)
    cosines = router.score_vectors(test.vectors)
    np.testing.assert_array_equal(np.argsort(router.score(test.queries), axis=1), np.argsort(cosines, axis=1))


def test_it_learns():
    """Each VLM is right on queries of one direction, a on most."""
    rng = np.random.default_rng(0)
    kind = rng.choice(3, size=300, p=[0.5, 0.3, 0.2])
    train = label_vectors(np.eye(3)[kind] + rng.normal(scale=0.2, size=(300, 3)), np.eye(3)[kind])
    assert em_on(train, make().fit(train)) > 0.95


def test_it_is_in_the_registry():
    assert isinstance(build_router("prototypes", VLMS, {"features": "image"}, seed=1), PrototypeRouter)


def test_nobody_right_leaves_all_equal():
    train = noisy(20, 0)
    train.outcomes[:] = 0
    np.testing.assert_allclose(make().fit(train).score(train.queries), 0.5 / 61, atol=1e-4)
    train.outcomes[:] = NAN
    scores = make().fit(train).score(train.queries)
    assert (scores == scores[0, 0]).all()
