import numpy as np
import pytest

from arms.baselines.constant import BestSingleRouter, RandomRouter
from tests.fakes import label, make_encoders, make_queries

NAN = np.nan


@pytest.fixture(scope="module")
def queries():
    return make_queries(4).encode(make_encoders())


def test_best_single_by_hand(queries):
    outcomes = [[1, 0, NAN], [1, NAN, NAN], [0, 1, NAN], [0, 1, NAN]]
    router = BestSingleRouter(("a", "b", "c")).fit(label(queries, outcomes))
    np.testing.assert_allclose(router.score(queries), [[1 / 3, 2 / 3, 0]] * 4)
    assert router.score(queries).dtype == np.float32
    assert router.policy == {"name": "argmax"}


def test_a_vlm_measured_on_easy_queries_only_is_not_the_best(queries):
    train = label(queries, [[1, 1], [1, 1], [1, NAN], [0, NAN]])
    assert BestSingleRouter(("a", "b")).fit(train).score(queries)[0].tolist() == [1, 1]


def test_without_complete_cases_each_vlm_has_its_known_outcomes(queries):
    train = label(queries, [[1, NAN], [NAN, 1], [NAN, 1], [NAN, 0]])
    np.testing.assert_allclose(BestSingleRouter(("a", "b")).fit(train).score(queries)[0], [1, 2 / 3])


def test_random(queries):
    one, again, other = (RandomRouter(("a", "b"), seed=seed).score(queries) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_random_is_uniform():
    class Many:
        def __len__(self):
            return 3000

    scores = RandomRouter(("a", "b", "c"), seed=1).score(Many())
    assert np.bincount(scores.argmax(axis=1)) == pytest.approx([1000] * 3, abs=100)
    assert scores.mean() == pytest.approx(0.5, abs=0.02)
