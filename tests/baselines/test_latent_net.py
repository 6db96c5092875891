"""The net, once more by loops over queries, capsules and tokens."""

import numpy as np
import pytest
import torch

from arms.baselines.gradient import seeded
from arms.baselines.latent_net import Capabilities, LatentNet

NAN = np.nan
BASE, ABOVE = np.array([0.5, -1.0, 0.2], np.float32), np.array([[0.3, -0.2], [0.0, 1.0], [-0.7, 0.4]], np.float32)


def make(seen=(True, True, True), order=(0, 1, 2), bound=2.0, drawn=True):
    """A net on vectors of four numbers, of which every weight is drawn."""
    order = list(order)
    capabilities = Capabilities(BASE[order], ABOVE[order], np.array(seen)[order])
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    with seeded(0):
        net = LatentNet(vectors, capabilities, num_capsules=2, width=3, num_rounds=2, bound=bound)
        if drawn:
            for weight in net.parameters():
                torch.nn.init.normal_(weight, std=0.7)
    return net.requires_grad_(False)


def queries():
    return torch.tensor(np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32))


def hear(module, states, others, heard):
    """What each state becomes after it has heard some of the others."""
    said = [module.norm_others(other) for other, there in zip(others, heard, strict=True) if there]
    after = []
    for state in states:
        asked = module.query(module.norm(state))
        weights = torch.softmax(torch.stack([asked @ module.key(one) for one in said]) / 3**0.5, dim=0)
        state = state + sum(weight * module.value(one) for weight, one in zip(weights, said, strict=True))
        after.append(state + module.hidden(module.norm_hidden(state)))
    return after


@pytest.mark.parametrize("seen", [(True, True, True), (True, False, True)])
def test_by_loop(seen):
    net = make(seen)
    logits = net(queries())
    assert logits.shape == (5, 3)
    centre, linear, _ = net.capsules
    for i, vector in enumerate(queries()):
        capsules = list(linear(centre(vector)).reshape(2, 3))
        tokens = [net.tokens(torch.tensor([base, *above])) for base, above in zip(BASE, ABOVE, strict=True)]
        for exchange in net.rounds:
            capsules = hear(exchange.to_capsules, capsules, tokens, seen)
            tokens = hear(exchange.to_tokens, tokens, capsules, (True, True))
        for j, token in enumerate(tokens):
            expected = BASE[j] + 2.0 * torch.tanh(net.correction(net.norm(token)))
            assert float(logits[i, j]) == pytest.approx(float(expected), abs=1e-5)


def test_it_starts_at_the_log_odds():
    net = make(drawn=False)
    np.testing.assert_array_equal(net(queries()), np.tile(BASE, (5, 1)))


@pytest.mark.parametrize("bound", [0.5, 3.0])
def test_the_correction_is_bounded(bound):
    net = make(bound=bound)
    net.correction.weight *= 1000
    away = np.abs(net(1000 * queries()).numpy() - BASE)
    assert away.max() == pytest.approx(bound, abs=1e-5)


def test_the_vlms_share_all_weights():
    order = [2, 0, 1]
    torch.testing.assert_close(make(order=order)(queries()), make()(queries())[:, order])


def test_a_vlm_that_is_not_seen_changes_nothing_for_the_others():
    one, other = make((True, False, True)), make((True, False, True))
    other.get_buffer("told_SP")[1] += 3.0
    np.testing.assert_allclose(one(queries())[:, [0, 2]], other(queries())[:, [0, 2]], atol=1e-6)
    one, other = make(), make()
    other.get_buffer("told_SP")[1] += 3.0
    assert (one(queries())[:, [0, 2]] - other(queries())[:, [0, 2]]).abs().max() > 1e-3


def test_no_vlm_is_seen():
    assert torch.isfinite(make((False, False, False))(queries())).all()


def test_queries_are_scored_one_by_one():
    net = make()
    alone = torch.cat([net(query[None]) for query in queries()])
    torch.testing.assert_close(alone, net(queries()))


def test_capabilities_by_hand():
    """Shares are (3 + 0.5) / 6, (1 + 0.5) / 3 and 0.5; each counts as one more outcome in a cluster."""
    outcomes = np.array([[1, 1, NAN], [1, NAN, NAN], [0, NAN, NAN], [1, 0, NAN], [0, NAN, NAN]], np.float32)
    found = Capabilities.of(outcomes, np.array([0, 0, 1, 1, 2]))

    def log_odds(share):
        return np.log(share / (1 - share))

    shares = np.array([3.5 / 6, 0.5, 0.5])
    np.testing.assert_allclose(found.base_S, log_odds(shares), atol=1e-6)
    in_clusters = np.array(
        [
            [(2 + shares[0]) / 3, (1 + shares[0]) / 3, (0 + shares[0]) / 2],
            [(1 + 0.5) / 2, (0 + 0.5) / 2, 0.5],
            [0.5, 0.5, 0.5],
        ]
    )
    np.testing.assert_allclose(found.above_SC, log_odds(in_clusters) - log_odds(shares)[:, None], atol=1e-6)
    assert found.seen_S.tolist() == [True, True, False]
    assert found.base_S.dtype == found.above_SC.dtype == np.float32
