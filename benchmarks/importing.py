"""Importing a large log: time and memory of a whole import from CSV, compared with a plain read of the same files.

``python -m benchmarks.importing``. The log is made up from a seed. Each run is a process of its own and is timed as a
whole; runs that are compared follow one another. benchmarks/record.py describes the results.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from arms.data.atomic import atomic_file
from benchmarks.import_parts.log import FORMS, Scale, write_log
from benchmarks.page import page_table
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report

FULL = Scale(rounds=3, queries=100_000, vlms=17)
QUICK = Scale(rounds=1, queries=60, vlms=3)

TIME_S, MEMORY_GIB = 60.0, 4.0  # what an import of the full log may take


@dataclass(frozen=True)
class Run:
    """What one process took."""

    wall_s: float
    peak_gib: float
    counts: dict[str, int]


@click.command()
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from importing.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, render: bool, out: Path) -> None:
    """Print a table, and write importing.json and importing.md; with --quick importing-quick.json and .md."""
    file = out / ("importing-quick.json" if quick else "importing.json")
    if not render:
        measure(QUICK if quick else FULL, file)
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(importing_page(json.loads(file.read_text())), encoding="utf-8")


def measure(scale: Scale, file: Path) -> None:
    """Measure, print the table and write it as JSON."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="arms-importing-") as temporary:
        folder = Path(temporary)
        click.echo(f"writing a log of {scale.queries:,} queries ...", err=True)
        write_log(folder, scale)
        clock = Clock()
        for form in FORMS:
            lines += measure_form(form, folder, scale)
        click.echo(format_table(lines))
        click.echo(f"\ntook {clock.elapsed_s:.0f} s; other processes kept {clock.others_busy_cores} cores busy")
        write_report(file, [line.to_json() for line in lines], settings=asdict(scale), clock=clock, gpu=False)
        click.echo(f"wrote {file}")
        click.echo("removing the log and the datasets ...", err=True)  # takes minutes for the full log


def measure_form(form: str, folder: Path, scale: Scale) -> list[Line]:
    """The lines of one form of the log."""
    plain, imports = [], []
    for number in range(scale.rounds):
        click.echo(f"{form}, round {number + 1} of {scale.rounds} ...", err=True)
        plain.append(run("plain", form, folder, number))
        imports.append(run("import", form, folder, number))
    outcomes = scale.queries * scale.vlms
    assert all(
        one.counts == {"queries": scale.queries, "outcomes": outcomes, "images": scale.queries} for one in imports
    )

    def line(name: str, unit: str, *figures: float) -> Line:
        return Line(part=form, name=f"{form}: {name}", unit=unit, runs=figures)

    walls = [one.wall_s for one in imports]
    read = line("plain read", "s", *(one.wall_s for one in plain))
    limits = [
        Line(part=form, name=name, unit=unit, runs=(limit,) * scale.rounds)
        for name, unit, limit in (("a minute", "s", TIME_S), ("4 GiB", "GiB", MEMORY_GIB))
    ]
    return [
        read,
        line("import", "s", *walls).over(read),
        line("import, time", "s", *walls).over(limits[0], at_most=1),
        line("import, peak memory", "GiB", *(one.peak_gib for one in imports)).over(limits[1], at_most=1),
        line("import, outcomes", "/s", *(outcomes / wall_s for wall_s in walls)),
    ]


def run(kind: str, form: str, folder: Path, number: int) -> Run:
    """Run one process; the datasets stay to the end, because files are created slowly after others were removed."""
    command = [sys.executable, "-m", "benchmarks.import_parts.child", kind, form, str(folder)]
    start = time.perf_counter()
    finished = subprocess.run(
        [*command, str(folder / f"{form}-{number}")],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    wall_s = time.perf_counter() - start
    if finished.returncode:
        raise click.ClickException(f"{' '.join(command)} ended with {finished.returncode}")
    printed = json.loads(finished.stdout)
    return Run(wall_s, printed.pop("peak_gib"), printed)


def importing_page(report: dict[str, Any]) -> str:
    """The lines as a section of docs/results/benchmarks.md."""
    machine, settings = report["machine"], report["settings"]
    lines = [
        "## Importing",
        "",
        f"`python -m benchmarks.importing`, commit {report['commit']['id'][:7]}, {machine['cores']} cores "
        f"({machine['cpu']}), of which other processes kept {report['others_busy_cores']} busy. A made-up log of "
        f"{settings['queries']:,} queries, each with an image file of its own (300 bytes to 4 KB), and "
        f"{settings['vlms']} VLMs: {settings['queries'] * settings['vlms']:,} outcomes, as a row each (long, with "
        "output, cost and latency) or a column for each VLM (wide). An import reads, checks and joins the rows, opens "
        "and copies every image, and writes the dataset; times are those of a whole process, medians of "
        f"{settings['rounds']} runs. The plain read is `pandas.read_csv` and the bytes of every image.",
        "",
        *page_table(report["lines"]),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
