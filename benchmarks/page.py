"""The lines of a report as a table of docs/results/benchmarks.md."""

from collections.abc import Sequence
from typing import Any


def page_table(lines: Sequence[dict[str, Any]]) -> list[str]:
    """The rows in Markdown; a spread is shown where runs differ.

    Parameters
    ----------
    lines : sequence of dict
        As `Line.to_json` gives them.
    """
    rows = ["| what | median | low to high | ratio | to | target |", "|---|---|---|---|---|---|"]
    for line in lines:
        low, high = line["spread"]
        spread = "" if low == high else f"{_short(low)} to {_short(high)}"
        ratio = "" if line["ratio"] is None else f"{line['ratio']:.3g}"
        cells = (line["name"], f"{_short(line['figure'])} {line['unit']}", spread, ratio)
        rows.append(f"| {' | '.join((*cells, line['ratio_to'] or '', line['target'] or ''))} |")
    return rows


def _short(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
