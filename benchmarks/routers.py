"""The routers on pooled embeddings: nearest neighbours against plain loops, all others by themselves, and curves.

``python -m benchmarks.routers``. Everything is made up from a seed; the routers and their settings are those that
params.yaml and studies/params.yaml name. What is compared runs in turn, within the same minute, and the table shows
medians. benchmarks/record.py describes the results.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from arms.data.atomic import atomic_file
from arms.errors import ArmsError
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report
from benchmarks.router_parts.curves import measure_curves
from benchmarks.router_parts.neighbours import measure_neighbours
from benchmarks.router_parts.page import routers_page
from benchmarks.router_parts.registry import measure_registry
from benchmarks.router_parts.setup import Scale, Setup, make_setup

PARTS: dict[str, Callable[[Setup], list[Line]]] = {
    "neighbours": measure_neighbours,
    "curves": measure_curves,
    "registry": measure_registry,
}

FULL = Scale(
    rounds=5,
    train=21_000,
    fitted=5_000,
    val=2_000,
    queries=2_000,
    sample=100,
    singles=100,
    vlms=17,
    width=512,
    sources=20,
    topics=400,
    answers=5_000,
    neighbours=100,
    curve_queries=10_000,
    curve_points=50,
)
QUICK = Scale(
    rounds=1,
    train=2_000,
    fitted=300,
    val=100,
    queries=200,
    sample=5,
    singles=5,
    vlms=4,
    width=16,
    sources=5,
    topics=20,
    answers=50,
    neighbours=20,
    curve_queries=300,
    curve_points=10,
)


@click.command()
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--only", type=click.Choice(list(PARTS)), help="Run one part.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from routers.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, only: str | None, render: bool, out: Path) -> None:
    """Print a table, and write routers.json and routers.md; the options' names go into the files' names."""
    file = out / f"{'-'.join(filter(None, ['routers', only, 'quick' if quick else '']))}.json"
    if not render:
        measure(quick, only, file)
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(routers_page(json.loads(file.read_text())), encoding="utf-8")


def measure(quick: bool, only: str | None, file: Path) -> None:
    """Measure, print the table and write it as JSON."""
    logging.getLogger("arms").setLevel(logging.WARNING)
    scale = QUICK if quick else FULL
    clock, lines = Clock(), []
    setup = make_setup(scale)
    for name in [only] if only else PARTS:
        click.echo(f"{name} ...", err=True)
        try:
            lines += PARTS[name](setup)
        except ArmsError as error:
            raise click.ClickException(str(error)) from error
    click.echo(format_table(lines))
    click.echo(f"\ntook {clock.elapsed_s:.0f} s; other processes kept {clock.others_busy_cores} cores busy")
    write_report(file, [line.to_json() for line in lines], settings=asdict(scale), clock=clock, gpu=False)
    click.echo(f"wrote {file}")


if __name__ == "__main__":
    main()
