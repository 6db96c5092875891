"""The gateway under load: what it adds to an upstream that answers at once, and LiteLLM's proxy in the same minutes.

``python -m benchmarks.gateway``. All servers are processes on loopback. What is compared runs in turn.
benchmarks/record.py describes the results.
"""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from arms.data.atomic import atomic_file
from arms.errors import ArmsError
from benchmarks.gateway_parts.decision import measure_decision
from benchmarks.gateway_parts.load import Scale, measure_load
from benchmarks.gateway_parts.page import gateway_page
from benchmarks.gateway_parts.servers import LITELLM, serve_all
from benchmarks.record import RESULTS, Clock, write_report

FULL = Scale(rounds=3, requests=300, decisions=100)
QUICK = Scale(rounds=1, requests=16, decisions=5)


@click.command()
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from gateway.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, render: bool, out: Path) -> None:
    """Print the page, and write gateway.json and gateway.md; with --quick gateway-quick.json and .md."""
    file = out / ("gateway-quick.json" if quick else "gateway.json")
    if not render:
        try:
            measure(QUICK if quick else FULL, file)
        except ArmsError as error:
            raise click.ClickException(str(error)) from error
    page = gateway_page(json.loads(file.read_text()))
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(page, encoding="utf-8")
    click.echo(page)


def measure(scale: Scale, file: Path) -> None:
    """Start all servers, measure, and write the lines as JSON."""
    if not LITELLM.exists():
        click.echo(f"LiteLLM's proxy is left out: {LITELLM} is not there; run: make test-litellm", err=True)
    with tempfile.TemporaryDirectory(prefix="arms-gateway-") as temporary:
        click.echo("starting the servers ...", err=True)
        with serve_all(Path(temporary)) as targets:
            clock = Clock()
            click.echo("load ...", err=True)
            lines = measure_load(targets, scale)
            click.echo("decision ...", err=True)
            lines += measure_decision(targets["ARMS"], scale, Path(temporary))
    write_report(file, lines, settings=asdict(scale), clock=clock, gpu=False)


if __name__ == "__main__":
    main()
