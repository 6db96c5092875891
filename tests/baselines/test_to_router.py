from dataclasses import replace

import numpy as np
import pytest

from arms.baselines.registry import build_router
from arms.baselines.to_router import ToRouter, scale_within_query, similarity_to_truth
from arms.errors import ArmsError
from arms.features.labelled import Answers
from tests.baselines.made_vectors import (
    VLMS,
    best_share,
    check_randomness,
    em_on,
    label_vectors,
    learnable,
    noisy,
    raw_em_on,
)

NAN = np.nan
SETTINGS = {
    "features": "concat",
    "hidden_width": 16,
    "temperature": [0.3],
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}
# Unit vectors at 0, 60, 90 and 180 degrees: cosines 1, 0.5, 0 and -1 with the first.
ANGLES = np.deg2rad([0, 60, 90, 180])
TEXTS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)


def make(vlms=VLMS, seed=0, **changes):
    return ToRouter(vlms, **{**SETTINGS, **changes}, seed=seed)


def test_similarity_by_hand():
    """The cosine with the truth, or the outcome where answer or truth is missing; nothing where it is unknown."""
    outcomes = np.array([[1, 0, 0], [1, NAN, 0], [0, 1, 1], [NAN, NAN, NAN]], dtype=np.float32)
    answers = Answers(
        TEXTS,
        rows=np.array([[0, 1, 3], [-1, 0, 2], [0, 1, 2], [0, 0, 0]]),
        truth_rows=np.array([0, 0, -1, 0]),
    )
    expected = [[1, 0.5, -1], [1, NAN, 0], [0, 1, 1], [NAN, NAN, NAN]]
    np.testing.assert_allclose(similarity_to_truth(outcomes, answers), expected, atol=1e-6)
    np.testing.assert_array_equal(similarity_to_truth(outcomes, None), outcomes)


def test_no_text_was_recorded():
    outcomes = np.array([[1, 0, NAN]], dtype=np.float32)
    answers = Answers(np.empty((0, 2), np.float32), np.full((1, 3), -1), np.full(1, -1))
    np.testing.assert_array_equal(similarity_to_truth(outcomes, answers), outcomes)


def test_scaling_by_hand():
    values = np.array([[1, 0.5, -1], [0.3, NAN, 0.2], [0.7, 0.7 + 1e-7, NAN], [NAN, NAN, NAN]])
    expected = [[1, 0.75, 0], [1, NAN, 0], [1, 1, NAN], [NAN, NAN, NAN]]
    np.testing.assert_allclose(scale_within_query(values), expected, atol=1e-6)


def test_nearness_teaches_where_all_are_wrong():
    """No answer is right; a comes near the truth on positive queries, b on negative ones, c never."""
    vectors = np.random.default_rng(0).normal(size=(100, 2))
    positive = vectors[:, 0] > 0
    rows = np.stack([np.where(positive, 1, 2), np.where(positive, 2, 1), np.full(100, 3)], axis=1)
    answers = Answers(TEXTS, rows, np.zeros(100, dtype=np.int64))
    train = label_vectors(vectors, np.zeros((100, 3)))
    chosen = make().fit(replace(train, answers=answers)).score(train.queries).argmax(axis=1)
    assert (chosen == np.where(positive, 0, 1)).mean() > 0.95
    blind = make(epochs=40).fit(train).score_vectors(train.vectors)
    np.testing.assert_allclose(blind - blind.mean(axis=1, keepdims=True), 0, atol=0.05)  # nothing tells them apart


def test_without_answers_outcomes_are_learnt():
    """As with answers that are the truth's or its opposite."""
    train = noisy(40, 0)
    answers = Answers(TEXTS, np.where(train.outcomes == 1, 0, 3), np.zeros(40, dtype=np.int64))
    one, other = (make(epochs=3).fit(part).score(train.queries) for part in (train, replace(train, answers=answers)))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_it_learns_with_a_third_unknown():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make().fit(train)) > 0.8 > best_share(test)


def test_the_temperature_is_chosen_on_val():
    train, val = noisy(60, 0), noisy(80, 1)
    temperatures = [50.0, 0.3, 1.0]
    alone = [make(temperature=[one], epochs=3).fit(train, val) for one in temperatures]
    ems = [raw_em_on(val, router) for router in alone]
    chosen = make(temperature=temperatures, epochs=3).fit(train, val)
    assert len(set(ems)) > 1
    assert chosen.temperature == temperatures[int(np.argmax(ems))]
    assert make(temperature=temperatures, epochs=1).fit(train).temperature == 50.0


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


def test_settings_are_checked():
    with pytest.raises(ArmsError, match=r"baselines\.to-router\.temperature\.1: expected greater than 0, got -1\.0"):
        build_router("to-router", VLMS, {**SETTINGS, "temperature": [1.0, -1.0]}, seed=0)
