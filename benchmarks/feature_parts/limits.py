"""What bounds extraction: its parts, each measured alone."""

import multiprocessing
import time
from collections.abc import Callable, Sequence

import torch

from arms.encoders.base import Encoder
from arms.encoders.batch import Batch
from benchmarks.timing import plain_torch, seconds


def decode_alone(read: Callable[[str], object], names: Sequence[str], cores: int) -> float:
    """Images a second that as many processes as cores decode, from the processor time that they take for it."""
    context = multiprocessing.get_context("fork")
    used = context.SimpleQueue()

    def work(share: Sequence[str]) -> None:
        start = time.process_time()
        try:
            for name in share:
                read(name)
        finally:
            used.put(time.process_time() - start)

    processes = [context.Process(target=work, args=(names[core::cores],)) for core in range(cores)]
    for process in processes:
        process.start()
    core_s = sum(used.get() for _ in processes)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return cores * len(names) / core_s


def forward_alone(encoder: Encoder, batches: Sequence[Batch], device: torch.device) -> float:
    """Images or texts a second through the trunk, of batches that are on the device already."""

    def work() -> None:
        for batch in batches:
            encoder.trunk(batch)

    with plain_torch(), torch.inference_mode():
        return sum(_size(batch) for batch in batches) / seconds(work, device)


def copy_alone(batches: Sequence[Batch], device: torch.device) -> float:
    """Images or texts a second from this memory to a GPU's."""

    def work() -> None:
        for batch in batches:
            for tensor in batch.values():
                tensor.to(device, non_blocking=True)

    return sum(_size(batch) for batch in batches) / seconds(work, device)


def rate_limit(decode: float, forward: float, device: torch.device) -> float:
    """Images a second at best: on a CPU decoding and computing share the cores, with a GPU the slower one decides."""
    return min(decode, forward) if device.type == "cuda" else 1 / (1 / decode + 1 / forward)


def describe_limit(rates: dict[str, float], device: torch.device) -> str:
    """Which part bounds the whole, and by how much."""
    slowest = min(rates, key=lambda part: rates[part])
    if device.type == "cuda":
        others = ", ".join(f"{part} {rate:,.0f}/s" for part, rate in rates.items() if part != slowest)
        return f"bound by {slowest} ({rates[slowest]:,.0f}/s{f'; {others}' if others else ''})"
    share = (1 / rates[slowest]) / sum(1 / rate for rate in rates.values())
    return f"bound by {slowest}: {share:.0%} of the cores' time"


def _size(batch: Batch) -> int:
    return len(next(iter(batch.values())))
