"""Queries a second through `route_batch`, against the extraction of the same pictures and questions into a store."""

import hashlib
import shutil
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from arms.encoders.base import Encoder
from arms.features.extract import extract
from arms.features.reading import Reader
from arms.features.store import FeatureStore
from arms.params import RuntimeParams
from arms.routers.router import Router
from benchmarks.record import Line
from benchmarks.routing_parts.setup import Scale, make_queries
from benchmarks.timing import interleave, seconds

PART = "rate"


def measure_rate(router: Router, photos: list[Path], scale: Scale, runtime: RuntimeParams, folder: Path) -> list[Line]:
    """What bounds routing, and routing; each run begins with nothing encoded."""
    device = torch.device(runtime.device)
    images, questions = make_queries(photos, scale.queries)
    warm = slice(0, min(64, scale.queries))
    seconds(lambda: list(router.route_batch(images[warm], questions[warm])), device)

    def route() -> float:
        count = 0

        def work() -> None:
            nonlocal count
            count = sum(1 for _ in router.route_batch(iter(images), iter(questions)))

        took_s = seconds(work, device)
        assert count == scale.queries
        return scale.queries / took_s

    extraction = partial(_extract, router, photos, questions, runtime, device, folder / "features")
    limits, rates = interleave(scale.rounds, lambda: scale.queries / seconds(extraction, device), route)
    limit = Line(part=PART, name="extraction of their pictures and questions", unit="queries/s", runs=limits)
    return [limit, Line(part=PART, name="route_batch", unit="queries/s", runs=rates).over(limit, at_least=0.9)]


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
