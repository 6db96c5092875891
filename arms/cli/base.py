"""What the commands share: how errors end them, and how they print."""

import json
from typing import Any

import click

from arms.errors import ArmsError

EXIT_CODES = """\b
Exit status:
  0  done
  1  input that cannot be used, or a problem found: the text says where and what to do
  2  a command line that cannot be understood
"""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), default=4, show_default=True, help="Threads that check images."
)


class ArmsGroup(click.Group):
    """Ends with the text of an ArmsError and exit status 1, not with a traceback.

    So do files or folders that cannot be read or written, which no command checks beforehand.
    """

    def invoke(self, ctx: click.Context) -> Any:
        from arms.progress import show_progress

        show_progress()
        try:
            return super().invoke(ctx)
        except ArmsError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.filename is None:  # such as a pipe that nobody reads any more; click knows how to end that
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error


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
