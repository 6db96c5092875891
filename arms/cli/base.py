"""What the commands share: how errors end them, and how they print."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from arms.errors import INTERRUPTED, ArmsError, drop_output, ending_of
from arms.terminal import ShownFormatter, shown

EXIT_CODES = """\b
Exit status:
  0  done
  1  input that cannot be used, or a problem found: the text says where and what to do
  2  a command line that cannot be understood
  130  interrupted
"""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
metrics_option = click.option(
    "--metrics",
    type=click.Path(path_type=Path),
    default=Path("metrics"),
    show_default=True,
    help="The folder of metrics files.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), default=4, show_default=True, help="Threads that check images."
)


PIPELINE = ("dvc", "dvclive", "google_crc32c", "matplotlib", "openpyxl", "zarr")


def need_extra(command: str, extra: str, packages: Sequence[str] = PIPELINE) -> None:
    """Raise an ArmsError that names the extra if one of its packages is missing."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise ArmsError(
            f"{command}: expected the extra {extra}, {missing[0]} is missing; run: pip install 'arms[{extra}]'"
        )


class ArmsGroup(click.Group):
    """Ends with one message where `arms.errors` knows the error, not with a traceback."""

    def make_context(self, *args: Any, **settings: Any) -> click.Context:
        with _ending_with_text():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        from arms.progress import show_progress

        show_progress()
        _log_to_terminal()
        with _ending_with_text():
            return super().invoke(ctx)


def _log_to_terminal() -> None:
    """Let warnings reach the error stream as Python's last resort writes them, and no library set up another way."""
    root = logging.getLogger()
    if logging.lastResort is not None and not root.handlers:
        logging.lastResort.setFormatter(ShownFormatter())
        root.addHandler(logging.lastResort)


@contextmanager
def _ending_with_text() -> Iterator[None]:
    """Turn errors that `arms.errors` knows into those that click shows; their texts may quote anything."""
    try:
        yield
    except click.ClickException as error:
        error.message = shown(error.message)  # type: ignore[misc]
        raise
    except (Exception, KeyboardInterrupt) as error:
        ending = ending_of(error)
        if ending is None:
            raise
        drop_output()
        if ending.status == INTERRUPTED:
            echo(ending.text, err=True)
            raise SystemExit(INTERRUPTED) from error
        if not ending.text:
            raise SystemExit(ending.status) from error
        raise click.ClickException(shown(ending.text)) from error


def echo(text: str, *, head: str = "", err: bool = False, nl: bool = True) -> None:
    """Print text; the only way in which commands do. What would steer a terminal is escaped, but for `head`."""
    click.echo(head + shown(text), err=err, nl=nl)


def echo_table(text: str) -> None:
    """Print a table for a program to read, such as CSV; only on a terminal is it escaped, as it would change."""
    click.echo(shown(text) if sys.stdout.isatty() else text, nl=False)


def print_json(content: Any, indent: int | None = 2) -> None:
    """Print JSON for a program to read; what is escaped reads back as it was."""
    echo(json.dumps(content, indent=indent, ensure_ascii=False))


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
