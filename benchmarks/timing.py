"""Measuring times: what is compared runs in turn."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

FoundT = TypeVar("FoundT")


def interleave(rounds: int, *measured: Callable[[], FoundT]) -> list[tuple[FoundT, ...]]:
    """Run each in turn: the first, the second, ..., the first, the second, ...

    If something slows the machine down for a while, it then slows down all that is compared.
    """
    runs = [[measure() for measure in measured] for _ in range(rounds)]
    return [tuple(column) for column in zip(*runs, strict=True)]


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """The seconds that some work takes, including its work on a GPU."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: torch.device) -> None:
    """Wait for a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Torch in its default state, for references: without the deterministic algorithms that `choose_device` sets."""
    wanted, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(wanted, warn_only=warn_only)
