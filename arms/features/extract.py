"""Extraction: encode what the store lacks and write it shard by shard, as planned.

Reading, computing and writing overlap: while a batch is computed, worker processes decode the next ones and a thread
writes the previous shard.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import torch

from arms.encoders.base import Encoder
from arms.features.arrays import Array, join_arrays
from arms.features.plan import Shard, measure_rows, plan_shards
from arms.features.reading import Reader, read_ahead
from arms.features.store import FeatureStore
from arms.features.trunk import Inputs, TrunkPart, TrunkRunner, inputs_as_features
from arms.progress import progress_bar

Engine = Callable[[Sequence[Shard]], Generator[int]]  # see `ShardEncoder.encode`


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
    engine: Engine | None = None,
) -> int:
    """Encode what the store lacks and write it shard by shard.

    A killed run that is resumed writes the same bytes; see `arms.features.plan`.

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
    engine : callable, optional
        Encodes planned shards and writes them, in any order; yields how many rows were encoded whenever some were. By
        default this process does it.

    Returns
    -------
    int
        How many inputs were encoded, without those already stored.
    """
    stored = store.stored_keys()
    pending = [key for key in keys if key not in stored]
    sizes = measure_rows(encoder, pending, read, device)
    shards = plan_shards(store, pending, sizes, batch_size=batch_size, shard_bytes=shard_bytes)
    if engine is None:
        engine = ShardEncoder(
            store, read, encoder, batch_size=batch_size, workers=workers, device=device, compiled=compiled
        ).encode
    done = len(keys) - len(pending)
    with (
        progress_bar(f"encode {label}", f"{label}s") as progress,
        closing(engine(shards)) as encoded,
    ):
        for count in encoded:
            done += count
            progress(done, len(keys))
    return len(pending)


class ShardEncoder:
    """Encodes planned shards and writes each of them whole; one for each process that computes.

    Parameters
    ----------
    read, workers, compiled
        As in `extract`.
    """

    def __init__(
        self,
        store: FeatureStore,
        read: Reader,
        encoder: Encoder,
        *,
        batch_size: int,
        workers: int,
        device: torch.device,
        compiled: bool,
    ) -> None:
        self.store, self.read, self.encoder = store, read, encoder
        self.batch_size, self.workers, self.device = batch_size, workers, device
        self._runner = TrunkRunner(encoder, device, compiled=compiled) if len(encoder.trunk) else None

    def encode(self, shards: Sequence[Shard]) -> Generator[int]:
        """Encode shards in their order; yield the number of rows of each batch once it is computed.

        A shard is written while the next one is computed; all of them are on disk when this ends.
        """
        with _Writer(self.store) as writer, closing(self.compute(shards)) as computed:
            for shard in shards:
                parts: list[dict[str, Array]] = []
                for batch in shard.batches(self.batch_size):
                    parts.append(next(computed))
                    yield len(batch)
                writer.write(shard, parts)

    def compute(self, shards: Sequence[Shard]) -> Generator[dict[str, Array]]:
        """Yield the features of each batch of the shards; their inputs are read from the call on.

        A GPU computes the next batch while the caller handles this one.
        """
        batches = [batch for shard in shards for batch in shard.batches(self.batch_size)]
        on_gpu = self.device.type == "cuda"
        return self._computed(read_ahead(batches, self.read, workers=self.workers, pinned=on_gpu), on_gpu=on_gpu)

    def _computed(self, inputs: Iterator[Inputs], *, on_gpu: bool) -> Generator[dict[str, Array]]:
        if self._runner is None:
            yield from (inputs_as_features(self.encoder, batch) for batch in inputs)
            return
        under_way: deque[list[TrunkPart]] = deque()
        for batch in inputs:
            under_way.append(self._runner.start(batch))
            if len(under_way) > on_gpu:
                yield self._runner.finish(under_way.popleft())
        while under_way:
            yield self._runner.finish(under_way.popleft())


class _Writer:
    """A thread that writes a shard while the next one is computed."""

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        with self._thread:
            self._wait()

    def write(self, shard: Shard, parts: list[dict[str, Array]]) -> None:
        """Start to write a shard, once the one before it is written."""
        self._wait()
        self._written = self._thread.submit(write_parts, self.store, shard, parts)

    def _wait(self) -> None:
        """Wait until the last shard is written; raise the error if that failed."""
        if self._written is not None:
            self._written.result()
            self._written = None


def write_parts(store: FeatureStore, shard: Shard, parts: list[dict[str, Array]]) -> None:
    """Write a shard from the features of its batches, in their order."""
    arrays = {name: join_arrays([part[name] for part in parts]) for name in parts[0]}
    store.write_shard(shard.keys, arrays, shard.name)
