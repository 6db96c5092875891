"""The device that nets run on, and how a GPU multiplies matrices while it trains them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain

import torch
from threadpoolctl import ThreadpoolController
from torch import nn

from arms.errors import ArmsError

_AMPERE = (8, 0)  # the first compute capability with bfloat16 and TF32


def resolve_device(name: str) -> str:
    """The device that `runtime.device` means on this machine; auto is a GPU if there is one.

    Raises
    ------
    ArmsError
        If `name` is cuda and there is no CUDA GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ArmsError("runtime.device: expected a CUDA GPU for 'cuda', found none; use auto or cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def choose_device(name: str) -> torch.device:
    """The device for `runtime.device`, with torch set up for results that repeat; see `resolve_device`."""
    name = resolve_device(name)
    # The same seed gives the same weights on the same machine; an operation that cannot ensure this warns.
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Otherwise torch would also fill every new tensor, in case it is read before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(name)


def place(module: nn.Module, device: torch.device) -> None:
    """Move a module to a device and into evaluation mode, where it is not there already.

    Asking its first tensor is enough, as modules move as a whole. Walking through all of them would take some
    milliseconds, which counts where a single query is routed.
    """
    first = next(chain(module.parameters(), module.buffers()), None)
    if first is not None and first.device != device:
        module.to(device)
    if module.training:
        module.eval()


@cache
def survive_forks() -> None:
    """Let processes that are forked from this one compute, each on one thread of its own.

    A fork copies the thread that calls it and no other. The libraries' pools would wait for their lost threads for
    ever, so in the child no pool is used.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the tokenizers' own pool
    torch.set_num_threads(1)
    ThreadpoolController().limit(limits=1)  # those of numpy, SciPy, scikit-learn and FAISS; it is not undone


def check_usable_here(device: torch.device) -> None:
    """Raise an ArmsError in a process that was forked from one that used the GPU: CUDA cannot go on there."""
    if device.type == "cuda" and torch.cuda._is_in_bad_fork():
        raise ArmsError(
            "this process was forked from one that had loaded the router onto a GPU, which CUDA does not allow; load "
            "the router in each worker (gunicorn without --preload, multiprocessing with spawn), or with device='cpu'"
        )


@dataclass(frozen=True)
class Products:
    """How the matrix products of a training step are computed. On a CPU always in float32.

    The weights, the optimiser and the classifier are in float32 whatever this is, and so is all scoring, so that a
    saved router gives the scores that it was judged by.

    Attributes
    ----------
    precision : str
        float32, tf32 (float32 with factors rounded to 10 bits) or bfloat16 (mixed precision).
    """

    device: torch.device
    precision: str

    def forward(self) -> torch.autocast:
        """For the forward pass; the backward pass then multiplies as it did."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    @contextmanager
    def step(self) -> Iterator[None]:
        """For the whole step, with its backward pass."""
        if self.precision != "tf32":
            yield
            return
        matmul = torch.backends.cuda.matmul
        before, matmul.fp32_precision = matmul.fp32_precision, "tf32"
        try:
            yield
        finally:
            matmul.fp32_precision = before


def choose_products(wanted: str, device: torch.device, *, tunes_encoders: bool) -> Products:
    """How to multiply for `train.gpu_precision` on a device.

    With auto a GPU multiplies in bfloat16 where layers of an encoder train. The head by itself is small, so rounding
    would gain nothing.

    Raises
    ------
    ArmsError
        If the GPU lacks the precision that is asked for by name.
    """
    if device.type != "cuda":
        return Products(device, "float32")
    able = torch.cuda.get_device_capability(device) >= _AMPERE
    if wanted == "auto":
        return Products(device, "bfloat16" if able and tunes_encoders else "float32")
    if wanted != "float32" and not able:
        raise ArmsError(
            f"train.gpu_precision: {wanted} needs a GPU of compute capability 8.0 or more, got "
            f"{torch.cuda.get_device_name(device)}; use auto or float32"
        )
    return Products(device, wanted)
