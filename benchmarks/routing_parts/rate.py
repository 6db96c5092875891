"""Queries a second through `route_batch`, against the extraction of the same pictures and questions into a store."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from arms.encoders.base import Encoder
from arms.features.extract import extract
from arms.features.reading import Reader
from arms.features.store import FeatureStore
from arms.params.runtime import RuntimeParams
from arms.routers.router import Router
from benchmarks.record import Line
from benchmarks.routing_parts.setup import Scale, make_queries
from benchmarks.timing import seconds

PART = "rate"
_LIMIT = "extraction of their pictures and questions"


def measure_rate(router: Router, photos: list[Path], scale: Scale, runtime: RuntimeParams, folder: Path) -> list[Line]:
    """What bounds routing, and routing; each run begins with nothing encoded."""
    device = torch.device(runtime.device)
    images, questions = make_queries(photos, scale.queries)
    warm = slice(0, min(64, scale.queries))
    seconds(lambda: list(router.route_batch(images[warm], questions[warm])), device)

    def route() -> None:
        assert sum(1 for _ in router.route_batch(iter(images), iter(questions))) == scale.queries

    extraction = partial(_extract, router, photos, questions, runtime, device, folder / "features")
    pairs = [(_timed(extraction, device), _timed(route, device)) for _ in range(scale.rounds)]
    limits, runs = zip(*pairs, strict=True)

    def line(name: str, unit: str, figures: Iterable[float]) -> Line:
        return Line(part=PART, name=name, unit=unit, runs=tuple(figures))

    limit = line(_LIMIT, "queries/s", (scale.queries / wall_s for wall_s, _ in limits))
    own = line("route_batch", "queries/s", (scale.queries / wall_s for wall_s, _ in runs))
    limit_ms = line(f"{_LIMIT}, on the cores", "ms a query", (1000 * core_s / scale.queries for _, core_s in limits))
    own_ms = line("route_batch, on the cores", "ms a query", (1000 * core_s / scale.queries for _, core_s in runs))
    return [limit, own.over(limit, at_least=0.9), limit_ms, own_ms.over(limit_ms, at_most=round(1 / 0.9, 3))]


def _timed(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds, and seconds of this process and of its ended children on the cores."""
    before = sum(os.times()[:4])
    wall_s = seconds(work, device)
    return wall_s, sum(os.times()[:4]) - before


def _extract(
    router: Router, photos: list[Path], questions: list[str], runtime: RuntimeParams, device: torch.device, folder: Path
) -> None:
    """Encode as the encode stage does: each distinct picture and question once, into stores on disk."""
    encoders = router.router.encoders
    paths = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in photos}

    def read(key: str) -> np.ndarray:
        content = paths[key].read_bytes()
        assert hashlib.sha256(content).hexdigest() == key
        return encoders.image.read(BytesIO(content))

    distinct = list(dict.fromkeys(questions))
    token_ids = dict(zip(distinct, encoders.text.tokenize(distinct), strict=True))
    by_length = sorted(distinct, key=lambda text: len(token_ids[text]))
    run = partial(_extract_into, runtime=runtime, device=device)
    run(folder / "image.zarr", sorted(paths), read, encoders.image, "image", workers=runtime.num_workers)
    run(folder / "text.zarr", by_length, token_ids.__getitem__, encoders.text, "text", workers=0)
    shutil.rmtree(folder)


def _extract_into(
    path: Path,
    keys: list[str],
    read: Reader,
    encoder: Encoder,
    label: str,
    *,
    workers: int,
    runtime: RuntimeParams,
    device: torch.device,
) -> None:
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in keys]  # what a store takes for keys
    key_of = dict(zip(hashes, keys, strict=True))
    store = FeatureStore(path, encoder.fingerprint)
    with store.writing():
        extract(
            store,
            hashes,
            lambda name: read(key_of[name]),
            encoder,
            label=label,
            batch_size=runtime.extract_batch_size,
            shard_bytes=runtime.shard_mb * 2**20,
            workers=workers,
            device=device,
        )
        store.finish()
