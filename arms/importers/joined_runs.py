"""Several runs of one VLM, joined by row: of each query the newest verdict counts, whichever run has it.

A later run may have asked only some of the questions, as with `--limit`, or may have failed on some.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pandas as pd

from arms.importers.set_aside import SetAside

_MUCH_SMALLER = 0.5  # of the rows of the largest run on the same questions

RowT = TypeVar("RowT")


@dataclass(frozen=True)
class _Run:
    """One run: which VLM answered which part of the log, such as a benchmark, and where that is recorded."""

    vlm: str
    part: str
    where: str


@dataclass
class JoinedRuns:
    """The runs of a log; those of one VLM on one part of it are opened newest first."""

    _runs: list[_Run] = field(default_factory=list)

    def open(self, vlm: str, part: str, where: str) -> int:
        """Name a run; returns the number that its rows carry."""
        self._runs.append(_Run(vlm, part, where))
        return len(self._runs) - 1

    def newest(self, rows: pd.DataFrame, aside: SetAside) -> np.ndarray:
        """Which rows count.

        Parameters
        ----------
        rows : DataFrame of N rows
            `query_id`, `vlm`, `run` (-1: of none), and `known`, whether there is a verdict.
        aside : SetAside
            Notes what older runs gave, and which runs are much smaller than others.

        Returns
        -------
        ndarray of shape (N,), bool
            For each query and VLM, the rows of the newest run with a verdict, or of the newest if none has one.
        """
        self._note_small(rows, aside)
        older = self._older()
        if not older:
            return np.ones(len(rows), dtype=bool)
        place = rows["run"] + 1
        rank = place.where(rows["known"], place + len(self._runs) + 1)  # any verdict goes before none
        first = rank.groupby([rows["query_id"], rows["vlm"]]).transform("min") % (len(self._runs) + 1)
        kept = (place == first).to_numpy(dtype=bool)
        taken = rows[kept & rows["known"]].groupby("run").size()
        there = rows[rows["known"]].groupby("run").size()
        for number, newest in older.items():
            aside.note(
                "older run, joined by row",
                self._runs[number].where,
                "nothing: of each query the newest verdict counts",
                detail=f"{taken.get(number, 0):,} of {there.get(number, 0):,} verdicts taken; the newest run of "
                f"{self._runs[number].vlm} is {self._runs[newest].where}",
            )
        return kept

    def _older(self) -> dict[int, int]:
        """The runs that have a newer one, each with the newest."""
        newest: dict[tuple[str, str], int] = {}
        older = {}
        for number, run in enumerate(self._runs):
            first = newest.setdefault((run.vlm, run.part), number)
            if first != number:
                older[number] = first
        return older

    def _note_small(self, rows: pd.DataFrame, aside: SetAside) -> None:
        """Say which runs have much fewer rows than another run on the same questions."""
        sizes = rows.groupby("run")["query_id"].nunique()
        largest: dict[str, int] = {}
        for number, run in enumerate(self._runs):
            best = largest.setdefault(run.part, number)
            if sizes.get(number, 0) > sizes.get(best, 0):
                largest[run.part] = number
        for number, run in enumerate(self._runs):
            best = largest[run.part]
            if 0 < sizes.get(number, 0) < _MUCH_SMALLER * sizes.get(best, 0):  # of none it is said elsewhere
                aside.note(
                    "run much smaller than another on the same questions",
                    run.where,
                    "nothing if it was meant to be a part, as with --limit; else run it again, whole",
                    detail=f"{sizes[number]:,} rows of {run.vlm}, {sizes[best]:,} of {self._runs[best].vlm} in "
                    f"{self._runs[best].where}",
                )


def leave_out_disputed(
    rows: Sequence[RowT],
    key: Callable[[RowT], Hashable],
    content: Callable[[RowT], object],
    where: Callable[[RowT], str],
    aside: SetAside,
    *,
    called: str,
) -> list[RowT]:
    """Set the rows of one run aside that share a key and do not say the same: a verdict may belong to any of them.

    Parameters
    ----------
    rows : sequence
    key : callable
        What joins a row to its verdict, and to other runs; None: nothing.
    content : callable
        What rows of one key must agree on.
    where : callable
        A row's place.
    aside : SetAside
    called : str
        What the key is called in the log, such as "index".
    """
    first: dict[Hashable, object] = {}
    disputed = set()
    for row in rows:
        own = key(row)
        if own is not None and first.setdefault(own, content(row)) != content(row):
            disputed.add(own)
    if not disputed:
        return list(rows)
    for row in rows:
        if key(row) in disputed:
            aside.add(
                f"rows of one {called} that disagree",
                where(row),
                f"give each question {'an' if called[0] in 'aeio' else 'a'} {called} of its own and evaluate again: "
                "their verdicts may have been exchanged",
                detail=f"{called} {key(row)}",
            )
    return [row for row in rows if key(row) not in disputed]
