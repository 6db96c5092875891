"""The feature pipeline: extraction, reading, training on cached features, and memory, against their bounds.

``python -m benchmarks.features``. Everything is made up from a seed in a temporary folder. What is compared runs in
turn, within the same minute, and the table shows medians. benchmarks/record.py describes the results.
"""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import click

from arms.device import choose_device
from arms.errors import ArmsError
from arms.params.tree import read_params
from benchmarks.feature_parts.images import measure_images
from benchmarks.feature_parts.memory import measure_memory
from benchmarks.feature_parts.reading import measure_reading
from benchmarks.feature_parts.setup import DISTILBERT, SMALL_DISTILBERT, Scale, Setup
from benchmarks.feature_parts.texts import measure_texts
from benchmarks.feature_parts.training import measure_training
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report

PARTS: dict[str, Callable[[Setup], list[Line]]] = {
    "images": measure_images,
    "texts": measure_texts,
    "reading": measure_reading,
    "training": measure_training,
    "memory": measure_memory,
}

FULL = Scale(
    rounds=4,
    training_rounds=2,
    photos=512,
    images=1536,
    texts=512,
    plain=48,
    shard_mb=8,
    rows=4000,
    queries=512,
    epochs=10,
    streamed_mb=960,
    budget_mb=96,
    image_model="ViT-B-32",
    text_architecture=DISTILBERT,
)
# A GPU does in a second what a CPU does in a minute.
GPU = replace(FULL, images=8192, texts=8192, plain=256, shard_mb=128)
QUICK = Scale(
    rounds=1,
    training_rounds=1,
    photos=32,
    images=64,
    texts=64,
    plain=4,
    shard_mb=1,
    rows=300,
    queries=32,
    epochs=2,
    streamed_mb=80,
    budget_mb=8,
    image_model="ViT-S-32-alt",
    text_architecture=SMALL_DISTILBERT,
)


@click.command()
@click.option("--gpu", is_flag=True, help="Run the encoders and the net on the CUDA device.")
@click.option("--quick", is_flag=True, help="Run little of everything on small encoders, to test that it works.")
@click.option("--only", type=click.Choice(list(PARTS)), help="Run one part.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(gpu: bool, quick: bool, only: str | None, out: Path) -> None:
    """Print a table and write features.json; features-<only>-quick-gpu.json with those options."""
    logging.getLogger().setLevel(logging.ERROR)  # open_clip warns that weights are random
    try:
        device = choose_device("cuda" if gpu else "cpu")
    except ArmsError as error:
        raise click.ClickException(str(error)) from error
    scale = QUICK if quick else GPU if gpu else FULL
    clock, lines = Clock(), []
    with tempfile.TemporaryDirectory(prefix="arms-benchmark-") as folder:
        setup = Setup(folder=Path(folder), device=device, scale=scale, params=read_params())
        for name in [only] if only else PARTS:
            click.echo(f"{name} ...", err=True)
            lines += PARTS[name](setup)
    click.echo(format_table(lines))
    click.echo(f"\ntook {clock.elapsed_s:.0f} s; other processes kept {clock.others_busy_cores} cores busy")
    chosen = [only or "", "quick" if quick else "", "gpu" if gpu else ""]
    file = out / f"{'-'.join(['features', *filter(None, chosen)])}.json"
    write_report(file, [line.to_json() for line in lines], settings=asdict(scale), clock=clock, gpu=gpu)
    click.echo(f"wrote {file}")


if __name__ == "__main__":
    main()
