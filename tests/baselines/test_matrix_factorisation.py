import numpy as np
import pytest
import torch

from arms.baselines.matrix_factorisation import Factorisation, MatrixFactorisationRouter, pair_loss
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, best_share, check_randomness, em_on, learnable, noisy

NAN = np.nan


def make(dimension=(8,), epochs=30, seed=0):
    return MatrixFactorisationRouter(
        VLMS,
        features="concat",
        dimension=list(dimension),
        epochs=epochs,
        batch_size=32,
        learning_rate=0.02,
        weight_decay=0.0,
        seed=seed,
    )


def test_delta_by_its_formula():
    vectors = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    net = Factorisation(vectors, 3, 4)
    with torch.no_grad():
        net.weights_H.normal_(generator=torch.Generator().manual_seed(0))
        delta, projected = net(torch.tensor(vectors)), net.project(torch.tensor(vectors))
    weights, vlms = net.weights_H.detach(), net.vlms_SH.detach()
    for i in range(7):
        for j in range(3):
            expected = sum(weights[h] * vlms[j, h] / vlms[j].norm() * projected[i, h] for h in range(4))
            assert delta[i, j].item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_loss_is_the_mean_over_decided_pairs():
    outcomes = np.array([[1, 0, 0], [1, NAN, 1], [NAN, 0, 1], [NAN, NAN, NAN], [0, 0, 0]], dtype=np.float32)
    scores = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    pairs = [(0, 0, 1), (0, 0, 2), (2, 2, 1)]  # query, winner, loser
    expected = np.mean([np.log1p(np.exp(scores[i, loser] - scores[i, winner])) for i, winner, loser in pairs])
    assert pair_loss(torch.tensor(scores), torch.tensor(outcomes)).item() == pytest.approx(expected, abs=1e-6)
    assert pair_loss(torch.tensor(scores[3:]), torch.tensor(outcomes[3:])).item() == 0


def test_without_a_decided_pair_all_are_equal():
    train = noisy(40, 0)
    for same in (1, 0, NAN):
        train.outcomes[:] = same
        assert (make(epochs=2).fit(train).score_vectors(train.vectors) == 0).all()


def test_a_vlm_without_a_decided_pair_comes_last():
    """c is right, but only where nothing is known of the others."""
    train = noisy(60, 0)
    train.outcomes[:, 2] = NAN
    train.outcomes[:10] = [NAN, NAN, 1]
    scores = make(epochs=3).fit(train).score_vectors(train.vectors)
    np.testing.assert_array_equal(scores[:, 2], scores[:, :2].min(axis=1))


def test_undecided_queries_teach_nothing():
    train = noisy(60, 0)
    mixed = np.flatnonzero((train.outcomes == 1).any(axis=1) & (train.outcomes == 0).any(axis=1))
    assert 0 < len(mixed) < 60
    whole, part = make(epochs=3).fit(train), make(epochs=3).fit(train.subset(mixed))
    np.testing.assert_array_equal(*(router.score_vectors(train.vectors) for router in (whole, part)))


def test_it_learns():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make().fit(train)) > 0.85 > best_share(test)


def test_the_dimension_is_chosen_on_val():
    train, val = noisy(60, 0), noisy(200, 1)
    candidates = [1, 32, 4]

    def em(dimension):
        return em_on(val, make([dimension], epochs=4).fit(train, val))

    assert len({em(dimension) for dimension in candidates}) > 1
    chosen = make(candidates, epochs=4).fit(train, val)
    assert chosen.dimension == max(candidates, key=em)
    assert make(candidates, epochs=1).fit(train).dimension == 1


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


def test_settings_are_checked():
    settings = {"features": "concat", "dimension": [4], "epochs": 1, "batch_size": 8, "weight_decay": 0.0}
    with pytest.raises(ArmsError, match=r"baselines\.matrix-factorisation\.learning_rate: missing"):
        build_router("matrix-factorisation", VLMS, settings, seed=1)
