from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.baselines.linear import LinearRouter
from arms.baselines.mlp import MlpRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, best_share, check_randomness, em_on, label_vectors, learnable, noisy

NAN = np.nan


def make(hidden_width=(16,), targets="soft", penalty=0.5, epochs=30, seed=0):
    return MlpRouter(
        VLMS,
        features="concat",
        targets=targets,
        penalty=penalty,
        hidden_width=list(hidden_width),
        epochs=epochs,
        batch_size=32,
        learning_rate=0.02,
        weight_decay=0.0,
        seed=seed,
    )


def test_scores_are_the_shares_of_a_softmax():
    train = noisy(60, 0)
    router = make(epochs=2).fit(train)
    scores = router.score_vectors(train.vectors)
    logits = router.net(torch.tensor(train.vectors)).detach().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_it_learns_what_a_linear_router_cannot():
    """a is right where the signs of two numbers agree, b where they differ, c on 60 %."""

    def alternate(count, seed):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(count, 2))
        agree = vectors.prod(axis=1) > 0
        return label_vectors(vectors, np.stack([agree, ~agree, rng.random(count) < 0.6], axis=1))

    train, test = alternate(400, 0), alternate(300, 1)
    linear = LinearRouter(VLMS, features="concat", targets="soft", penalty=0.0, c=[1.0]).fit(train)
    assert em_on(test, linear) < 0.7
    assert em_on(test, make().fit(train)) > 0.85


def test_it_learns_with_a_third_unknown():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make(epochs=15).fit(train)) > 0.8 > best_share(test)


def test_costs_decide_among_the_right():
    train = noisy(80, 0)
    train.outcomes[:] = [1, 1, 0]
    train = replace(train, costs=np.tile(np.float32([2, 1, 0]), (80, 1)))
    for targets in ("cheapest", "soft"):
        router = make(targets=targets).fit(train)
        assert (router.score(train.queries).argmax(axis=1) == 1).all()


def test_unknown_outcomes_do_not_compete():
    """b is always right but known on a fifth of the queries, a is right on half of them."""
    train, test = noisy(200, 0), noisy(50, 1)
    train.outcomes[:, 0] = np.arange(200) % 2
    train.outcomes[:, 1] = np.where(np.arange(200) % 5 == 0, 1, NAN)
    train.outcomes[:, 2] = 0
    scores = make(epochs=10).fit(train).score(test.queries)
    assert (scores.argmax(axis=1) == 1).mean() > 0.9


def test_the_width_is_chosen_on_val():
    train, val = noisy(60, 0), noisy(200, 1)
    candidates = [1, 64, 8]

    def em(width):
        return em_on(val, make([width], epochs=4).fit(train, val))

    assert len({em(width) for width in candidates}) > 1
    chosen = make(candidates, epochs=4).fit(train, val)
    assert chosen.hidden_width == max(candidates, key=em)
    assert make(candidates, epochs=1).fit(train).hidden_width == 1


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


def test_settings_are_checked():
    settings = {"features": "concat", "targets": "soft", "penalty": 0.0, "hidden_width": [], "epochs": 1}
    settings |= {"batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.0}
    with pytest.raises(ArmsError, match=r"baselines\.mlp\.hidden_width: expected 1 or more, got \[\]"):
        build_router("mlp", VLMS, settings, seed=1)
