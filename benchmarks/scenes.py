"""Finding scenes among many pictures: time and memory, compared with comparing all of them.

``python -m benchmarks.scenes``. The thumbnails are made up from a seed; reading pictures is part of the check that
`prepare` makes of every image, and is not measured here. Each run is a process of its own. benchmarks/record.py
describes the results.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from arms.data.atomic import atomic_file
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report

SIZES, QUICK = (20_000, 100_000, 1_000_000), (300, 600)
COMPARED = 100_000  # the most pictures that are all compared with each other, as the reference
COPIES = 4  # pictures of a scene
SIMILARITY = 0.98
ALL_PAIRS, CLUSTERS = "compare all", "compare within clusters"


@click.command()
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from scenes.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, render: bool, out: Path) -> None:
    """Print a table, and write scenes.json and scenes.md; with --quick scenes-quick.json and .md."""
    file = out / ("scenes-quick.json" if quick else "scenes.json")
    if not render:
        measure(QUICK if quick else SIZES, file)
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(scenes_page(json.loads(file.read_text())), encoding="utf-8")


def measure(sizes: tuple[int, ...], file: Path) -> None:
    """Measure, print the table and write it as JSON."""
    clock, lines = Clock(), list[Line]()
    with tempfile.TemporaryDirectory(prefix="arms-scenes-") as temporary:
        for size in sizes:
            lines += measure_size(size, Path(temporary) / "run.json")
    click.echo(format_table(lines))
    settings = {"sizes": list(sizes), "copies": COPIES, "similarity": SIMILARITY}
    write_report(file, [line.to_json() for line in lines], settings=settings, clock=clock, gpu=False)
    click.echo(f"wrote {file}")


def measure_size(size: int, printed: Path) -> list[Line]:
    """The lines of one number of pictures."""
    lines: list[Line] = []
    for way in (ALL_PAIRS, CLUSTERS) if size <= COMPARED else (CLUSTERS,):
        click.echo(f"{size:,} pictures, {way} ...", err=True)
        child = "benchmarks.scene_parts.child"
        command = [sys.executable, "-m", child, str(size), str(COPIES), str(SIMILARITY), way, str(printed)]
        subprocess.run(command, cwd=Path(__file__).parents[1], check=True)
        run = json.loads(printed.read_text())
        name = f"{size:,} pictures, {way}"
        note = f"{run['scenes']:,} scenes found of {run['true_scenes']:,}; peak memory {run['peak_gib']:.2f} GiB"
        line = Line(part=f"{size:,}", name=name, unit="s", runs=(run["wall_s"],), note=note)
        lines.append(line.over(lines[0]) if lines else line)
    return lines


def scenes_page(report: dict[str, Any]) -> str:
    """The lines as a section of docs/results/benchmarks.md."""
    machine, settings = report["machine"], report["settings"]
    head = (
        f"`python -m benchmarks.scenes`, commit {report['commit']['id'][:7]}, {machine['cores']} cores "
        f"({machine['cpu']}), of which other processes kept {report['others_busy_cores']} busy. Made-up thumbnails, "
        f"{settings['copies']} of each scene; pictures are near-copies from a correlation of {settings['similarity']} "
        "on. Time is that of finding the scenes once the thumbnails are there; memory is that of the whole process."
    )
    rows = [
        f"| {line['name']} | {line['figure']:.3g} s | {'' if line['ratio'] is None else format(line['ratio'], '.3g')} "
        f"| {line['note']} |"
        for line in report["lines"]
    ]
    table = ["| what | time | ratio to comparing all | found |", "|---|---|---|---|", *rows]
    return "\n".join(["## Scenes", "", head, "", *table]) + "\n"


if __name__ == "__main__":
    main()
