"""What a benchmark measured: its lines, the machine and the commit, as a table and as JSON."""

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psutil
import torch

from arms.data.atomic import atomic_file
from arms.params.runtime import count_cores

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One figure, measured in several runs.

    Attributes
    ----------
    runs : tuple of float
        The figure in each run; the median is reported.
    reference : str or None
        The name of the line that it is compared with.
    ratios : tuple of float
        The figure divided by the reference's figure, for runs next to each other in time.
    at_least, at_most : float or None
        The target, a bound on the median of the ratios.
    note : str
        Anything else to know about it.
    """

    part: str
    name: str
    unit: str
    runs: tuple[float, ...]
    reference: str | None = None
    ratios: tuple[float, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def figure(self) -> float:
        """The median of the runs."""
        return statistics.median(self.runs)

    @property
    def ratio(self) -> float | None:
        """The median of the ratios."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def target(self) -> str | None:
        """The bound as text."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return None if self.at_most is None else f"<= {self.at_most:g}"

    @property
    def met(self) -> bool | None:
        """Whether the ratio is within its bound; None if there is no ratio or no bound."""
        if self.ratio is None or self.target is None:
            return None
        return self.ratio >= self.at_least if self.at_least is not None else self.ratio <= (self.at_most or 0.0)

    def over(self, other: "Line", *, at_least: float | None = None, at_most: float | None = None) -> Self:
        """The same line compared with another one, run by run."""
        ratios = tuple(own / its for own, its in zip(self.runs, other.runs, strict=True))
        return replace(self, reference=other.name, ratios=ratios, at_least=at_least, at_most=at_most)

    def to_json(self) -> dict[str, Any]:
        """The line as JSON, numbers to five figures, whole ones unchanged."""
        return {
            "part": self.part,
            "name": self.name,
            "figure": _round(self.figure),
            "unit": self.unit,
            "spread": [_round(min(self.runs)), _round(max(self.runs))],
            "runs": [_round(run) for run in self.runs],
            "ratio_to": self.reference,
            "ratio": None if self.ratio is None else _round(self.ratio),
            "ratio_spread": [_round(min(self.ratios)), _round(max(self.ratios))] if self.ratios else None,
            "target": self.target,
            "met": self.met,
            "note": self.note,
        }


def write_report(
    file: Path, lines: Sequence[dict[str, Any]], *, settings: dict[str, Any], clock: "Clock", gpu: bool
) -> None:
    """Write lines, settings, machine and commit as JSON, whole or not at all."""
    report = {
        "settings": settings,
        "machine": describe_machine(gpu=gpu),
        "commit": describe_commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_s": round(clock.elapsed_s, 1),
        "others_busy_cores": clock.others_busy_cores,
        "lines": list(lines),
    }
    with atomic_file(file) as draft:
        draft.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def format_table(lines: Sequence[Line]) -> str:
    """Lines as text, columns aligned."""
    rows = [("part", "what", "median", "unit", "low to high", "n", "ratio", "to", "target", "met")]
    for line in lines:
        ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
        met = {None: "", True: "yes", False: "no"}[line.met]
        spread = f"{_short(min(line.runs))} to {_short(max(line.runs))}" if len(line.runs) > 1 else ""
        figures = (_short(line.figure), line.unit, spread, str(len(line.runs)))
        rows.append((line.part, line.name, *figures, ratio, line.reference or "", line.target or "", met))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"{line.name}: {line.note}" for line in lines if line.note]
    return "\n".join([texts[0], "-" * len(texts[0]), *texts[1:], *([""] if notes else []), *notes])


class Clock:
    """Counts the seconds since it was made, and how busy other processes have kept the machine meanwhile."""

    def __init__(self) -> None:
        self._start_s, self._others_s = time.perf_counter(), _core_s_of_others()

    @property
    def elapsed_s(self) -> float:
        """Seconds."""
        return time.perf_counter() - self._start_s

    @property
    def others_busy_cores(self) -> float | None:
        """Cores that others kept busy on average; None if a container sees only some of the machine's cores."""
        if count_cores() != os.cpu_count():
            return None
        return round((_core_s_of_others() - self._others_s) / self.elapsed_s, 2)


def _core_s_of_others() -> float:
    machine, own = psutil.cpu_times(), os.times()
    idle_s = machine.idle + getattr(machine, "iowait", 0.0)
    guests_s = getattr(machine, "guest", 0.0) + getattr(machine, "guest_nice", 0.0)  # counted as user time too
    return sum(machine) - idle_s - guests_s - sum(own[:4])


def describe_machine(*, gpu: bool) -> dict[str, Any]:
    """The machine that this process runs on."""
    return {
        "cpu": torch.cpu.get_capabilities().get("cpu_name", platform.machine()),
        "cores": count_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
    }


def describe_commit() -> dict[str, Any]:
    """The commit checked out, and whether files other than results differ from it; each None without Git."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", ":/", ":(top,exclude)benchmarks/results")
    return {"id": commit, "dirty": None if changes is None else bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        run = subprocess.run(["git", *arguments], cwd=RESULTS.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()


def _round(value: float) -> float:
    return value if float(value).is_integer() else float(f"{value:.5g}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
