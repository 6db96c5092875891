import numpy as np
import pytest
import torch

from arms.baselines.behaviour import Behaviour, BehaviourReadout, behaviour_on, check_new_vlm, linear_from_identity
from arms.errors import ArmsError

NAN = np.nan


def test_by_hand():
    """Two right at 0 and 6, one wrong at 9, the mean of all four is 5: (0 + 6 + 5 * 5) / 7 - (9 + 5 * 5) / 6."""
    states = torch.tensor([[0.0], [6.0], [9.0], [5.0]])
    outcomes = torch.tensor([[1, NAN, 1], [1, NAN, 1], [0, NAN, 1], [NAN, NAN, 1]])
    behaviour = behaviour_on(states, outcomes)
    assert behaviour.mean_H.tolist() == [5]
    np.testing.assert_allclose(behaviour.vectors_SH[:, 0], [31 / 7 - 34 / 6, 0, (20 + 25) / 9 - 5], atol=1e-6)
    np.testing.assert_allclose(behaviour.log_odds_S, np.log([2.5 / 1.5, 1, 4.5 / 0.5]), rtol=1e-6)


def test_by_loop():
    rng = np.random.default_rng(0)
    states, outcomes = rng.normal(size=(30, 4)), rng.choice([0, 1, NAN], size=(30, 5))
    behaviour = behaviour_on(torch.tensor(states, dtype=torch.float32), torch.tensor(outcomes, dtype=torch.float32))
    for j in range(5):
        right, wrong = states[outcomes[:, j] == 1], states[outcomes[:, j] == 0]
        drawn = [np.concatenate([kind, np.tile(states.mean(axis=0), (5, 1))]).mean(axis=0) for kind in (right, wrong)]
        np.testing.assert_allclose(behaviour.vectors_SH[j], drawn[0] - drawn[1], atol=1e-6)


def test_no_query_at_all():
    behaviour = behaviour_on(torch.empty(0, 3), torch.empty(0, 2))
    for tensor, shape in ((behaviour.vectors_SH, (2, 3)), (behaviour.log_odds_S, (2,)), (behaviour.mean_H, (3,))):
        np.testing.assert_array_equal(tensor, np.zeros(shape))


def test_a_readout_begins_as_discriminant_analysis():
    """The inner product of how far the query and the VLM's right queries are from the mean, plus the log odds."""
    behaviour = Behaviour(torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([0.5, -0.5]), torch.tensor([1.0, 1.0]))
    logits = BehaviourReadout(2)(torch.tensor([[2.0, 4.0], [1.0, 1.0]]), behaviour)
    np.testing.assert_allclose(logits.detach(), [[1 + 6 + 0.5, -3 - 0.5], [0.5, -0.5]])


def test_a_readout_that_has_learnt():
    readout = BehaviourReadout(2)
    with torch.no_grad():
        readout.query.weight.copy_(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
        readout.query.bias.copy_(torch.tensor([0.5, 0.0]))
        readout.level.weight.copy_(torch.tensor([[3.0, 1.0]]))
        readout.odds.copy_(torch.tensor([2.0, 0.25]))
        readout.log_scale.fill_(np.log(0.1))
    behaviour = Behaviour(torch.tensor([[1.0, 2.0]]), torch.tensor([0.5]), torch.tensor([1.0, 1.0]))
    # away [1, 3] -> [6.5, 1]; 0.1 * (6.5 + 2) + 2 * 0.5 + 0.25 + 3 + 3
    logits = readout(torch.tensor([[2.0, 4.0]]), behaviour).detach()
    assert float(logits) == pytest.approx(0.85 + 1.25 + 6)


@pytest.mark.parametrize("bias", [True, False])
def test_linear_from_identity(bias):
    vectors = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(linear_from_identity(3, bias=bias)(vectors), vectors)
    assert (linear_from_identity(3, bias=bias).bias is not None) == bias


@pytest.mark.parametrize(
    ("name", "outcomes", "message"),
    [
        ("b", [0, 1, 1], r"with_vlm: 'b' is in the pool already; the pool: a, b"),
        ("c", [0, 1], r"expected an outcome for each of the 3 training queries, shape \(3,\), got shape \(2,\)"),
        ("c", [[0, 1, 1]], r"got shape \(1, 3\)"),
        ("c", [0, 1, 0.5], r"with_vlm: expected outcomes of 1, 0 or NaN, got 0\.5"),
        ("c", [0, NAN, -1], r"expected outcomes of 1, 0 or NaN, got -1"),
    ],
)
def test_what_is_no_new_vlm(name, outcomes, message):
    with pytest.raises(ArmsError, match=message):
        check_new_vlm(name, ("a", "b"), np.array(outcomes, dtype=np.float32), 3, "training queries")


def test_a_new_vlm():
    check_new_vlm("c", ("a", "b"), np.array([0, 1, NAN]), 3, "training queries")
