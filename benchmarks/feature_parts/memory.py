"""What streaming a store much larger than its budget holds in memory.

``python -m benchmarks.feature_parts.memory FOLDER BUDGET_MB`` is the fresh process in which it is measured.
"""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil

from arms.features.arrays import Ragged, offsets_of
from arms.features.loader import gather_queries, read_batches
from arms.features.store import FeatureStore, open_features
from benchmarks.feature_parts.reading import write_store
from benchmarks.feature_parts.setup import SEED, Setup
from benchmarks.record import Line

PART = "memory"
_BATCH_SIZE = 64
_TOKENS, _WIDTH = 50, 768  # of ViT-B/32
_EVERY_S = 0.002


def measure_memory(setup: Setup) -> list[Line]:
    """Resident memory of a fresh process while it reads a store ten times its budget, two windows of half of it."""
    row_bytes = _TOKENS * _WIDTH * 2
    count = setup.scale.streamed_mb * 2**20 // row_bytes
    rng = np.random.default_rng(SEED)
    states = np.broadcast_to(rng.standard_normal((1, _TOKENS, _WIDTH)).astype(np.float16), (count, _TOKENS, _WIDTH))
    lengths = rng.integers(5, 61, count)
    token_ids = Ragged(rng.integers(0, 30_000, lengths.sum()).astype(np.int32), offsets_of(lengths))
    folder = setup.folder / "memory"
    for name, array, shards in (("images", states, max(1, setup.scale.streamed_mb // 64)), ("texts", token_ids, 1)):
        write_store(folder / name, array, shards=shards)
    command = [sys.executable, "-m", "benchmarks.feature_parts.memory", str(folder), str(setup.scale.budget_mb)]
    runs = []
    for _ in range(setup.scale.rounds):
        finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        runs.append(json.loads(finished.stdout))
    shutil.rmtree(folder)
    budget = tuple(float(setup.scale.budget_mb) for _ in runs)

    def line(name: str, key: str) -> Line:
        return Line(part=PART, name=name, unit="MiB", runs=tuple(run[key] for run in runs))

    limit = Line(part=PART, name="the budget, two windows", unit="MiB", runs=budget)
    first, second = line("growth in the first half", "first_half"), line("growth in the second half", "second_half")
    store = line("the store that is streamed", "store")
    return [
        line("resident before the stream", "baseline"),
        store.over(limit),
        line("largest growth while it is streamed", "growth").over(limit),
        first,
        second.over(first),
    ]


def stream(folder: Path, budget_mb: int) -> dict[str, float]:
    """Read all of a store once in windows of half the budget; resident MiB before, and how far it grew."""
    stores = [FeatureStore.all_in(folder / name)[0] for name in ("images", "texts")]
    window_bytes = budget_mb * 2**20 // 2
    images, texts = open_features(stores, budget_bytes=2 * window_bytes, window_bytes=window_bytes)
    assert not images.in_memory
    keys = list(images.row_of)
    queries = gather_queries(keys, keys, keys, images, texts)
    rng = np.random.default_rng(SEED)
    orders = [rng.permutation(window) for window in queries.windows(window_bytes)]

    done, ended = 0, threading.Event()
    seen: list[tuple[float, float]] = []  # share of the queries done, resident MiB

    def watch() -> None:
        while not ended.wait(_EVERY_S):
            seen.append((done / len(queries), _resident_mib()))

    baseline = _resident_mib()
    watcher = threading.Thread(target=watch)
    watcher.start()
    for index, _ in read_batches(queries, orders, _BATCH_SIZE):
        done += len(index)
    ended.set()
    watcher.join()
    first = max(resident for share, resident in seen if share < 0.5)
    second = max(resident for share, resident in seen if share >= 0.5)
    return {
        "store": (images.nbytes + texts.nbytes) / 2**20,
        "baseline": baseline,
        "growth": max(first, second) - baseline,
        "first_half": first - baseline,
        "second_half": second - baseline,
    }


def _resident_mib() -> float:
    return psutil.Process().memory_info().rss / 2**20


if __name__ == "__main__":
    print(json.dumps(stream(Path(sys.argv[1]), int(sys.argv[2]))))
