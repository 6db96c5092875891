"""The EM by which training keeps an epoch and routers choose their settings."""

import numpy as np
import pytest

from arms.features.labelled import masked_em

NAN = np.nan
# The last VLM is new, and always the surest.
SCORES = np.tile([0.2, 0.5, 0.9], (4, 1))


def test_over_the_complete_cases():
    outcomes = np.array([[0, 0, 1], [1, 0, 0], [0, 1, NAN], [0, 1, NAN]])
    assert masked_em(SCORES, outcomes) == 1 / 2, "a partial replay would give 3/4 for choices among the old VLMs"
    assert masked_em(SCORES[:, :2], outcomes[:, :2]) == 2 / 3, "of the old pool three queries are answerable"


def test_without_complete_cases_it_is_a_partial_replay():
    outcomes = np.array([[0, NAN, 1], [1, NAN, 0], [0, 1, NAN], [NAN, 1, NAN]])
    assert masked_em(SCORES, outcomes) == 3 / 4
    unanswerable = np.array([[0, 0, 0], [1, NAN, 0], [0, 1, NAN], [NAN, 1, NAN]])
    assert masked_em(SCORES, unanswerable) == pytest.approx(2 / 3), "the only complete case has no right answer"


def test_a_vlm_without_outcomes_has_no_part_in_it():
    """As a new VLM that has outcomes on train and none on val."""
    outcomes = np.array([[0, 1, NAN], [1, 0, NAN], [NAN, 1, NAN], [1, NAN, NAN]])
    assert masked_em(SCORES, outcomes) == 1 / 2


@pytest.mark.parametrize("seed", range(5))
def test_nothing_missing_nothing_new(seed):
    rng = np.random.default_rng(seed)
    outcomes, scores = rng.integers(0, 2, (50, 3)).astype(float), rng.random((50, 3))
    right = [outcomes[row, scores[row].argmax()] for row in range(50) if outcomes[row].any()]
    assert masked_em(scores, outcomes) == pytest.approx(np.mean(right))


def test_no_query():
    assert masked_em(np.zeros((0, 2)), np.zeros((0, 2))) is None
