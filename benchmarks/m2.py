"""M2's size, rehearsed: a made-up dataset of M2's shape through the whole pipeline, stage by stage.

``python -m benchmarks.m2``. The dataset is written from a seed into a scratch project, and each stage runs there as a
process of its own, with the published settings: with the bundled encoders, frozen, and with --gpu also with encoders
of the published pair's sizes, tuned whole. benchmarks/record.py describes the results.
"""

import json
import tempfile
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import click

from arms.data.atomic import atomic_file
from arms.device import choose_device
from arms.errors import ArmsError
from arms.params.runtime import count_cores
from arms.progress import show_progress
from benchmarks.m2_parts.page import STEP, m2_page
from benchmarks.m2_parts.project import DATA, write_dataset, write_settings
from benchmarks.m2_parts.rates import training_seconds
from benchmarks.m2_parts.shape import M2, Shape
from benchmarks.m2_parts.stages import STAGES, run_stage
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report

_EPOCHS = 3  # of the tuned pair, where it does not run whole
_SPLITS = ("id", "ood")
_POOLS = ("base", "extended")


@click.command()
@click.option("--scale", type=click.FloatRange(0.0005, 1), default=1.0, help="Share of M2's queries to make up.")
@click.option("--gpu", is_flag=True, help="Train on the CUDA device, and run the tuned pair whole.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Keep the scratch project here.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from m2.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(scale: float, gpu: bool, folder: Path | None, render: bool, out: Path) -> None:
    """Print a table, and write m2.json and m2.md; with --scale below 1 m2-quick.json, with --gpu m2-gpu.json."""
    file = out / f"{'-'.join(['m2', *(['gpu'] if gpu else []), *(['quick'] if scale < 1 else [])])}.json"
    if not render:
        with ExitStack() as stack:
            kept = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arms-m2-")))
            try:
                measure(scale, gpu, kept, file)
            except ArmsError as error:
                raise click.ClickException(str(error)) from error
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(m2_page(json.loads(file.read_text())), encoding="utf-8")


def measure(scale: float, gpu: bool, folder: Path, file: Path) -> None:
    """Measure, print the table and write it as JSON."""
    show_progress()
    device = "cuda" if gpu else "cpu"
    choose_device(device)
    shape, clock = M2.scaled(scale) if scale < 1 else M2, Clock()
    click.echo(f"making up {shape.queries:,} queries ...", err=True)
    lines = [*_write(folder, shape), *_run_pipeline(folder, "bundled", device)]
    if gpu:
        lines += _run_pipeline(folder, "m2-tuned", device)
    click.echo("training the tuned pair ...", err=True)
    seconds = training_seconds(folder / "data/raw" / DATA, device, _EPOCHS)
    lines.append(Line(part="tuned", name=STEP, unit="s", runs=seconds))
    click.echo(format_table(lines))
    click.echo(f"\ntook {clock.elapsed_s:.0f} s; other processes kept {clock.others_busy_cores} cores busy")
    sizes = {field.name: getattr(shape, field.name) for field in fields(shape)}
    settings = {"scale": scale, **sizes, "benchmarks": dict(shape.benchmarks)}
    write_report(file, [line.to_json() for line in lines], settings=settings, clock=clock, gpu=gpu)
    click.echo(f"wrote {file}")


def _write(folder: Path, shape: Shape) -> list[Line]:
    """Write the dataset; its sizes, and how long that took."""
    clock = Clock()
    counts = write_dataset(folder / "data/raw" / DATA, shape, count_cores())
    took = Line(part="dataset", name="writing it", unit="s", runs=(clock.elapsed_s,))
    picture_bytes = counts.pop("picture_bytes")
    sizes = [Line(part="dataset", name=name, unit="", runs=(float(count),)) for name, count in counts.items()]
    return [took, *sizes, Line(part="dataset", name="picture files", unit="GiB", runs=(picture_bytes / 2**30,))]


def _run_pipeline(folder: Path, encoders: str, device: str) -> list[Line]:
    """Each stage's time, memory and bytes written, and what was reached, to see that there was something to learn."""
    write_settings(folder, encoders, [f"runtime.device={device}"])
    lines = []
    for name in STAGES:
        click.echo(f"{encoders}: {name} ...", err=True)
        run = run_stage(name, folder, DATA, encoders)
        for what, unit, figure in (
            ("time", "s", run.wall_s),
            ("on one core", "s", run.core_s),
            ("memory", "GiB", run.peak_gib),
            ("written", "MiB", run.written_bytes / 2**20),
        ):
            lines.append(Line(part=encoders, name=f"{name}: {what}", unit=unit, runs=(figure,)))
    return [*lines, *_reached(folder / "metrics", encoders)]


def _reached(folder: Path, encoders: str) -> list[Line]:
    """The EM of ARMS, kNN and the best single VLM, and on how many queries."""
    lines = []
    arms, knn = (json.loads((folder / f"{name}.json").read_text()) for name in ("arms", "knn"))
    for split in _SPLITS:
        for pool in _POOLS:
            of = arms[split][pool]
            figures = {
                "EM of ARMS": of["em"],
                "EM of kNN": knn[split][pool]["em"],
                "EM of the best single VLM": of["best_single_em"],
                "queries": float(of["queries"]),
            }
            for what, figure in figures.items():
                unit = "EM" if what.startswith("EM") else ""
                lines.append(Line(part=encoders, name=f"{split}, {pool} pool: {what}", unit=unit, runs=(figure,)))
    return lines


if __name__ == "__main__":
    main()
