import numpy as np
import pytest
import torch

from arms.baselines.facts import Facts
from arms.baselines.linear import LinearRouter
from arms.baselines.mlp import MlpRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from arms.training.losses import masked_em
from tests.baselines.made_vectors import VLMS, learnable, noisy, queries_of

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
    train, outcomes = noisy(60, 0)
    router = make(epochs=2).fit(train, outcomes)
    scores = router.score_vectors(train.embeddings.text)
    logits = router.net(torch.tensor(train.embeddings.text)).detach().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_it_learns_what_a_linear_router_cannot():
    """a is right where the signs of two numbers agree, b where they differ, c on 60 %."""

    def alternate(count, seed):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(count, 2))
        agree = vectors.prod(axis=1) > 0
        return queries_of(vectors), np.stack([agree, ~agree, rng.random(count) < 0.6], axis=1).astype(np.float32)

    (train, outcomes), (test, test_outcomes) = alternate(400, 0), alternate(300, 1)
    linear = LinearRouter(VLMS, features="concat", targets="soft", penalty=0.0, c=[1.0]).fit(train, outcomes)
    assert masked_em(linear.score(test), test_outcomes) < 0.7
    assert masked_em(make().fit(train, outcomes).score(test), test_outcomes) > 0.85


def test_it_learns_with_a_third_unknown():
    (train, outcomes), (test, test_outcomes) = learnable(300, 0, unknown=0.3), learnable(300, 1)
    em = masked_em(make(epochs=15).fit(train, outcomes).score(test), test_outcomes)
    assert em > 0.8 > np.nanmean(test_outcomes, axis=0).max()


def test_costs_decide_among_the_right():
    train, outcomes = noisy(80, 0)
    outcomes[:] = [1, 1, 0]
    costs = np.tile(np.array([2, 1, 0], dtype=np.float32), (80, 1))
    for targets in ("cheapest", "soft"):
        router = make(targets=targets).fit(train, outcomes, facts=Facts(costs=costs))
        assert (router.score(train).argmax(axis=1) == 1).all()


def test_unknown_outcomes_do_not_compete():
    """b is always right but known on a fifth of the queries, a is right on half of them."""
    (train, outcomes), (test, _) = noisy(200, 0), noisy(50, 1)
    outcomes[:, 0] = np.arange(200) % 2
    outcomes[:, 1] = np.where(np.arange(200) % 5 == 0, 1, NAN)
    outcomes[:, 2] = 0
    scores = make(epochs=10).fit(train, outcomes).score(test)
    assert (scores.argmax(axis=1) == 1).mean() > 0.9


def test_the_width_is_chosen_on_val():
    (train, outcomes), (val, val_outcomes) = noisy(60, 0), noisy(200, 1)
    candidates = [1, 64, 8]

    def em(width):
        return masked_em(make([width], epochs=4).fit(train, outcomes, val, val_outcomes).score(val), val_outcomes)

    assert len({em(width) for width in candidates}) > 1
    chosen = make(candidates, epochs=4).fit(train, outcomes, val, val_outcomes)
    assert chosen.hidden_width == max(candidates, key=em)
    assert make(candidates, epochs=1).fit(train, outcomes).hidden_width == 1


def test_all_randomness_is_the_seed_s():
    train, outcomes = noisy(40, 0)
    before = torch.get_rng_state()
    scores = [make(epochs=2, seed=seed).fit(train, outcomes).score(train) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()


def test_settings_are_checked():
    settings = {"features": "concat", "targets": "soft", "penalty": 0.0, "hidden_width": [], "epochs": 1}
    settings |= {"batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.0}
    with pytest.raises(ArmsError, match=r"baselines\.mlp\.hidden_width: List should have at least 1 item"):
        build_router("mlp", VLMS, settings, seed=1)
