"""Extraction on Ray against the local engine, on this machine: what Ray costs, with its start and without.

``python -m benchmarks.ray``. Photos are made up from a seed in a temporary folder. Both engines encode the same images,
in turn, in one process, with the same number of threads; that both write the same bytes is checked.
"""

import json
import logging
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch

from arms.data.atomic import atomic_file
from arms.device import choose_device
from arms.encoders.precision import fastest_precision
from arms.features.extract import extract
from arms.features.on_ray import ray_engine
from arms.features.ray_actor import RayWork
from arms.features.store import FeatureStore
from arms.params.runtime import count_cores
from benchmarks.feature_parts.setup import SEED, write_photos
from benchmarks.page import page_table
from benchmarks.ray_parts.source import READY, open_source
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report
from benchmarks.timing import interleave

PART = "ray"
_MOST = 1.1  # times the local engine's time


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is run."""

    rounds: int
    photos: int
    images: int
    shard_mb: int
    batch_size: int
    model: str


FULL = Scale(rounds=3, photos=512, images=1280, shard_mb=10, batch_size=64, model="ViT-B-32")
QUICK = Scale(rounds=1, photos=32, images=512, shard_mb=4, batch_size=32, model="ViT-S-32-alt")


@click.command()
@click.option("--quick", is_flag=True, help="Run little on a small encoder, to test that it works.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, out: Path) -> None:
    """Print a table and write ray.json and ray.md; ray-quick with that option."""
    logging.getLogger().setLevel(logging.ERROR)  # open_clip warns that weights are random
    scale, clock = QUICK if quick else FULL, Clock()
    with tempfile.TemporaryDirectory(prefix="arms-benchmark-") as folder:
        lines = measure(Path(folder), scale)
    click.echo(format_table(lines))
    click.echo(f"\ntook {clock.elapsed_s:.0f} s")  # how busy others were is not known: Ray's processes are no children
    file = out / f"ray{'-quick' if quick else ''}.json"
    write_report(file, [line.to_json() for line in lines], settings=asdict(scale), clock=clock, gpu=False)
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(ray_page(json.loads(file.read_text(encoding="utf-8"))), encoding="utf-8")
    click.echo(f"wrote {file}")


def measure(folder: Path, scale: Scale) -> list[Line]:
    """The seconds of each engine."""
    device = choose_device("cpu")
    write_photos(folder / "photos", scale.photos, SEED)
    source = partial(open_source, folder, scale.model)
    precision = fastest_precision(source("float32", 1)[0], device)
    encoder, keys, read = source(precision, scale.images)
    stores = {name: FeatureStore(folder / name / "image.zarr", encoder.fingerprint) for name in ("local", "ray")}

    def run(name: str) -> float:
        store = stores[name]
        shutil.rmtree(store.path, ignore_errors=True)
        work = RayWork.of(
            store,
            partial(source, precision, scale.images, tells=True),
            batch_size=scale.batch_size,
            workers=None,
            compiled=False,
        )
        started = time.time()
        with store.writing(), ray_engine(work, address=None, actors=None, device="cpu") as engine:
            extract(
                store,
                keys,
                read,
                encoder,
                label="image",
                batch_size=scale.batch_size,
                shard_bytes=scale.shard_mb * 2**20,
                workers=count_cores(),
                device=device,
                engine=engine if name == "ray" else None,
            )
            store.finish()
        return time.time() - started

    begun: list[float] = []

    def on_ray() -> float:
        took = run("ray")
        begun.append(time.time() - float((folder / READY).read_text()))
        return took

    run("local")  # what is done once
    local_runs, ray_runs = interleave(scale.rounds, lambda: run("local"), on_ray)
    check_same(*(store.path for store in stores.values()))
    note = f"{scale.images:,} images by {scale.model} in {precision}, {len(stores['ray'].shards())} shards"
    local = Line(part=PART, name="local engine", unit="s", runs=local_runs, note=note)
    threads = f"actors of {torch.get_num_threads()} threads"
    without = Line(part=PART, name="on Ray, without its start", unit="s", runs=tuple(begun), note=threads)
    with_start = Line(part=PART, name="on Ray", unit="s", runs=ray_runs)
    return [local, without.over(local, at_most=_MOST), with_start.over(local)]


def ray_page(report: dict[str, Any]) -> str:
    """The lines as a section of docs/results/benchmarks.md."""
    machine, settings = report["machine"], report["settings"]
    lines = [
        "## Encoding on Ray",
        "",
        f"`python -m benchmarks.ray`, commit {report['commit']['id'][:7]}, {machine['cores']} cores "
        f"({machine['cpu']}). {settings['model']} "
        f"encodes {settings['images']:,} photos of 640 x 480 pixels into a store, on one machine; the start of Ray and "
        "of its actors is that until the first of them has its encoder. Both engines write the same bytes. Figures are "
        f"medians over {settings['rounds']} runs.",
        "",
        *page_table(report["lines"]),
    ]
    return "\n".join(lines) + "\n"


def check_same(local: Path, ray: Path) -> None:
    """Both stores have to be the same to the byte."""
    files = [
        {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}
        for path in (local, ray)
    ]
    assert files[0] == files[1], "the store that Ray's actors wrote differs from the local engine's"


if __name__ == "__main__":
    main()
