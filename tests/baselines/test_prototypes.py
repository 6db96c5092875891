import numpy as np

from arms.baselines.prototypes import PrototypeRouter
from arms.baselines.registry import build_router
from arms.training.losses import masked_em
from tests.baselines.made_vectors import VLMS, noisy, queries_of

NAN = np.nan


def make():
    return PrototypeRouter(VLMS, features="concat")


def test_by_hand():
    """Means are (1.5, 0.5) for a and (0, 1.5) for b; c was never known to be right."""
    train = queries_of([[3, 0], [0, 1], [0, 2], [7, 7]])
    outcomes = np.array([[1, 0, 0], [1, 1, NAN], [NAN, 1, 0], [0, NAN, NAN]], dtype=np.float32)
    scores = make().fit(train, outcomes).score_vectors(np.array([[1, 0], [0, 4], [2, 2]], dtype=np.float32))
    root = np.sqrt(10)
    expected = [[3 / root, 0, -1], [1 / root, 1, -1], [4 / root / np.sqrt(2), 1 / np.sqrt(2), -1]]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_a_query_is_read_by_its_direction_alone():
    train, outcomes = noisy(50, 0)
    router = make().fit(train, outcomes)
    vectors = noisy(20, 1)[0].embeddings.text
    np.testing.assert_allclose(router.score_vectors(vectors), router.score_vectors(7 * vectors), atol=1e-6)


def test_confidences_keep_the_order_of_the_cosines():
    (train, outcomes), (test, _) = noisy(60, 0), noisy(30, 1)
    router = make().fit(train, outcomes)
    cosines = router.score_vectors(test.embeddings.text)
    np.testing.assert_array_equal(np.argsort(router.score(test), axis=1), np.argsort(cosines, axis=1))


def test_it_learns():
    """Each VLM is right on queries of one direction, a on most."""
    rng = np.random.default_rng(0)
    kind = rng.choice(3, size=300, p=[0.5, 0.3, 0.2])
    queries = queries_of(np.eye(3)[kind] + rng.normal(scale=0.2, size=(300, 3)))
    outcomes = np.eye(3, dtype=np.float32)[kind]
    assert masked_em(make().fit(queries, outcomes).score(queries), outcomes) > 0.95


def test_it_stands_in_the_registry():
    assert isinstance(build_router("prototypes", VLMS, {"features": "image"}, seed=1), PrototypeRouter)


def test_nobody_right_leaves_all_equal():
    train, outcomes = noisy(20, 0)
    scores = make().fit(train, np.zeros_like(outcomes)).score(train)
    np.testing.assert_allclose(scores, 0.5 / 61, atol=1e-4)
    scores = make().fit(train, np.full_like(outcomes, NAN)).score(train)
    assert (scores == scores[0, 0]).all()
