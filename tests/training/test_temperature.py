"""The temperature, against data whose temperature is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from arms.evaluation.metrics import expected_calibration_error
from arms.training.temperature import fit_temperature


def drawn(temperature, count=20000, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, 2)) * 2
    return logits, (rng.random(logits.shape) < expit(logits / temperature)).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_it_is_found(temperature):
    logits, outcomes = drawn(temperature)
    found = fit_temperature(logits, outcomes)
    assert found == pytest.approx(temperature, rel=0.05)
    confidence = expit(logits / found)
    before = expected_calibration_error(expit(logits).ravel(), outcomes.ravel())
    after = expected_calibration_error(confidence.ravel(), outcomes.ravel())
    assert after < 0.015
    assert after <= before + 0.003


def test_unknown_outcomes_are_ignored():
    logits, outcomes = drawn(2.0, count=500)
    extra = np.full((300, 2), np.nan, dtype=np.float32)
    noise = np.random.default_rng(1).normal(size=(300, 2)) * 9
    found = fit_temperature(np.concatenate([logits, noise]), np.concatenate([outcomes, extra]))
    assert found == pytest.approx(fit_temperature(logits, outcomes), rel=1e-6)
    assert fit_temperature(noise, extra) == 1.0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_no_other_temperature_is_better(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(60, 3)) * rng.uniform(0.2, 4)
    outcomes = rng.choice([0.0, 1.0, np.nan], size=logits.shape)
    outcomes[0, 0] = 1.0
    found = fit_temperature(logits, outcomes)
    assert 0.05 <= found <= 20
    known = ~np.isnan(outcomes)

    def loss(temperature):
        chance = expit(logits[known] / temperature).clip(1e-300, 1)
        other = expit(-logits[known] / temperature).clip(1e-300, 1)
        return -np.where(outcomes[known] == 1, np.log(chance), np.log(other)).mean()

    assert loss(found) <= min(loss(t) for t in np.geomspace(0.051, 19.9, 200)) + 1e-4
