"""Reading features for training from an object store, against the same features on disk.

``python -m benchmarks.object_store``. The store is moto's S3 server, a process of its own on this machine. What is
compared runs in turn. benchmarks/record.py describes the results.
"""

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from arms.data.atomic import atomic_file
from arms.data.storage.cache import FOLDER
from arms.features.loader import Features, gather_queries, read_batches
from arms.features.mirror import pull_store, push_store
from arms.features.remote import RemoteStore
from arms.features.store import FeatureStore
from benchmarks.feature_parts.reading import write_store
from benchmarks.page import page_table
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report
from benchmarks.timing import interleave, seconds
from tests.object_server import BUCKET, environment, faulty_s3

_PART = "an epoch"
_BATCH_SIZE, _WINDOWS, _SHARDS = 256, 8, 8
_TOKENS, _WIDTH = 50, 768  # of ViT-B/32
_SEED = 1
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Scale:
    """How much is measured: pictures whose token states are read, and runs of each."""

    rows: int
    rounds: int


FULL, QUICK = Scale(rows=8_000, rounds=5), Scale(rows=800, rounds=1)


@click.command()
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from object_store.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, render: bool, out: Path) -> None:
    """Print a table, and write object_store.json and object_store.md; with --quick object_store-quick.json and .md."""
    file = out / f"object_store{'-quick' if quick else ''}.json"
    if not render:
        measure(QUICK if quick else FULL, file)
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(object_store_page(json.loads(file.read_text())), encoding="utf-8")


def measure(scale: Scale, file: Path) -> None:
    """Measure, print the table and write it as JSON."""
    with tempfile.TemporaryDirectory(prefix="arms-object-store-") as temporary, faulty_s3() as (proxy, _):
        os.environ.update({**environment(proxy.target), FOLDER: str(Path(temporary) / "cache")})  # without the proxy
        folder = Path(temporary)
        click.echo(f"writing and pushing {scale.rows:,} pictures' token states ...", err=True)
        states = np.random.default_rng(_SEED).standard_normal((scale.rows, _TOKENS, _WIDTH), dtype=np.float32)
        local = write_store(folder / "here.zarr", states.astype(np.float16), shards=_SHARDS)
        del states
        remote = RemoteStore(f"s3://{BUCKET}/features/image.zarr", local.folder.name)
        push_store(local, remote)
        away = FeatureStore(folder / "away.zarr", local.fingerprint)
        pull_store(away, remote, values=False)
        clock = Clock()
        lines = _measure(scale, local, away, remote, folder / "cache")
    click.echo(format_table(lines))
    click.echo(f"\ntook {clock.elapsed_s:.0f} s")  # how busy others were is not known: the server counts as one
    write_report(file, [line.to_json() for line in lines], settings=asdict(scale), clock=clock, gpu=False)
    click.echo(f"wrote {file}")


def _measure(scale: Scale, local: FeatureStore, away: FeatureStore, remote: RemoteStore, cache: Path) -> list[Line]:
    num_bytes = local.open().nbytes
    keys = [f"shard-{number:05d}/states/c/0/0/0" for number in range(_SHARDS)]

    def rate(work: Any) -> float:
        return num_bytes / 1e9 / seconds(work, _CPU)

    def fetch() -> None:
        file = cache.parent / "fetched"
        for key in keys:
            with open(file, "wb") as target:
                for block in remote.bucket.blocks(key, "features", ""):
                    target.write(block)
        file.unlink()

    def from_cold() -> float:
        shutil.rmtree(cache, ignore_errors=True)
        return rate(lambda: _epoch(away))

    for work in (lambda: _epoch(local), lambda: _epoch(away), fetch):
        work()  # brings files into the page cache, and wakes the server
    here, there_cold, there_warm, plain = interleave(
        scale.rounds,
        lambda: rate(lambda: _epoch(local)),
        from_cold,
        lambda: rate(lambda: _epoch(away)),
        lambda: rate(fetch),
    )
    reference = _line("shuffled batches, features on disk", here)
    limit = _line("plain downloads of the same objects, one after the other", plain)
    return [
        reference,
        _line("the same, features in the object store, the cache warm", there_warm).over(reference, at_least=0.9),
        _line("the same, the cache empty", there_cold).over(reference),
        limit,
        _line("with the cache empty, against plain downloads", there_cold).over(limit),
    ]


def _epoch(store: FeatureStore) -> None:
    """Open the features and read all of them as training does, window by window, the next one ahead."""
    features = store.open()
    keys = list(features.row_of)
    # Of questions there is next to nothing to read.
    texts = Features({"pooled": np.zeros((len(keys), 1), dtype=np.float16)}, features.row_of)
    queries = gather_queries(keys, keys, keys, features, texts)
    rng = np.random.default_rng(_SEED)
    bounds = np.linspace(0, len(keys), _WINDOWS + 1, dtype=int).tolist()
    windows = [rng.permutation(np.arange(start, end)) for start, end in pairwise(bounds)]
    for _, batch in read_batches(queries, windows, _BATCH_SIZE):
        del batch


def _line(name: str, runs: tuple[float, ...]) -> Line:
    return Line(part=_PART, name=name, unit="GB/s", runs=runs)


def object_store_page(report: dict[str, Any]) -> str:
    """The lines as a section of docs/results/benchmarks.md."""
    machine, settings = report["machine"], report["settings"]
    lines = [
        "## Features in an object store",
        "",
        f"`python -m benchmarks.object_store`, commit {report['commit']['id'][:7]}, {machine['cores']} cores "
        f"({machine['cpu']}). An epoch over the token states of {settings['rows']:,} pictures in {_SHARDS} shards, in "
        f"shuffled batches of {_BATCH_SIZE}, from the opening of the store on, checksums verified. The object store is "
        "moto's S3 server, a process on the same machine and cores: what it can send limits the figures with an empty "
        "cache, so these also stand against plain downloads. Figures are medians over "
        f"{settings['rounds']} runs.",
        "",
        *page_table(report["lines"]),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
