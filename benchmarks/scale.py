"""Tables of many queries: time, memory and bytes of every stage that reads tables, by the number of queries.

``python -m benchmarks.scale``. A made-up dataset of each size is written into a scratch project, and each stage runs
there as a process of its own. benchmarks/record.py describes the results.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from arms.data.atomic import atomic_file
from benchmarks.record import RESULTS, Clock, Line, describe_commit, format_table, write_report
from benchmarks.scale_parts.dataset import DATA, RAW, ROOT, write_project
from benchmarks.scale_parts.page import scale_page

SIZES, QUICK = (10_000, 100_000, 1_000_000), (1_000, 2_000)
_MOST_ENCODED = 100_000  # queries; ten times as many take half an hour, and each input is encoded by itself
# Each measured stage, with what it writes; a part of another stage writes nothing of its own.
WRITES: dict[str, tuple[str, ...]] = {
    "validate": (),
    "pictures": (),
    "scenes": (),
    "check": ("data/checked.json",),
    "prepare": (f"data/prepared/{DATA}",),
    "images": (f"data/features/{DATA}/bundled/image.zarr",),
    "texts": (f"data/features/{DATA}/bundled/text.zarr",),
    "train": (),
    "score": ("data/scores/arms",),
    "judge": ("metrics", "data/plots/evaluate"),
}


@click.command()
@click.option("--size", "sizes", type=click.IntRange(min=500), multiple=True, help="Queries; may be repeated.")
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--stage", "stages", type=click.Choice([*WRITES]), multiple=True, help="Only these, on a kept --folder.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Keep the scratch projects here.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from scale.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(
    sizes: tuple[int, ...], quick: bool, stages: tuple[str, ...], folder: Path | None, render: bool, out: Path
) -> None:
    """Print a table, and write scale.json and scale.md; with --quick scale-quick.json and .md.

    With --size or --stage, scale.json keeps the lines that are not measured again.
    """
    file = out / ("scale-quick.json" if quick else "scale.json")
    if not render:
        clock, lines = Clock(), list[Line]()
        with ExitStack() as stack:
            root = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arms-scale-")))
            for size in sizes or (QUICK if quick else SIZES):
                lines += measure_size(size, root / str(size), stages)
        click.echo(format_table(lines))
        click.echo(f"\ntook {clock.elapsed_s:.0f} s; other processes kept {clock.others_busy_cores} cores busy")
        _write(file, lines, clock, keep=bool(sizes or stages))
    page = scale_page(json.loads(file.read_text()))
    click.echo(page)
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(page, encoding="utf-8")


def measure_size(size: int, project: Path, stages: tuple[str, ...]) -> list[Line]:
    """The lines of one number of queries."""
    lines, part = list[Line](), str(size)
    if not (project / RAW).is_dir():
        clock = Clock()
        click.echo(f"{size:,} queries: making them up ...", err=True)
        write_project(project, size)
        lines.append(Line(part=part, name="made up: time", unit="s", runs=(clock.elapsed_s,)))
    for name, folder in (("tables", project / RAW), ("pictures", project / RAW / "images")):
        files = folder.rglob("*.png") if name == "pictures" else folder.glob("*.*")
        mib = sum(file.stat().st_size for file in files) / 2**20
        lines.append(Line(part=part, name=f"{name}: bytes", unit="MiB", runs=(mib,)))
    for stage, written in WRITES.items():
        if stage not in (stages or WRITES) or (stage in ("images", "texts") and size > _MOST_ENCODED):
            continue
        if stage == "judge" and not (project / "data/scores/plain").is_dir():
            run_stage("others", project)
        click.echo(f"{size:,} queries: {stage} ...", err=True)
        run = run_stage(stage, project)
        mib = sum(map(_bytes_of, (project / name for name in written))) / 2**20
        for what, unit, figure in (
            ("time", "s", run["wall_s"]),
            ("on one core", "s", run["core_s"]),
            ("memory", "MiB", run["peak_mib"]),
            ("of it the imported code", "MiB", run["idle_mib"]),
            ("written", "MiB", mib),
        ):
            lines.append(Line(part=part, name=f"{stage}: {what}", unit=unit, runs=(figure,)))
    return lines


def run_stage(stage: str, project: Path) -> dict[str, float]:
    """Run a stage in the project's folder, in a process of its own; a ClickException if it fails."""
    file, log = project / "run.json", project / f"{stage}.log"
    command = [sys.executable, "-m", "benchmarks.scale_parts.child", stage, file.name]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    with log.open("w") as output:
        finished = subprocess.run(command, cwd=project, env=environment, stdout=output, stderr=output, check=False)
    if finished.returncode:
        raise click.ClickException(f"{stage} ended with {finished.returncode}:\n{log.read_text()[-2000:]}")
    run: dict[str, float] = json.loads(file.read_text())
    return run


def _bytes_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _write(file: Path, lines: list[Line], clock: Clock, *, keep: bool) -> None:
    """Write the report; of an older one keep the lines that were not measured again, each with its commit."""
    commit = str(describe_commit()["id"])[:7]
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    if keep and file.is_file():
        merged = {(line["part"], line["name"]): line for line in json.loads(file.read_text())["lines"]}
    merged |= {(line.part, line.name): {**line.to_json(), "commit": commit} for line in lines}
    by_size = sorted(merged.values(), key=lambda line: int(line["part"]))
    write_report(file, by_size, settings={}, clock=clock, gpu=False)
    click.echo(f"wrote {file}")


if __name__ == "__main__":
    main()
