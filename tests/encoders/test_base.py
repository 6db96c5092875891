import hashlib

import pytest
import torch
from torch import nn

from arms.encoders.base import cut_layers, describe_cut, hash_weights
from arms.errors import ArmsError


class Add(nn.Module):
    """A layer that leaves a trace of itself."""

    def __init__(self, number):
        super().__init__()
        self.number = number
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, seen):
        return [*seen, self.number]


def chain(depth):
    """Embedding 0, blocks 1 to depth, and finish."""
    return Add(0), [Add(number) for number in range(1, depth + 1)], Add(depth + 1)


@pytest.mark.parametrize(
    ("tunable_layers", "trunk", "tail", "crosses"),
    [
        (0, [0, 1, 2, 3, 4], [], "pooled"),
        (1, [0, 1, 2], [3, 4], "states"),
        (2, [0, 1], [2, 3, 4], "states"),
        (3, [], [0, 1, 2, 3, 4], "inputs"),
        ("all", [], [0, 1, 2, 3, 4], "inputs"),
    ],
)
def test_cut(tunable_layers, trunk, tail, crosses):
    lower, upper = cut_layers(*chain(3), tunable_layers, "toy")
    assert [layer.number for layer in lower] == trunk
    assert [layer.number for layer in upper] == tail
    assert describe_cut(lower, upper) == crosses
    assert upper(lower([])) == [0, 1, 2, 3, 4]
    assert not any(parameter.requires_grad for parameter in lower.parameters())
    assert all(parameter.requires_grad for parameter in upper.parameters())
    assert not any(layer.training for layer in lower)


def test_too_many_layers():
    with pytest.raises(ArmsError, match="tunable_layers: toy has 3 layers, got 4; use 0 to 3, or all"):
        cut_layers(*chain(3), 4, "toy")


def test_hash_weights_by_hand():
    module = nn.BatchNorm1d(2)
    expected = hashlib.sha256()
    for name in ("bias", "num_batches_tracked", "running_mean", "running_var", "weight"):
        value = module.state_dict()[name]
        expected.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        expected.update(value.numpy().tobytes() if value.ndim else b"0")
    assert hash_weights(module) == expected.hexdigest()


def test_hash_weights_sees_every_part():
    def changed(change):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        change(module)
        return hash_weights(module)

    @torch.no_grad()
    def nudge(module):
        module[0].weight[0, 0] += 1e-7

    @torch.no_grad()
    def count(module):
        module[1].num_batches_tracked += 1

    hashes = [changed(change) for change in (lambda module: None, nudge, count, nn.Module.bfloat16)]
    assert len(set(hashes)) == 4
    assert changed(lambda module: None) == hashes[0]
    assert changed(nn.Module.eval) == hashes[0]
    assert hash_weights(nn.Sequential()) == hashlib.sha256().hexdigest()
