"""Markdown: one table function, and how numbers and intervals are written."""

from collections.abc import Mapping, Sequence
from typing import Any


def markdown_table(rows: Sequence[Sequence[str]], *, left: int | None = None) -> str:
    """A Markdown table, without a line break at its end.

    Parameters
    ----------
    rows : sequence of sequences of str
        The first one is the header. A bar in a cell is escaped.
    left : int, optional
        So many columns are aligned to the left, the others to the right; by default all are as the reader's program
        has it.

    Raises
    ------
    ValueError
        If there is no header, or a row has another number of cells.
    """
    if not rows:
        raise ValueError("markdown_table: expected a header row, got no rows")
    width = len(rows[0])
    for row in rows:
        if len(row) != width:
            raise ValueError(f"markdown_table: expected {width} cells in each row, got {len(row)}: {', '.join(row)}")
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    rule = "|" + "---|" * width if left is None else "|" + "---|" * left + "---:|" * (width - left)
    return "\n".join([lines[0], rule, *lines[1:]])


def number(value: float | None, digits: int = 3) -> str:
    """A number such as 0.884; a dash where it is None."""
    return "-" if value is None else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """A difference such as +0.286; a dash where it is None."""
    return "-" if value is None else f"{value:+.3f}"


def with_interval(metrics: Mapping[str, Any], name: str, *, sign: bool = False) -> str:
    """A metric and its 95 % interval, such as 0.884 (0.866 to 0.903)."""
    write = signed if sign else number
    return f"{write(metrics[name])} ({interval(metrics, name, sign=sign)})"


def interval(metrics: Mapping[str, Any], name: str, *, sign: bool = False) -> str:
    """The 95 % interval of a metric, such as 0.866 to 0.903."""
    write = signed if sign else number
    return f"{write(metrics[f'{name}_low'])} to {write(metrics[f'{name}_high'])}"
