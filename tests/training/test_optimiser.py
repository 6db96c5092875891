"""Groups of parameters and the schedule of the learning rate."""

import pytest
import torch
from torch import nn

from arms.training.optimiser import build_optimizer, learning_rate_factor
from tests.fakes import train_params


class TestLearningRate:
    def test_constant(self):
        params = train_params(schedule="constant", warmup_share=0.0)
        assert [learning_rate_factor(step, 10, params) for step in (0, 5, 10)] == [1, 1, 1]

    def test_warm_up_is_linear(self):
        params = train_params(schedule="constant", warmup_share=0.4)
        factors = [learning_rate_factor(step, 10, params) for step in range(11)]
        assert factors == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1, 1])

    def test_cosine_ends_at_zero(self):
        params = train_params(schedule="cosine", warmup_share=0.2)
        factors = [learning_rate_factor(step, 10, params) for step in range(11)]
        assert factors[:3] == pytest.approx([0.5, 1, 1])
        assert factors[6] == pytest.approx(0.5)
        assert factors[10] == pytest.approx(0, abs=1e-12)
        assert factors[2:] == sorted(factors[2:], reverse=True)

    def test_very_few_steps(self):
        for schedule in ("constant", "cosine"):
            params = train_params(schedule=schedule, warmup_share=0.9)
            assert all(0 <= learning_rate_factor(step, 1, params) <= 1 for step in (0, 1))


def test_head_and_tails_have_rates_of_their_own():
    head, tail = nn.Linear(2, 2), nn.Linear(2, 2)
    params = train_params(learning_rate=0.5, tail_learning_rate=0.25, weight_decay=0.1)
    groups = build_optimizer(list(head.parameters()), list(tail.parameters()), params).param_groups
    found = {(group["lr"], group["weight_decay"]): group["params"] for group in groups}
    assert {key: [id(p) for p in group] for key, group in found.items()} == {
        (0.5, 0.1): [id(head.weight)],
        (0.5, 0.0): [id(head.bias)],
        (0.25, 0.1): [id(tail.weight)],
        (0.25, 0.0): [id(tail.bias)],
    }


def test_frozen_tails_need_no_group():
    groups = build_optimizer(list(nn.Linear(2, 2).parameters()), [], train_params()).param_groups
    assert len(groups) == 2
    assert isinstance(build_optimizer([nn.Parameter(torch.ones(2, 2))], [], train_params()), torch.optim.AdamW)
