import numpy as np
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from arms.baselines.ovr import OvrRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, best_share, em_on, label_vectors, learnable, noisy

NAN = np.nan


def make(c, class_weights="balanced"):
    return OvrRouter(VLMS, features="concat", class_weights=class_weights, c=c)


@pytest.mark.parametrize(("class_weights", "weights"), [("balanced", "balanced"), ("none", None)])
def test_against_one_regression_at_a_time(class_weights, weights):
    train, test = noisy(90, 0), noisy(25, 1)
    router = make([0.3], class_weights).fit(train)
    scaler = StandardScaler().fit(train.vectors)
    for j in range(3):
        known = [i for i in range(90) if train.outcomes[i, j] in (0, 1)]
        alone = LogisticRegression(C=0.3, class_weight=weights).fit(
            scaler.transform(train.vectors[known]), train.outcomes[known, j]
        )
        expected = alone.decision_function(scaler.transform(test.vectors))
        np.testing.assert_allclose(router.score_vectors(test.vectors)[:, j], expected, atol=1e-5)


def test_balanced_classes_forget_how_often_a_vlm_is_right():
    """Vectors that tell nothing: balanced log odds are 0 for all, the others are those of the share."""
    train = label_vectors(np.zeros((8, 2)), [[1, 0, 1], [1, 0, 0]] * 3 + [[0, 1, 1], [1, 1, 0]])
    balanced, plain = (make([1.0], name).fit(train).score_vectors(np.zeros((1, 2))) for name in ("balanced", "none"))
    np.testing.assert_allclose(balanced, [[0, 0, 0]], atol=1e-3)
    np.testing.assert_allclose(plain, [logit([7 / 8, 2 / 8, 4 / 8])], atol=1e-3)


def test_outcomes_of_one_kind_give_the_smoothed_share():
    train = noisy(20, 0)
    train.outcomes[:] = [1, NAN, NAN]
    train.outcomes[:5, 1] = 0
    scores = make([1.0]).fit(train).score_vectors(train.vectors)
    np.testing.assert_allclose(scores, np.tile(logit([20.5 / 21, 0.5 / 6, 0.5]), (20, 1)), atol=1e-5)


def test_c_is_chosen_on_val():
    train, val = noisy(60, 0), noisy(200, 1)
    candidates = [1e-6, 100.0, 0.1, 0.01]

    def em(c):
        return em_on(val, make([c]).fit(train))

    assert len({em(c) for c in candidates}) > 1
    assert make(candidates).fit(train, val).regressions.c == max(candidates, key=em)
    assert make(candidates).fit(train).regressions.c == 1e-6


def test_it_learns():
    train, test = learnable(200, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make([1.0]).fit(train)) > 0.9 > best_share(test)


def test_settings_are_checked():
    settings = {"features": "concat", "class_weights": "balanced"}
    with pytest.raises(ArmsError, match=r"baselines\.ovr\.c\.1: expected greater than 0, got -1"):
        build_router("ovr", VLMS, {**settings, "c": [1, -1]}, seed=1)
    with pytest.raises(ArmsError, match=r"baselines\.ovr\.c: missing"):
        build_router("ovr", VLMS, settings, seed=1)
