import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

from arms.baselines.gradient import Centre, NetRouter, make_mlp, net_outputs, seeded, train_small_net
from tests.baselines.made_vectors import VLMS, label_vectors

NAN = np.nan


class Weight(nn.Module):
    """One number."""

    def __init__(self, value=0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


def train(net, loss_on, num_rows, val_em=None, **changes):
    settings = {"epochs": 3, "batch_size": 4, "learning_rate": 0.1, "weight_decay": 0.0, "seed": 0}
    train_small_net(net, loss_on, num_rows, **{**settings, **changes}, val_em=val_em)


def test_logistic_regression():
    """Trained to the end, a linear net is scikit-learn's."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 3)).astype(np.float32)
    right = rng.random(200) < 1 / (1 + np.exp(-vectors @ [1.0, -2.0, 0.5] - 0.3))
    expected = LogisticRegression(C=np.inf).fit(vectors, right)
    with seeded(0):
        net = nn.Linear(3, 1)
    inputs, targets = torch.from_numpy(vectors), torch.tensor(right, dtype=torch.float32)
    train(
        net,
        lambda rows: F.binary_cross_entropy_with_logits(net(inputs[rows])[:, 0], targets[rows]),
        200,
        epochs=300,
        batch_size=200,
    )
    np.testing.assert_allclose(net.weight.detach().numpy(), expected.coef_, atol=0.01)
    np.testing.assert_allclose(net.bias.detach().numpy(), expected.intercept_, atol=0.01)


def test_the_rate_falls_to_zero_along_a_cosine():
    """Under a constant gradient each step of Adam is as long as the rate."""
    net, seen = Weight(), []

    def loss_on(rows):
        seen.append(net.value.item())
        return net.value * 1.0

    train(net, loss_on, 10)  # three steps an epoch, nine in all
    steps = -np.diff([*seen, net.value.item()])
    np.testing.assert_allclose(steps, 0.1 * (1 + np.cos(np.pi * np.arange(9) / 9)) / 2, rtol=1e-4)


def test_each_row_once_an_epoch_in_another_order():
    net, batches = Weight(), []

    def loss_on(rows):
        batches.append(rows.tolist())
        return net.value * 1.0

    train(net, loss_on, 10)
    assert [len(batch) for batch in batches] == [4, 4, 2] * 3
    epochs = [[row for batch in batches[start : start + 3] for row in batch] for start in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


@pytest.mark.parametrize(("ems", "kept"), [([0.2, 0.9, 0.4], 1), ([0.5, 0.5, 0.5], 0), ([0.0, 0.1, 0.2], 2)])
def test_the_best_epoch_on_val_is_kept(ems, kept):
    net, values = Weight(), []

    def val_em():
        assert not net.training
        assert not torch.is_grad_enabled()
        values.append(net.value.item())
        return ems[len(values) - 1]

    train(net, lambda rows: net.value * 1.0, 10, val_em=val_em)
    assert len(set(values)) == 3
    assert net.value.item() == values[kept]
    assert not net.training


def test_without_val_the_last_epoch_is_kept():
    one, other = Weight(), Weight()
    train(one, lambda rows: one.value * 1.0, 10)
    train(other, lambda rows: other.value * 1.0, 10, val_em=iter([0.1, 0.2, 0.3]).__next__)
    assert one.value.item() == other.value.item() < 0


def test_without_rows_the_net_stays():
    net = Weight(0.7)
    train(net, lambda rows: net.value * 1.0, 0, val_em=lambda: 1.0)
    assert net.value.item() == pytest.approx(0.7)


def test_what_a_net_draws_follows_from_the_seed():
    """Dropout draws from torch's generator, which is left as it was."""
    inputs = torch.linspace(-1, 1, 40).reshape(8, 5)

    def trained(seed):
        with seeded(5):
            net = nn.Sequential(nn.Linear(5, 16), nn.Dropout(0.5), nn.Linear(16, 1))
        train(net, lambda rows: net(inputs[rows]).square().mean(), 8, seed=seed)
        return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])

    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = trained(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(trained(3), one)
    assert not torch.equal(trained(4), one)


def test_seeded_gives_the_generator_back_after_an_error():
    before = torch.get_rng_state()
    with seeded(3):
        inside = torch.rand(4)
    with seeded(3):
        assert torch.equal(torch.rand(4), inside)
    with pytest.raises(RuntimeError), seeded(3):
        torch.rand(-1)
    assert torch.equal(torch.get_rng_state(), before)


def test_centre():
    """Mean 0 and mean square 1 in all, by one scale, so that differences keep their proportions."""
    vectors = np.random.default_rng(0).normal(3, [0.01, 0.02, 0.1], size=(50, 3)).astype(np.float32)
    centred = Centre(vectors)(torch.from_numpy(vectors)).numpy()
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-4)
    assert np.square(centred).mean() == pytest.approx(1, rel=1e-4)
    ratio = (centred[1:] - centred[0]) / (vectors[1:] - vectors[0])
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-2)
    alike = np.full((4, 3), 0.3, dtype=np.float32)
    np.testing.assert_allclose(Centre(alike)(torch.from_numpy(alike)), 0, atol=1e-6)


def test_an_mlp_by_hand():
    vectors = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    with seeded(0):
        net = make_mlp(vectors, 4, 3)
    centre, first, _, last = net
    hidden = centre(torch.from_numpy(vectors)) @ first.weight.T + first.bias
    expected = F.gelu(hidden) @ last.weight.T + last.bias
    np.testing.assert_allclose(net_outputs(net, vectors), expected.detach(), atol=1e-6)


class Constant(NetRouter):
    """Scores that are the same for all queries, one row for each candidate."""

    def fit_vectors(self, train, val):
        self.begun = []

        def begin(scores):
            self.begun.append((scores, float(torch.rand(()))))
            net = nn.Linear(1, len(scores))
            nn.init.zeros_(net.weight)
            net.bias.data = torch.tensor(scores)
            return net, lambda rows: net(torch.zeros(len(rows), 1)).sum() * 0

        self.chosen = self.fit_net([(0.0, 2.0, 1.0), (3.0, 1.0, 2.0), (4.0, 0.0, 1.0)], begin, train, val)


def constant(outcomes, val_outcomes=None):
    router = Constant(VLMS, features="concat", epochs=2, batch_size=2, learning_rate=0.1, weight_decay=0.0, seed=7)
    train, val = (
        None if some is None else label_vectors(np.zeros((len(some), 1)), some) for some in (outcomes, val_outcomes)
    )
    return router.fit(train, val)


def test_the_best_candidate_on_val_is_kept():
    outcomes = [[1, 0, 0], [0, 1, 1]]
    router = constant(outcomes, [[1, 0, 0], [1, 1, 0], [1, 0, 1]])
    assert router.chosen == (3.0, 1.0, 2.0)  # the first of the two that take a
    np.testing.assert_array_equal(router.score_vectors(np.zeros((2, 1), np.float32)), [[3, 1, 2]] * 2)
    assert [scores for scores, _ in router.begun] == [(0.0, 2.0, 1.0), (3.0, 1.0, 2.0), (4.0, 0.0, 1.0)]
    assert len({drawn for _, drawn in router.begun}) == 1  # every candidate begins from the seed


def test_without_val_only_the_first_candidate_is_trained():
    router = constant([[1, 0, 0], [0, 1, 1]])
    assert router.chosen == (0.0, 2.0, 1.0)
    assert len(router.begun) == 1


def test_a_vlm_without_outcomes_takes_the_lowest_score():
    router = constant([[1, NAN, 0], [0, NAN, 1]])
    np.testing.assert_array_equal(router.score_vectors(np.zeros((1, 1), np.float32)), [[0, 0, 1]])
    nothing = constant([[NAN, NAN, NAN]])
    np.testing.assert_array_equal(nothing.score_vectors(np.zeros((1, 1), np.float32)), [[0, 2, 1]])
