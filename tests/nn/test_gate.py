import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.nn.gate import Gate, keep_largest


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_equations_2_and_3_by_hand():
    gate = Gate(2, 1, num_experts=3, top_k=3)
    weight = np.array([[1.0, 0.0, 2.0], [0.5, -1.0, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    bias = np.array([0.0, 1.0, -1.0], dtype=np.float32)
    gate.load_state_dict({"project.weight": torch.from_numpy(weight), "project.bias": torch.from_numpy(bias)})
    question_ND = np.array([[1.0, 2.0], [0.0, -1.0]], dtype=np.float32)
    image_ND = np.array([[0.5], [-2.0]], dtype=np.float32)
    expected = softmax(np.concatenate([question_ND, image_ND], axis=1) @ weight.T + bias)
    got = gate(torch.from_numpy(question_ND), torch.from_numpy(image_ND)).detach().numpy()
    np.testing.assert_allclose(got, expected, atol=1e-6)
    # the first query's logits are 2, -0.5 and -1
    assert got[0] == pytest.approx(np.exp([2, -0.5, -1]) / np.exp([2, -0.5, -1]).sum(), abs=1e-6)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 10**6), st.data())
def test_rows_sum_to_1_and_the_largest_are_kept(num_experts, num_queries, seed, data):
    top_k = data.draw(st.integers(1, num_experts))
    torch.manual_seed(seed)
    gate = Gate(4, 3, num_experts, top_k)
    question_ND, image_ND = torch.randn(num_queries, 4), torch.randn(num_queries, 3)
    got = gate(question_ND, image_ND)
    assert got.shape == (num_queries, num_experts)
    torch.testing.assert_close(got.sum(dim=1), torch.ones(num_queries))
    assert ((got > 0).sum(dim=1) == top_k).all()
    dense = gate.project(torch.cat([question_ND, image_ND], dim=1)).softmax(dim=1)
    for row, whole in zip(got, dense, strict=True):
        kept = row > 0
        assert kept.all() or whole[kept].min() >= whole[~kept].max()
        torch.testing.assert_close(row[kept], whole[kept] / whole[kept].sum())


def test_keep_largest_by_hand():
    gate_NE = torch.tensor([[0.5, 0.1, 0.4], [0.2, 0.6, 0.2]])
    torch.testing.assert_close(keep_largest(gate_NE, 2)[0], torch.tensor([5 / 9, 0.0, 4 / 9]))
    assert keep_largest(gate_NE, 1).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert keep_largest(gate_NE, 3) is gate_NE


def test_gradients_reach_only_the_kept_experts():
    torch.manual_seed(0)
    gate = Gate(2, 2, 4, top_k=2)
    weights = gate(torch.randn(1, 2), torch.randn(1, 2))
    (weights * torch.arange(4.0)).sum().backward()
    rows = gate.project.weight.grad.abs().sum(dim=1)
    assert ((rows > 1e-6) == (weights[0] > 0)).all()


def test_a_single_weight_has_the_gradient_of_the_weight_before():
    chances = torch.tensor([[0.2, 0.7, 0.1]], requires_grad=True)
    (keep_largest(chances, 1) * torch.tensor([5.0, 3.0, 1.0])).sum().backward()
    assert chances.grad.tolist() == [[0, 3, 0]]
