"""What the benchmark of large tables measured, as a section of docs/results/benchmarks.md; ten million on paper."""

import math
from typing import Any

from arms.reports.markdown import markdown_table

FAR = 10_000_000  # queries, on paper
USD_PER_CORE_HOUR = 0.05  # an assumption: a core of a general-purpose machine in a public cloud, on demand
_STAGES = {
    "check": "check the settings",
    "validate": "validate the tables",
    "pictures": "read and decode the pictures",
    "scenes": "find scenes and split",
    "prepare": "prepare, whole",
    "images": "encode the pictures",
    "texts": "encode the questions",
    "train": "train Phi for one epoch",
    "score": "score val and test by the net",
    "judge": "judge all routers",
}
_IDLE = "of it the imported code"
_LEAST = 0.01  # seconds or MiB; nothing has no logarithm
_FAR_HEAD = (
    f"On paper, not measured: {FAR:,} queries, from the figures of a stage's largest size by the slopes above, or a "
    "slope of 1 where that is more, as what is constant so far no longer counts there. The cost is core hours at an "
    f"assumed {USD_PER_CORE_HOUR} USD each."
)
Figures = dict[tuple[int, str], float]


def scale_page(report: dict[str, Any]) -> str:
    """Time and memory of each stage by the number of queries, with slopes, and what ten million would take."""
    figures: Figures = {(int(line["part"]), line["name"]): line["figure"] for line in report["lines"]}
    sizes = sorted({size for size, _ in figures})
    machine = report["machine"]
    commits = sorted({line["commit"] for line in report["lines"]})
    head = (
        f"`python -m benchmarks.scale`, {'commits' if len(commits) > 1 else 'commit'} {' and '.join(commits)}, "
        f"{machine['cores']} cores ({machine['cpu']}), of which other processes kept {report['others_busy_cores']} "
        "busy. Made-up tables of 12 VLMs and tiny pictures, a tenth as many as queries. Each stage is a process of its "
        "own. Memory is its own peak; the slope of memory is that of what it takes beyond the imported code. A slope "
        "is between the two largest sizes; 1 is linear."
    )
    parts = [
        "## Tables of many queries",
        head,
        markdown_table(_measured(figures, sizes, "time", "s"), left=1),
        markdown_table(_measured(figures, sizes, "on one core", "s"), left=1),
        markdown_table(_measured(figures, sizes, "memory", "GiB"), left=1),
    ]
    if len(sizes) > 1:
        parts += [_FAR_HEAD, markdown_table(_far(figures), left=1)]
    return "\n\n".join(parts) + "\n"


def slope(figures: Figures, name: str, base: str | None = None) -> float:
    """The exponent of a figure's growth between the two largest of its sizes: 1 is linear.

    Parameters
    ----------
    base : str, optional
        The name of what is there without any query, and does not count.
    """
    small, large = _sizes_of(figures, name)[-2:]
    low, high = (figures[size, name] - (figures[size, base] if base else 0.0) for size in (small, large))
    return math.log(max(high, _LEAST) / max(low, _LEAST)) / math.log(large / small)


def _measured(figures: Figures, sizes: list[int], what: str, unit: str) -> list[list[str]]:
    """A row for each stage, a column for each size, and the slope."""
    rows = [[f"{what}, by queries", *(f"{size:,}" for size in sizes), *(["slope"] if len(sizes) > 1 else [])]]
    scale = 1 / 1024 if unit == "GiB" else 1
    for stage, title in _STAGES.items():
        name = f"{stage}: {what}"
        measured = _sizes_of(figures, name)
        cells = [f"{_short(figures[size, name] * scale)} {unit}" if size in measured else "" for size in sizes]
        if len(sizes) > 1:
            has_slope = len(measured) > 1 and stage != "check"
            cells.append(f"{slope(figures, name, _base(stage, what)):.2f}" if has_slope else "none")
        rows.append([title, *cells])
    return rows


def _sizes_of(figures: Figures, name: str) -> list[int]:
    """At which a figure was measured, the smallest first."""
    return sorted(size for size, figure in figures if figure == name)


def _base(stage: str, what: str) -> str | None:
    """The figure that does not grow: of memory, what the imported code takes."""
    return f"{stage}: {_IDLE}" if what == "memory" else None


def _far(figures: Figures) -> list[list[str]]:
    rows = [["stage", "hours", "core hours", "memory", "written", "USD"]]
    for stage, title in _STAGES.items():
        sizes = _sizes_of(figures, f"{stage}: time")
        if stage == "check" or len(sizes) < 2:
            continue
        largest, factor = sizes[-1], FAR / sizes[-1]
        hours, core_hours = (
            figures[largest, name] / 3600 * factor ** max(1.0, slope(figures, name))
            for name in (f"{stage}: time", f"{stage}: on one core")
        )
        memory, idle = f"{stage}: memory", f"{stage}: {_IDLE}"
        growth = max(1.0, slope(figures, memory, idle))
        idle_mib = figures[largest, idle]
        gib = (idle_mib + (figures[largest, memory] - idle_mib) * factor**growth) / 1024
        written = figures[largest, f"{stage}: written"] * factor / 1024
        cells = [f"{hours:.2g}", f"{core_hours:.2g}", f"{_short(gib)} GiB", f"{_short(written)} GiB" if written else ""]
        rows.append([title, *cells, f"{core_hours * USD_PER_CORE_HOUR:.2g}"])
    return rows


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
