"""Progress of long work.

Code that takes long reports how far it is with `progress_bar`, in any layer. As with logging, nothing is shown until
the program calls `show_progress`: then a bar on a terminal, plain lines elsewhere.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tqdm import tqdm

Progress = Callable[[int, int | None], None]  # how much is done, and how much there is, where that is known
Show = Callable[[str, str], AbstractContextManager[Progress]]  # takes the label and the unit of the work

_LINE_EVERY_S = 10.0
_show: Show | None = None


def show_progress() -> None:
    """Show the progress of all work from now on, on the error stream, with its rate and the time left."""
    global _show
    _show = _on_stderr


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[Progress]:
    """Report the progress of some work.

    Parameters
    ----------
    label : str
        What is being done.
    unit : str
        What is counted, in the plural.

    Yields
    ------
    callable
        Call it with how much is done and how much there is, None where that is not known.
    """
    if _show is None:
        yield _nobody_watches
        return
    with _show(label, unit) as progress:
        yield progress


@contextmanager
def _on_stderr(label: str, unit: str) -> Iterator[Progress]:
    """Show a bar on a terminal, which disappears at the end; elsewhere write a line every ten seconds."""
    if not sys.stderr.isatty():
        yield _Lines(label, unit)
        return
    bar: tqdm | None = None

    def update(done: int, total: int | None) -> None:
        nonlocal bar
        if bar is None:  # not `if not bar`: a bar with a total of 0 is false
            # From the first report on, as what came before it (weights that load, say) tells nothing of the rate.
            options = {"initial": done, "mininterval": 0.1, "dynamic_ncols": True, "leave": False}
            bar = tqdm(desc=label, total=total, unit=f" {unit}", **options)
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield update
    finally:
        if bar is not None:
            bar.close()


class _Lines:
    """Writes a line if the last one is at least ten seconds old.

    The rate, and the time left, are those since the first report: what came before it (weights that load, say) tells
    nothing of them, and made the first line estimate days.
    """

    def __init__(self, label: str, unit: str) -> None:
        self._label = label
        self._unit = unit
        self._last = time.monotonic()
        self._first: tuple[float, int] | None = None  # when the first report came, and what was done then

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        start, before = self._first = self._first or (now, done)
        if now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        measured = ""
        if done > before and now > start:
            rate = (done - before) / (now - start)
            left = "" if total is None else f", {(total - done) / rate:,.0f} s left"
            measured = f", {rate:,.1f} {self._unit}/s{left}"
        of_total = "" if total is None else f" of {total:,}"
        sys.stderr.write(f"{self._label}: {done:,}{of_total} {self._unit}{measured}\n")
        sys.stderr.flush()


def _nobody_watches(done: int, total: int | None) -> None:
    pass
