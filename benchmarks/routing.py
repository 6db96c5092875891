"""Routing many queries: the rate against that of extraction, the memory, and what one route takes.

``python -m benchmarks.routing``. The router is the starter, on the bundled encoders; photos and questions are made up
from a seed. What is compared runs in turn. benchmarks/record.py describes the results.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from arms.cli.completers import STARTER
from arms.data.atomic import atomic_file
from arms.device import choose_device, resolve_device
from arms.params.tree import read_params
from arms.routers.router import Router
from benchmarks.page import page_table
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report
from benchmarks.routing_parts.memory import measure_memory
from benchmarks.routing_parts.one import measure_one
from benchmarks.routing_parts.rate import measure_rate
from benchmarks.routing_parts.setup import Scale, write_pictures

FULL = Scale(rounds=3, queries=10_000, pictures=3_000, memory_queries=(10_000, 30_000), routes=200)
QUICK = Scale(rounds=1, queries=60, pictures=20, memory_queries=(20, 60), routes=3)
PARTS = ("rate", "memory", "one")


@click.command()
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Run only these parts.")
@click.option("--rounds", type=click.IntRange(min=1), help="Runs of the rate, instead of three.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from routing.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, only: tuple[str, ...], rounds: int | None, render: bool, out: Path) -> None:
    """Print a table, and write routing.json and routing.md; with --quick routing-quick.json and .md."""
    file = out / f"{'-'.join(['routing', *only, *(['quick'] if quick else [])])}.json"
    if not render:
        scale = QUICK if quick else FULL
        measure(scale if rounds is None else replace(scale, rounds=rounds), only or PARTS, file)
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(routing_page(json.loads(file.read_text())), encoding="utf-8")


def measure(scale: Scale, parts: tuple[str, ...], file: Path) -> None:
    """Measure, print the table and write it as JSON."""
    params = read_params()
    runtime = params.runtime.model_copy(update={"device": resolve_device(params.runtime.device)})
    device, router = choose_device(runtime.device), Router.load(STARTER, device=runtime.device)
    lines = list[Line]()
    with tempfile.TemporaryDirectory(prefix="arms-routing-") as temporary:
        folder = Path(temporary)
        click.echo(f"writing {scale.pictures:,} photos ...", err=True)
        photos = write_pictures(folder, scale.pictures)
        clock = Clock()
        measured: dict[str, Callable[[], list[Line]]] = {
            "rate": lambda: measure_rate(router, photos, scale, runtime, folder),
            "memory": lambda: measure_memory(folder / "photos", scale),
            "one": lambda: measure_one(router, device, scale, folder),
        }
        for part in parts:
            click.echo(f"{part} ...", err=True)
            lines += measured[part]()
    click.echo(format_table(lines))
    click.echo(f"\ntook {clock.elapsed_s:.0f} s; other processes kept {clock.others_busy_cores} cores busy")
    report_lines = [line.to_json() for line in lines]
    write_report(file, report_lines, settings=asdict(scale), clock=clock, gpu=device.type == "cuda")
    click.echo(f"wrote {file}")


def routing_page(report: dict[str, Any]) -> str:
    """The lines as a section of docs/results/benchmarks.md."""
    machine, settings = report["machine"], report["settings"]
    lines = [
        "## Routing many queries",
        "",
        f"`python -m benchmarks.routing`, commit {report['commit']['id'][:7]}, {machine['cores']} cores "
        f"({machine['cpu']}), of which other processes kept {report['others_busy_cores']} busy. The starter routes "
        f"{settings['queries']:,} queries, each with a question of its own, about {settings['pictures']:,} photos of "
        "640 x 480 pixels. The limit of its rate is the extraction of these pictures and questions into a feature "
        "store, as the encode stage does it; time on the cores is that of the process and its workers, whatever else "
        "the machine does. Memory is that of a fresh process. "
        f"Figures are medians: of the rate over {settings['rounds']} runs, of one route over {settings['routes']}.",
        "",
        *page_table(report["lines"]),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
