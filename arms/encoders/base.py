"""An encoder as a chain of layers, cut into a frozen trunk and a tunable tail.

The chain is ``embed, block 1, ..., block L, finish``. Every layer takes and returns a batch, a dict of named tensors:
the inputs (``pixels`` or ``token_ids``), then ``states`` between blocks, at last ``pooled`` and ``tokens``. Texts carry
a ``mask`` along. So trunk and tail are plain sequences, and what crosses the cut is what the feature store holds.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from arms.encoders.batch import Batch
from arms.errors import ArmsError


@dataclass(frozen=True, kw_only=True)
class Encoder(ABC):
    """An encoder cut in two.

    Attributes
    ----------
    name : str
        For messages, such as "ViT-B-32/openai".
    trunk : nn.Sequential
        Frozen, in evaluation mode, float32 as built (see `precision`); has no layers if all of them are tunable.
    tail : nn.Sequential
        Trains with the head, in float32; has no layers if none of them is tunable.
    width : int
        D, the width of the pooled embedding.
    token_width : int
        D_v, the width of a token state.
    crossing : tuple of str
        The arrays that cross the cut, and that a feature store holds.
    fingerprint : dict
        All that the arrays that cross the cut depend on, JSON-able.
    """

    name: str
    trunk: nn.Sequential
    tail: nn.Sequential
    width: int
    token_width: int
    crossing: tuple[str, ...]
    fingerprint: dict[str, Any]

    @abstractmethod
    def example(self, num: int) -> Batch:
        """A batch of `num` made-up inputs, such as the trunk takes."""


def cut_layers(
    embed: nn.Module,
    blocks: Sequence[nn.Module],
    finish: nn.Module,
    tunable_layers: int | Literal["all"],
    name: str,
    *,
    uncut: str = "",
) -> tuple[nn.Sequential, nn.Sequential]:
    """Cut the chain below its last `tunable_layers` blocks.

    With 0 tunable layers the tail is empty and `finish` is frozen too; with all, the trunk is empty and `embed` is
    tunable too.

    Parameters
    ----------
    uncut : str
        Why it can only be frozen whole; empty where it can be cut.

    Returns
    -------
    trunk, tail : nn.Sequential

    Raises
    ------
    ArmsError
        If the encoder has fewer blocks than `tunable_layers`, or can only be frozen whole.
    """
    depth = len(blocks)
    if uncut and tunable_layers != 0:
        raise ArmsError(f"{name}: {uncut}; set tunable_layers: 0, got {tunable_layers}, or use another model")
    if tunable_layers != "all" and tunable_layers > depth:
        raise ArmsError(f"tunable_layers: {name} has {depth} layers, got {tunable_layers}; use 0 to {depth}, or all")
    chain = [embed, *blocks, finish]
    if tunable_layers == 0:
        position = len(chain)
    elif tunable_layers in ("all", depth):
        position = 0
    else:
        position = 1 + depth - int(tunable_layers)
    trunk, tail = nn.Sequential(*chain[:position]), nn.Sequential(*chain[position:])
    trunk.requires_grad_(False).eval()
    return trunk, tail


def describe_cut(trunk: nn.Sequential, tail: nn.Sequential) -> Literal["inputs", "states", "pooled"]:
    """What crosses the cut: the encoder's inputs, the states between two blocks, or its outputs."""
    if not len(trunk):
        return "inputs"
    return "states" if len(tail) else "pooled"


def hash_weights(module: nn.Module) -> str:
    """Sha256 of a module's parameters and buffers, by name, dtype, shape and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes() if tensor.ndim else b"")
        digest.update(b"" if tensor.ndim else str(tensor.item()).encode())
    return digest.hexdigest()
