from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from arms.baselines.embedding import EmbeddingRouter, best_on_val, fit_confidence_map, share_correct
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, label_vectors

NAN = np.nan


class FirstNumbers(EmbeddingRouter):
    """Scores are the first S numbers of the vector, and what it was fitted on is kept."""

    scale = "rank"

    def fit_vectors(self, train, val):
        self.seen = (train, val)

    def score_vectors(self, vectors):
        return 100 * vectors[:, : len(self.vlms)]


def make(features="concat"):
    return FirstNumbers(VLMS, features=features)


def made(count, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 4))
    return label_vectors(vectors, rng.random((count, 3)) < expit(3 * vectors[:, :3] - 1))


def inverted(labelled):
    return replace(labelled, outcomes=1 - labelled.outcomes)


def test_confidences_of_any_scale_are_calibrated_on_val_and_keep_their_order():
    train, val = made(2000, 0), made(2000, 1)
    router = make().fit(train, val)
    slope, offset = router.confidence_map
    assert slope * 100 == pytest.approx(3, abs=0.2)
    assert offset == pytest.approx(-1, abs=0.15)
    np.testing.assert_array_equal(router.score(val.queries).argmax(axis=1), val.vectors[:, :3].argmax(axis=1))
    assert make().fit(train, inverted(val)).confidence_map != router.confidence_map
    assert make().fit(inverted(train), val).confidence_map == router.confidence_map, "of val only"


def test_scores_that_point_the_inverted_change_no_choice():
    train = inverted(made(500, 0))
    scores = make().fit(train).score(train.queries)
    np.testing.assert_array_equal(scores.argmax(axis=1), train.vectors[:, :3].argmax(axis=1))
    assert scores.mean() == pytest.approx(train.outcomes.mean(), abs=0.05)


@pytest.mark.parametrize(("outcome", "expected"), [(1, 30.5 / 31), (0, 0.5 / 31), (NAN, 0.5)])
def test_a_map_from_outcomes_of_one_kind_gives_their_share(outcome, expected):
    train = label_vectors(np.random.default_rng(0).normal(size=(10, 3)), np.full((10, 3), outcome))
    slope, offset = fit_confidence_map(lambda x: x, train)
    assert slope > 0
    np.testing.assert_allclose(expit(slope * train.vectors + offset), expected, atol=1e-2)


def test_scores_all_alike_give_the_share():
    slope, offset = fit_confidence_map(lambda x: x, label_vectors(np.ones((10, 3)), [[1, 0, 0]] * 10))
    assert expit(slope + offset) == pytest.approx(10.5 / 31, abs=1e-3)


@pytest.mark.parametrize("features", ["concat", "normalised"])
def test_what_fit_hands_on(features):
    train, val = made(20, 0), made(10, 1)
    train = replace(train, tags=np.full(20, "one"), costs=np.ones((20, 3), np.float32))
    router = make(features).fit(train, val)
    for given, seen in zip((train, val), router.seen, strict=True):
        assert replace(seen, vectors=given.vectors).__dict__ == given.__dict__, "all the rest as it was"
        np.testing.assert_array_equal(seen.vectors, given.queries.embeddings.matrix(features))
    for nothing in (replace(val, outcomes=np.full_like(val.outcomes, NAN)), None):
        assert make().fit(train, nothing).seen[1] is None, "val without a known outcome is no val"


def test_queries_without_embeddings():
    train = made(5, 0)
    train = replace(train, queries=replace(train.queries, embeddings=None))
    with pytest.raises(ArmsError, match=r"no pooled embeddings; make them with arms\.features\.pooling"):
        make().fit(train)


def test_best_on_val():
    ems = {"one": 0.2, "two": 0.5, "three": 0.5}
    assert best_on_val(list(ems), ems.get) == "two"
    assert best_on_val(list(ems), None) == "one"


def test_share_correct():
    outcomes = np.array([[1, NAN, 0], [1, NAN, NAN], [0, NAN, NAN]])
    np.testing.assert_allclose(share_correct(outcomes), [2.5 / 4, 0.5, 0.25])
