"""Training in several processes, one for each device, which torchrun starts.

Every process makes the same batches and takes its own part of each. In a single process all that is here gives back
what it takes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from arms.errors import ArmsError
from arms.nn.router_net import RouterNet

T = TypeVar("T")


@contextmanager
def joined(device: str, local_rank: int) -> Iterator[None]:
    """Inside the block this process, which torchrun started, and the others train together.

    Parameters
    ----------
    device : str
        cpu or cuda. On GPUs the block works on the one of number `local_rank`.

    Raises
    ------
    ArmsError
        If this machine has too few GPUs, or another process ended before its time.
    """
    if device == "cuda":
        if (found := torch.cuda.device_count()) <= local_rank:
            raise ArmsError(f"expected a GPU for each process, got process {local_rank + 1} on a machine with {found}; "
                            "start fewer processes (runtime.processes)")  # fmt: skip
        torch.cuda.set_device(local_rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if not _is_of_another(error):
            raise
        raise ArmsError("another process of this training has ended; run the same again to go on") from error
    # Not after an error, when the others may be waiting for this process.
    dist.destroy_process_group()


def _is_of_another(error: Exception) -> bool:
    """Whether an error is that of a connection to another process; gloo has no class for it."""
    return isinstance(error, dist.DistError) or "gloo/transport" in str(error)


def num_ranks() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This process's number; only number 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def own_part(batch: np.ndarray) -> np.ndarray:
    """This process's part of a batch: contiguous, and as large as those of the others or one row larger."""
    return np.array_split(batch, num_ranks())[rank()]


def global_sum(own: Tensor) -> Tensor:
    """The sum of a tensor over all processes, with the gradient that `share_gradients` makes that of this sum."""
    return own if num_ranks() == 1 else _GlobalSum.apply(own)


class _GlobalSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # DistributedDataParallel takes the mean of the processes' gradients; that of a sum is their sum.
        return gradient * dist.get_world_size()


def gathered(own: T) -> list[T]:
    """What each process has, in their order, in every process."""
    if num_ranks() == 1:
        return [own]
    everyone: list[Any] = [None] * num_ranks()
    dist.all_gather_object(everyone, own)
    return everyone


def from_first(own: T) -> T:
    """What process 0 has, in every process."""
    if num_ranks() == 1:
        return own
    held = [own]
    dist.broadcast_object_list(held, src=0)
    return held[0]


class _ForwardWithGate(nn.Module):
    """A net whose `forward` is `forward_with_gate`."""

    def __init__(self, net: RouterNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Any) -> tuple[Tensor, Tensor]:
        return self.net.forward_with_gate(*inputs)


def share_gradients(net: RouterNet) -> nn.Module:
    """The net's `forward_with_gate`, such that a backward pass gives every process the gradient of the whole batch.

    A parameter that no process uses has no gradient, as in a single process: the optimiser then leaves it alone.

    Raises
    ------
    ArmsError
        If batch norms train: they would norm each process's part of a batch by itself.
    """
    forward = _ForwardWithGate(net)
    if num_ranks() == 1:
        return forward
    norms = (module for module in net.modules() if isinstance(module, _BatchNorm))
    if any(parameter.requires_grad for norm in norms for parameter in norm.parameters()):
        raise ArmsError(
            "image.tunable_layers: these layers have batch norms, which need a whole batch in one process; set "
            "runtime.processes: 1, or train.trains: text or head"
        )
    # Which parameters are used depends on the batch: those for queries without images, or of several, may not be.
    return DistributedDataParallel(forward, find_unused_parameters=True)
