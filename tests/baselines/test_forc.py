import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.nn import functional as F

from arms.baselines.facts import Facts
from arms.baselines.forc import ForcRouter, PairNet
from arms.baselines.gradient import seeded
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from arms.training.losses import masked_em
from tests.baselines.made_vectors import VLMS, learnable, noisy, queries_of

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


def profiles(count, width=4, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_net_is_one_on_joined_vectors():
    """Each pair's logit, by one layer on [query; profile]."""
    rng = np.random.default_rng(0)
    vectors, sentences = rng.normal(size=(6, 5)).astype(np.float32), profiles(3)
    with seeded(0):
        net = PairNet(vectors, 3, sentences, 8)
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
    train, outcomes = noisy(60, 0)
    given = make(epochs=2).fit(train, outcomes, facts=Facts(profiles=profiles(3)))
    assert "profiles_SP" not in dict(given.net.named_parameters())
    learned = [make(epochs=epochs).fit(train, outcomes).net.profiles_SP for epochs in (1, 2)]
    assert learned[0].requires_grad
    assert not torch.equal(*learned)


def test_scores_are_chances():
    train, outcomes = noisy(60, 0)
    router = make(epochs=2).fit(train, outcomes, facts=Facts(profiles=profiles(3)))
    logits = router.net(torch.from_numpy(train.embeddings.text)).detach().numpy()
    np.testing.assert_allclose(router.score(train), expit(logits), atol=1e-6)


@pytest.mark.parametrize("facts", [Facts(), Facts(profiles=profiles(3))])
def test_chances_where_nothing_tells_queries_apart(facts):
    """Each VLM's share of its known outcomes."""
    outcomes = np.array([[1, 0, 1], [1, NAN, 0], [0, 0, NAN], [1, 1, NAN]], dtype=np.float32)
    router = make(epochs=300, batch_size=4).fit(queries_of(np.ones((4, 2))), outcomes, facts=facts)
    np.testing.assert_allclose(router.score(queries_of(np.ones((1, 2))))[0], [3 / 4, 1 / 3, 1 / 2], atol=0.01)


@pytest.mark.parametrize("facts", [Facts(), Facts(profiles=profiles(3))])
def test_it_learns_with_a_third_unknown(facts):
    (train, outcomes), (test, test_outcomes) = learnable(300, 0, unknown=0.3), learnable(300, 1)
    em = masked_em(make().fit(train, outcomes, facts=facts).score(test), test_outcomes)
    assert em > 0.8 > np.nanmean(test_outcomes, axis=0).max()


def test_a_vlm_that_was_never_run_is_judged_by_its_profile():
    train, outcomes = learnable(200, 0)
    outcomes = np.concatenate([outcomes, np.full((200, 1), NAN, np.float32)], axis=1)
    sentences = profiles(3)[[0, 1, 2, 1]]
    scores = make((*VLMS, "d")).fit(train, outcomes, facts=Facts(profiles=sentences)).score(train)
    np.testing.assert_allclose(scores[:, 3], scores[:, 1], atol=1e-6)
    assert np.abs(scores[:, 3] - scores[:, 0]).max() > 0.5


def test_the_width_is_chosen_on_val():
    (train, outcomes), (val, val_outcomes) = noisy(60, 0), noisy(80, 1)
    widths = [1, 4, 64]
    alone = [make(hidden_width=[width], epochs=3).fit(train, outcomes, val, val_outcomes) for width in widths]
    ems = [masked_em(router.score(val), val_outcomes) for router in alone]
    chosen = make(hidden_width=widths, epochs=3).fit(train, outcomes, val, val_outcomes)
    assert len(set(ems)) > 1
    assert chosen.hidden_width == widths[int(np.argmax(ems))]
    assert make(hidden_width=widths, epochs=1).fit(train, outcomes).hidden_width == 1


def test_the_global_generator_has_no_say():
    train, outcomes = noisy(40, 0)
    torch.manual_seed(1)
    one = make(epochs=1).fit(train, outcomes).score(train)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    np.testing.assert_array_equal(make(epochs=1).fit(train, outcomes).score(train), one)
    assert torch.equal(torch.get_rng_state(), before)


def test_settings_are_checked():
    with pytest.raises(ArmsError, match=r"baselines\.forc\.hidden_width: expected a valid list, got 16"):
        build_router("forc", VLMS, {**SETTINGS, "hidden_width": 16}, seed=0)
