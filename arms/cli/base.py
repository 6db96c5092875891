"""What the commands share: how errors end them, and how they print."""

import json
from typing import Any

import click

from arms.errors import INTERRUPTED, drop_output, ending_of

EXIT_CODES = """\b
Exit status:
  0  done
  1  input that cannot be used, or a problem found: the text says where and what to do
  2  a command line that cannot be understood
  130  interrupted
"""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), default=4, show_default=True, help="Threads that check images."
)


class ArmsGroup(click.Group):
    """Ends with one message where `arms.errors` knows the error, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from arms.progress import show_progress

        show_progress()
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            ending = ending_of(error)
            if ending is None:
                raise
            drop_output()
            if ending.status == INTERRUPTED:
                click.echo(ending.text, err=True)
                raise SystemExit(INTERRUPTED) from error
            if not ending.text:
                raise SystemExit(ending.status) from error
            raise click.ClickException(ending.text) from error


def print_json(content: Any) -> None:
    """Print JSON for a program to read."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def count(number: int, noun: str) -> str:
    """A number of things, such as 1 store or 2 stores."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def size(num_bytes: float) -> str:
    """Bytes to read, such as 1.21 GiB."""
    for unit in ("bytes", "KiB", "MiB"):
        if num_bytes < 1024:
            return f"{num_bytes:.4g} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:,.4g} GiB"
