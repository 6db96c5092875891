"""Reading features for training, against a memory map and against a bare file."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from arms.features.arrays import Ragged, offsets_of
from arms.features.loader import Features, Queries, gather_queries, read_batches
from arms.features.store import FeatureStore
from benchmarks.feature_parts.setup import SEED, Setup, make_keys
from benchmarks.record import Line
from benchmarks.timing import interleave, seconds

PART = "reading"
_BATCH_SIZE = 256
_BATCHES = 12
_TOKENS, _WIDTH = 50, 768  # of ViT-B/32
_CPU = torch.device("cpu")


def measure_reading(setup: Setup) -> list[Line]:
    """Random batches, a whole store, and a store that is streamed."""
    rng = np.random.default_rng(SEED)
    states = rng.standard_normal((setup.scale.rows, _TOKENS, _WIDTH), dtype=np.float32).astype(np.float16)
    lengths = rng.integers(5, 61, setup.scale.rows)
    texts = Ragged(states.reshape(-1, _WIDTH)[: lengths.sum()].copy(), offsets_of(lengths))
    stores = [write_store(setup.folder / name, array) for name, array in (("images", states), ("texts", texts))]
    file = setup.folder / "states.bin"
    states.tofile(file)
    text_file = setup.folder / "texts.bin"
    texts.values.tofile(text_file)
    shape, text_shape = states.shape, texts.values.shape
    offsets = texts.offsets
    del states, texts

    images, texts_read = stores[0].load(), stores[1].load()
    mapped = np.memmap(file, dtype=np.float16, mode="r", shape=shape)
    mapped_texts = np.memmap(text_file, dtype=np.float16, mode="c", shape=text_shape)  # torch wants it writable
    lines = _measure_gather(setup, images, mapped, rng)
    lines += _measure_padding(setup, texts_read, mapped_texts, offsets, rng)
    lines += _measure_load(setup, stores[0], file)
    lines += _measure_streaming(setup, stores, images, texts_read)
    for store in stores:
        shutil.rmtree(store.path)
    file.unlink()
    text_file.unlink()
    return lines


def write_store(path: Path, array: np.ndarray | Ragged, *, shards: int = 8) -> FeatureStore:
    """A finished store of made-up token states."""
    store = FeatureStore(path, {"arrays": ["states"], "encoder": "made up"})
    keys = make_keys(len(array))
    bounds = np.linspace(0, len(array), shards + 1, dtype=int).tolist()
    features = Features({"states": array}, {key: row for row, key in enumerate(keys)})
    with store.writing():
        for start, end in pairwise(bounds):
            part: Any = features.gather(np.arange(start, end)).arrays["states"]
            store.write_shard(keys[start:end], {"states": part})
        store.finish()
    return store


def _measure_gather(setup: Setup, images: Features, mapped: np.ndarray, rng: np.random.Generator) -> list[Line]:
    rows = [rng.integers(0, len(mapped), _BATCH_SIZE) for _ in range(_BATCHES)]
    num_bytes = _BATCHES * _BATCH_SIZE * mapped[0].nbytes
    assert torch.equal(images.take(rows[0])["states"], torch.from_numpy(mapped[rows[0]]))
    own, theirs = _rates(
        setup,
        num_bytes,
        lambda: [images.take(batch) for batch in rows],
        lambda: [torch.from_numpy(mapped[batch]) for batch in rows],
    )
    reference = _line(f"memory map, {_BATCH_SIZE} random rows a batch", theirs)
    return [reference, _line("Features.take() of the loaded store", own).over(reference, at_least=0.9)]


def _measure_padding(
    setup: Setup, texts: Features, mapped: np.ndarray, offsets: np.ndarray, rng: np.random.Generator
) -> list[Line]:
    rows = [rng.integers(0, len(offsets) - 1, _BATCH_SIZE) for _ in range(_BATCHES)]
    lengths = np.diff(offsets)
    num_bytes = sum(int(lengths[batch].sum()) for batch in rows) * mapped[0].nbytes

    def pad(batch: np.ndarray) -> torch.Tensor:
        sequences = [torch.from_numpy(np.asarray(mapped[offsets[row] : offsets[row + 1]])) for row in batch]
        return pad_sequence(sequences, batch_first=True)

    assert torch.equal(texts.take(rows[0])["states"], pad(rows[0]))
    own, theirs = _rates(
        setup, num_bytes, lambda: [texts.take(batch) for batch in rows], lambda: [pad(batch) for batch in rows]
    )
    reference = _line(f"memory map and pad_sequence, {_BATCH_SIZE} random texts a batch", theirs)
    return [reference, _line("Features.take() of ragged texts, padded", own).over(reference)]


def _measure_load(setup: Setup, store: FeatureStore, file: Path) -> list[Line]:
    num_bytes = file.stat().st_size
    own, theirs = _rates(setup, num_bytes, store.load, lambda: np.fromfile(file, dtype=np.float16))
    reference = _line("np.fromfile of the same bytes", theirs)
    return [reference, _line("FeatureStore.load(), checksums verified", own).over(reference)]


def _measure_streaming(setup: Setup, stores: list[FeatureStore], images: Features, texts: Features) -> list[Line]:
    """One pass over queries in windows, the first one over an opened store and a later one, against one in memory."""
    keys = list(images.row_of)

    def queries(images: Features, texts: Features) -> Queries:
        return gather_queries(keys, keys, keys, images, texts)

    in_memory = queries(images, texts)
    num_bytes = images.nbytes + texts.nbytes
    windows = in_memory.windows(num_bytes // 8)
    rng = np.random.default_rng(SEED)
    orders = [rng.permutation(window) for window in windows]

    def read(queries: Queries) -> None:
        for _, batch in read_batches(queries, orders, _BATCH_SIZE):
            del batch

    opened = queries(*(store.open() for store in stores))
    read(opened)  # its checksums are known to hold from here on
    first_runs, later_runs, memory_runs = _rates(
        setup,
        num_bytes,
        lambda: read(queries(*(store.open() for store in stores))),
        lambda: read(opened),
        lambda: read(in_memory),
    )
    reference = _line("an epoch of shuffled batches, features in memory", memory_runs)
    return [
        reference,
        _line(f"the same streamed in {len(windows)} windows, first epoch", first_runs).over(reference),
        _line("the same streamed, a later epoch", later_runs).over(reference),
    ]


def _rates(setup: Setup, num_bytes: int, *works: Callable[[], object]) -> list[tuple[float, ...]]:
    """Gigabytes a second of each, in turn; each once before, so that the page cache is warm for all."""
    for work in works:
        work()
    measured = [lambda work=work: num_bytes / 1e9 / seconds(work, _CPU) for work in works]
    return interleave(2 * setup.scale.rounds, *measured)


def _line(name: str, runs: tuple[float, ...]) -> Line:
    return Line(part=PART, name=name, unit="GB/s", runs=runs)
