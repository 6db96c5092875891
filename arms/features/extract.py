"""Extraction: encode all that is not in the store yet, batch by batch, and write it shard by shard.

Reading, computing and writing overlap: worker processes decode the next batches and a thread writes the last shard
while this batch is computed.
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

    Batches start anew with every shard, so a run that was killed and taken up again writes the same bytes.

    Parameters
    ----------
    keys : sequence of str
        Content keys wanted, in the order in which they are stored.
    read : callable
        Gives the encoder's input for a key; called in `workers` processes, or in this one where that is 0.
    label : str
        What a key is the key of, such as "image".
    shard_bytes : int
        A shard is closed once it holds this much.
    compiled : bool
        Compile the trunk first.

    Returns
    -------
    int
        How many were encoded, short of those already stored.
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
    """Features of each batch; a GPU computes the next one while this one is handled."""
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
    """Collects batches into shards and writes each in a thread, while the next one is collected."""

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
        """Take a batch."""
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
        """Wait for the shard that is being written, and raise what went wrong with it."""
        if self._written is not None:
            self._written.result()
            self._written = None


def _write(store: FeatureStore, keys: list[str], parts: list[dict[str, Array]]) -> None:
    store.write_shard(keys, {name: join_arrays([part[name] for part in parts]) for name in parts[0]})
