"""`arms doctor`: what this machine and this project have, and what is missing for what."""

import sys
from dataclasses import asdict

import click

from arms.cli.base import echo, json_option, print_json

_COLOURS = {"ok": "green", "note": "yellow", "missing": "red"}


@click.command(short_help="Say what is here and what is missing.")
@click.option("--offline", is_flag=True, help="Do not ask the model hub whether it can be reached.")
@json_option
def doctor(offline: bool, as_json: bool) -> None:
    """Say what this machine and this project have, and what is missing for what.

    Each line is `ok`, a `note`, or `missing`: what `dvc repro` needs with the present params.yaml. Exits with status 1
    if anything is missing. Nothing is measured or downloaded; the hub is only asked for a sign of life.

    \b
    Examples:
      arms doctor
      arms doctor --offline --json
    """
    from arms.doctor.examine import examine, is_ready, summary

    lines = []
    for line in examine(ask_hub=not offline):
        lines.append(line)
        if not as_json:
            echo(f"  {line.topic}: {line.text}", head=click.style(f"{line.status:<7}", fg=_COLOURS[line.status]))
    ready = is_ready(lines)
    if as_json:
        print_json({"ready": ready, "summary": summary(lines), "lines": [asdict(line) for line in lines]})
    else:
        echo(summary(lines))
    if not ready:
        sys.exit(1)
