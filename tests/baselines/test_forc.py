from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.nn import functional as F

from arms.baselines.forc import ForcRouter, PairNet
from arms.baselines.gradient import seeded
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from arms.features.pooled import unit_norm
from tests.baselines.made_vectors import (
    VLMS,
    best_share,
    check_randomness,
    em_on,
    label_vectors,
    learnable,
    noisy,
    queries_of,
)

NAN = np.nan
SETTINGS = {
    "features": "concat",
    "hidden_width": [16],
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.02,
    "weight_decay": 0.0,
}


def make(vlms=VLMS, seed=0, **changes):
    return ForcRouter(vlms, **{**SETTINGS, **changes}, seed=seed)


PROFILES = unit_norm(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))


def test_the_net_is_one_on_joined_vectors():
    """Each pair's logit, by one layer on [query; profile]."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 5)).astype(np.float32)
    with seeded(0):
        net = PairNet(vectors, 3, PROFILES, 8)
    centre, linear = net.query
    joint = torch.cat([linear.weight, net.vlm.weight], dim=1)
    queries = centre(torch.from_numpy(vectors))
    with torch.no_grad():
        logits = net(torch.from_numpy(vectors))
        for i in range(6):
            for j in range(3):
                hidden = F.gelu(joint @ torch.cat([queries[i], net.profiles_SP[j]]) + linear.bias)
                expected = net.output(hidden)
                np.testing.assert_allclose(logits[i, j], expected[0], atol=1e-5)


def test_profiles_stay_as_they_are_and_learned_ones_train():
    train = noisy(60, 0)
    given = make(epochs=2).fit(replace(train, profiles=PROFILES))
    assert "profiles_SP" not in dict(given.net.named_parameters())
    learned = [make(epochs=epochs).fit(train).net.profiles_SP for epochs in (1, 2)]
    assert learned[0].requires_grad
    assert not torch.equal(*learned)


def test_scores_are_chances():
    train = noisy(60, 0)
    router = make(epochs=2).fit(replace(train, profiles=PROFILES))
    logits = router.net(torch.from_numpy(train.vectors)).detach().numpy()
    np.testing.assert_allclose(router.score(train.queries), expit(logits), atol=1e-6)


@pytest.mark.parametrize("profiles", [None, PROFILES])
def test_chances_where_nothing_tells_queries_apart(profiles):
    """Each VLM's share of its known outcomes."""
    outcomes = [[1, 0, 1], [1, NAN, 0], [0, 0, NAN], [1, 1, NAN]]
    train = label_vectors(np.ones((4, 2)), outcomes, profiles=profiles)
    router = make(epochs=300, batch_size=4).fit(train)
    np.testing.assert_allclose(router.score(queries_of(np.ones((1, 2))))[0], [3 / 4, 1 / 3, 1 / 2], atol=0.01)


@pytest.mark.parametrize("profiles", [None, PROFILES])
def test_it_learns_with_a_third_unknown(profiles):
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make().fit(replace(train, profiles=profiles))) > 0.8 > best_share(test)


def test_a_vlm_that_was_never_run_is_judged_by_its_profile():
    train = learnable(200, 0)
    outcomes = np.c_[train.outcomes, np.full(200, NAN)]
    train = label_vectors(train.vectors, outcomes, profiles=PROFILES[[0, 1, 2, 1]])
    scores = make((*VLMS, "d")).fit(train).score(train.queries)
    np.testing.assert_allclose(scores[:, 3], scores[:, 1], atol=1e-6)
    assert np.abs(scores[:, 3] - scores[:, 0]).max() > 0.5


def test_the_width_is_chosen_on_val():
    train, val = noisy(60, 0), noisy(80, 1)
    widths = [1, 4, 64]
    alone = [make(hidden_width=[width], epochs=3).fit(train, val) for width in widths]
    ems = [em_on(val, router) for router in alone]
    chosen = make(hidden_width=widths, epochs=3).fit(train, val)
    assert len(set(ems)) > 1
    assert chosen.hidden_width == widths[int(np.argmax(ems))]
    assert make(hidden_width=widths, epochs=1).fit(train).hidden_width == 1


def test_all_randomness_is_the_seed_s():
    check_randomness(make)


def test_settings_are_checked():
    with pytest.raises(ArmsError, match=r"baselines\.forc\.hidden_width: expected a valid list, got 16"):
        build_router("forc", VLMS, {**SETTINGS, "hidden_width": 16}, seed=0)
