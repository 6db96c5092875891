import numpy as np
import pytest
from scipy.special import expit

from arms.baselines.embedding import EmbeddingRouter, Examples, best_on_val, fit_confidence_map, share_correct
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, queries_of

NAN = np.nan


class FirstNumbers(EmbeddingRouter):
    """Scores are the first S numbers of the vector, and what it was fitted on is kept."""

    scale = "rank"

    def fit_vectors(self, train, val, facts):
        self.seen = (train, val, facts)

    def score_vectors(self, vectors):
        return 100 * vectors[:, : len(self.vlms)]


def made(count, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 4))
    outcomes = (rng.random((count, 3)) < expit(3 * vectors[:, :3] - 1)).astype(np.float32)
    return queries_of(vectors), outcomes


def test_confidences_of_any_scale_are_calibrated_on_val_and_keep_their_order():
    (train, outcomes), (val, val_outcomes) = made(2000, 0), made(2000, 1)
    router = FirstNumbers(VLMS, features="concat").fit(train, outcomes, val, val_outcomes)
    slope, offset = router.confidence_map
    assert slope * 100 == pytest.approx(3, abs=0.2)
    assert offset == pytest.approx(-1, abs=0.15)
    vectors = val.embeddings.matrix("concat")
    np.testing.assert_array_equal(router.score(val).argmax(axis=1), vectors[:, :3].argmax(axis=1))
    others = FirstNumbers(VLMS, features="concat").fit(train, outcomes, val, 1 - val_outcomes)
    assert others.confidence_map != router.confidence_map, "of val alone"


def test_scores_that_point_the_wrong_way_change_no_choice():
    train, outcomes = made(500, 0)
    router = FirstNumbers(VLMS, features="concat").fit(train, 1 - outcomes)
    scores = router.score(train)
    np.testing.assert_array_equal(scores.argmax(axis=1), train.embeddings.matrix("concat")[:, :3].argmax(axis=1))
    assert scores.mean() == pytest.approx((1 - outcomes).mean(), abs=0.05)


@pytest.mark.parametrize(("outcome", "expected"), [(1, 30.5 / 31), (0, 0.5 / 31), (NAN, 0.5)])
def test_a_map_from_outcomes_of_one_kind_gives_their_share(outcome, expected):
    vectors = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    slope, offset = fit_confidence_map(lambda x: x, Examples(vectors, np.full((10, 3), outcome, dtype=np.float32)))
    assert slope > 0
    np.testing.assert_allclose(expit(slope * vectors + offset), expected, atol=1e-2)


def test_scores_all_alike_give_the_share():
    vectors = np.ones((10, 3), dtype=np.float32)
    outcomes = np.tile(np.array([1, 0, 0], dtype=np.float32), (10, 1))
    slope, offset = fit_confidence_map(lambda x: x, Examples(vectors, outcomes))
    assert expit(slope + offset) == pytest.approx(10.5 / 31, abs=1e-3)


def test_what_fit_hands_on():
    (train, outcomes), (val, val_outcomes) = made(20, 0), made(10, 1)
    router = FirstNumbers(VLMS, features="concat").fit(train, outcomes, val, np.full_like(val_outcomes, NAN))
    examples, none, facts = router.seen
    np.testing.assert_array_equal(examples.vectors, train.embeddings.matrix("concat"))
    assert none is None, "val without a known outcome is no val"
    assert (facts.costs, facts.tags, facts.profiles, facts.answers) == (None,) * 4


def test_queries_without_embeddings():
    train, outcomes = made(5, 0)
    with pytest.raises(ArmsError, match="no pooled embeddings"):
        FirstNumbers(VLMS, features="concat").fit(train.__class__(*[*vars(train).values()][:5]), outcomes)


def test_best_on_val():
    ems = {"one": 0.2, "two": 0.5, "three": 0.5}
    assert best_on_val(list(ems), ems.get) == "two"
    assert best_on_val(list(ems), None) == "one"


def test_share_correct():
    outcomes = np.array([[1, NAN, 0], [1, NAN, NAN], [0, NAN, NAN]])
    np.testing.assert_allclose(share_correct(outcomes), [2.5 / 4, 0.5, 0.25])
