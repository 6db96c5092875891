"""The losses and the EM on val."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.features.labelled import masked_em
from arms.training.losses import balanced_weights, importance_loss, masked_loss

NAN = np.nan


class TestMaskedLoss:
    @settings(deadline=None, max_examples=100)
    @given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 10**6))
    def test_it_is_a_loop_over_the_known(self, num_queries, num_vlms, seed):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(num_queries, num_vlms)).astype(np.float32) * 4
        outcomes = rng.choice([0.0, 1.0, NAN], size=logits.shape).astype(np.float32)
        losses = []
        for t, y in zip(logits.flat, outcomes.flat, strict=True):
            if not math.isnan(y):
                c = 1 / (1 + math.exp(-t))
                losses.append(-math.log(c if y == 1 else 1 - c))
        got = masked_loss(torch.from_numpy(logits), torch.from_numpy(outcomes)).item()
        assert got == pytest.approx(np.mean(losses) if losses else 0, rel=1e-4, abs=1e-6)

    def test_a_missing_outcome_has_no_gradient_and_changes_none(self):
        logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]], requires_grad=True)
        masked_loss(logits, torch.tensor([[1.0, NAN], [NAN, 0.0]])).backward()
        sigmoid = torch.sigmoid(logits.detach())
        expected = torch.tensor([[(sigmoid[0, 0] - 1) / 2, 0], [0, sigmoid[1, 1] / 2]])
        torch.testing.assert_close(logits.grad, expected)

    def test_nothing_known(self):
        logits = torch.zeros(2, 2, requires_grad=True)
        loss = masked_loss(logits, torch.full((2, 2), NAN))
        loss.backward()
        assert loss == 0
        assert (logits.grad == 0).all()


class TestMaskedEm:
    def test_by_hand(self):
        logits = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 2.0, 0.0], [5.0, 1.0, 0.0], [9.0, 1.0, 0.0]])
        outcomes = np.array(
            [
                [0.0, 1.0, NAN],  # not a complete case
                [1.0, 0.0, 0.0],  # right
                [1.0, 0.0, 1.0],  # wrong
                [0.0, 0.0, 0.0],  # not answerable
                [NAN, NAN, NAN],  # unknown altogether
            ]
        )
        assert masked_em(logits, outcomes) == 1 / 2
        assert masked_em(logits[3:], outcomes[3:]) is None

    def test_no_queries(self):
        assert masked_em(np.zeros((0, 2)), np.zeros((0, 2))) is None


class TestClassWeights:
    def test_right_and_wrong_count_the_same_in_total(self):
        outcomes = np.array([[1, 1], [1, NAN], [1, 0], [0, 0]], dtype=np.float32)
        weights = balanced_weights(outcomes)
        np.testing.assert_allclose(weights, [[2, 0.75], [2 / 3, 1.5]], rtol=1e-6)
        for vlm in range(2):
            counts = [(outcomes[:, vlm] == value).sum() for value in (0, 1)]
            assert weights[0, vlm] * counts[0] == pytest.approx(weights[1, vlm] * counts[1])

    def test_a_vlm_with_outcomes_of_one_kind(self):
        outcomes = np.array([[1, NAN], [1, NAN]], dtype=np.float32)
        np.testing.assert_array_equal(balanced_weights(outcomes), np.ones((2, 2)))

    def test_they_weigh_the_loss(self):
        logits = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
        outcomes = torch.tensor([[1.0, 0.0], [0.0, NAN]])
        weights = torch.tensor([[3.0, 5.0], [7.0, 11.0]])
        terms = [7 * math.log(2), 5 * math.log(1 + math.e), 3 * math.log(1 + math.e**2)]
        assert masked_loss(logits, outcomes, weights).item() == pytest.approx(sum(terms) / 3, rel=1e-5)


class TestImportance:
    def test_its_ends(self):
        assert importance_loss(torch.full((5, 4), 0.25)).item() == pytest.approx(0)
        assert importance_loss(torch.eye(4)[torch.zeros(5, dtype=torch.int64)]).item() == pytest.approx(3)
        assert importance_loss(torch.eye(4)).item() == pytest.approx(0)  # each query its own expert

    def test_its_gradient_evens_out(self):
        gate = torch.tensor([[0.9, 0.1], [0.8, 0.2]], requires_grad=True)
        importance_loss(gate).backward()
        assert (gate.grad[:, 0] > 0).all()
        assert (gate.grad[:, 1] < 0).all()
