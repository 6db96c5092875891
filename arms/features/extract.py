"""Extraction: encode what the store lacks, batch by batch, and write it shard by shard.

Reading, computing and writing overlap: while a batch is computed, worker processes decode the next ones and a thread
writes the previous shard.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import torch

from arms.encoders.base import Encoder
from arms.features.arrays import Array, join_arrays
from arms.features.reading import Reader, read_ahead
from arms.features.store import FeatureStore
from arms.features.trunk import TrunkPart, TrunkRunner, inputs_as_features
from arms.progress import progress_bar


def extract(
    store: FeatureStore,
    keys: Sequence[str],
    read: Reader,
    encoder: Encoder,
    *,
    label: str,
    batch_size: int,
    shard_bytes: int,
    workers: int,
    device: torch.device,
    compiled: bool = False,
) -> int:
    """Encode what the store lacks and write it shard by shard.

    Every shard starts with a new batch, so a killed run that is resumed writes the same bytes.

    Parameters
    ----------
    keys : sequence of str
        Content keys to encode, in the order in which to store them.
    read : callable
        Returns the encoder's input for a key. Runs in `workers` processes, or in this one if `workers` is 0.
    label : str
        What is encoded, in the singular, such as "image".
    shard_bytes : int
        A shard is closed once it holds this many bytes.
    compiled : bool
        Compile the trunk first.

    Returns
    -------
    int
        How many inputs were encoded, without those already stored.
    """
    stored = store.stored_keys()
    pending = [key for key in keys if key not in stored]
    done = len(keys) - len(pending)
    batches = [pending[start : start + batch_size] for start in range(0, len(pending), batch_size)]
    encoding = _encode(batches, read, encoder, workers=workers, device=device, compiled=compiled)
    with (
        progress_bar(f"encode {label}", f"{label}s") as progress,
        _ShardWriter(store, shard_bytes) as writer,
        closing(encoding) as encoded,
    ):
        for batch_keys, arrays in zip(batches, encoded, strict=True):
            writer.add(batch_keys, arrays)
            done += len(batch_keys)
            progress(done, len(keys))
    return len(pending)


def _encode(
    batches: list[list[str]], read: Reader, encoder: Encoder, *, workers: int, device: torch.device, compiled: bool
) -> Generator[dict[str, Array]]:
    """Yield each batch's features; a GPU computes the next batch while the caller handles this one."""
    inputs = read_ahead(batches, read, workers=workers, pinned=device.type == "cuda")
    if not len(encoder.trunk):
        yield from (inputs_as_features(encoder, batch) for batch in inputs)
        return
    runner = TrunkRunner(encoder, device, compiled=compiled)
    under_way: deque[list[TrunkPart]] = deque()
    for batch in inputs:
        under_way.append(runner.start(batch))
        if len(under_way) > (device.type == "cuda"):
            yield runner.finish(under_way.popleft())
    while under_way:
        yield runner.finish(under_way.popleft())


class _ShardWriter:
    """Collects batches into shards; a thread writes each shard while the next one is collected."""

    def __init__(self, store: FeatureStore, shard_bytes: int) -> None:
        self.store, self.shard_bytes = store, shard_bytes
        self._keys: list[str] = []
        self._parts: list[dict[str, Array]] = []
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None

    def __enter__(self) -> "_ShardWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._thread:
            if kind is None:
                self._close_shard()
            self._wait()

    def add(self, keys: list[str], arrays: dict[str, Array]) -> None:
        """Add a batch to the current shard."""
        self._keys += keys
        self._parts.append(arrays)
        if sum(array.nbytes for part in self._parts for array in part.values()) >= self.shard_bytes:
            self._close_shard()

    def _close_shard(self) -> None:
        self._wait()
        if self._keys:
            self._written = self._thread.submit(_write, self.store, self._keys, self._parts)
            self._keys, self._parts = [], []

    def _wait(self) -> None:
        """Wait until the last shard is written; raise the error if that failed."""
        if self._written is not None:
            self._written.result()
            self._written = None


def _write(store: FeatureStore, keys: list[str], parts: list[dict[str, Array]]) -> None:
    store.write_shard(keys, {name: join_arrays([part[name] for part in parts]) for name in parts[0]})
