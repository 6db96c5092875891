import numpy as np
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from arms.baselines.ovr import OvrRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from arms.training.losses import masked_em
from tests.baselines.made_vectors import VLMS, learnable, noisy, queries_of

NAN = np.nan


def make(c, class_weights="balanced"):
    return OvrRouter(VLMS, features="concat", class_weights=class_weights, c=c)


@pytest.mark.parametrize(("class_weights", "weights"), [("balanced", "balanced"), ("none", None)])
def test_against_one_regression_at_a_time(class_weights, weights):
    (train, outcomes), (test, _) = noisy(90, 0), noisy(25, 1)
    router = make([0.3], class_weights).fit(train, outcomes)
    scaler = StandardScaler().fit(train.embeddings.text)
    for j in range(3):
        known = [i for i in range(90) if outcomes[i, j] in (0, 1)]
        alone = LogisticRegression(C=0.3, class_weight=weights).fit(
            scaler.transform(train.embeddings.text[known]), outcomes[known, j]
        )
        expected = alone.decision_function(scaler.transform(test.embeddings.text))
        np.testing.assert_allclose(router.score_vectors(test.embeddings.text)[:, j], expected, atol=1e-5)


def test_balanced_classes_forget_how_often_a_vlm_is_right():
    """Vectors that tell nothing: balanced log odds are 0 for all, the others are those of the share."""
    train = queries_of(np.zeros((8, 2)))
    outcomes = np.array([[1, 0, 1], [1, 0, 0]] * 3 + [[0, 1, 1], [1, 1, 0]], dtype=np.float32)
    balanced, plain = (
        make([1.0], name).fit(train, outcomes).score_vectors(np.zeros((1, 2))) for name in ("balanced", "none")
    )
    np.testing.assert_allclose(balanced, [[0, 0, 0]], atol=1e-3)
    np.testing.assert_allclose(plain, [logit([7 / 8, 2 / 8, 4 / 8])], atol=1e-3)


def test_outcomes_of_one_kind_give_the_smoothed_share():
    train, outcomes = noisy(20, 0)
    outcomes[:, 0], outcomes[:, 1] = 1, NAN
    outcomes[:5, 1] = 0
    outcomes[:, 2] = NAN
    scores = make([1.0]).fit(train, outcomes).score_vectors(train.embeddings.text)
    np.testing.assert_allclose(scores, np.tile(logit([20.5 / 21, 0.5 / 6, 0.5]), (20, 1)), atol=1e-5)


def test_c_is_chosen_on_val():
    (train, outcomes), (val, val_outcomes) = noisy(60, 0), noisy(200, 1)
    candidates = [1e-6, 100.0, 0.1, 0.01]

    def em(c):
        return masked_em(make([c]).fit(train, outcomes).score(val), val_outcomes)

    assert len({em(c) for c in candidates}) > 1
    assert make(candidates).fit(train, outcomes, val, val_outcomes).regressions.c == max(candidates, key=em)
    assert make(candidates).fit(train, outcomes).regressions.c == 1e-6


def test_it_learns():
    (train, outcomes), (test, test_outcomes) = learnable(200, 0, unknown=0.3), learnable(300, 1)
    em = masked_em(make([1.0]).fit(train, outcomes).score(test), test_outcomes)
    assert em > 0.9 > np.nanmean(test_outcomes, axis=0).max()


def test_settings_are_checked():
    settings = {"features": "concat", "class_weights": "balanced"}
    with pytest.raises(ArmsError, match=r"baselines\.ovr\.c\.1: expected greater than 0, got -1"):
        build_router("ovr", VLMS, {**settings, "c": [1, -1]}, seed=1)
    with pytest.raises(ArmsError, match=r"baselines\.ovr\.c: missing"):
        build_router("ovr", VLMS, settings, seed=1)
