"""How far long work is: a bar on a terminal, plain lines where nobody watches."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int, int], None]  # how much is done, and how much there is

_LINE_EVERY_S = 10.0


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[Progress]:
    """Show on the error stream how far work is, with its rate and the time left.

    On a terminal this is a bar that goes away at the end; elsewhere, in a pipe or a log, a line every ten seconds.

    Parameters
    ----------
    label : str
        What is being done.
    unit : str
        What is counted, in the plural.

    Yields
    ------
    callable
        To be told how much is done and how much there is.
    """
    if not sys.stderr.isatty():
        yield _Lines(label, unit)
        return
    bar: tqdm | None = None

    def update(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:  # a bar of nothing to do counts as false
            bar = tqdm(desc=label, total=total, unit=f" {unit}", mininterval=0.1, dynamic_ncols=True, leave=False)
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield update
    finally:
        if bar is not None:
            bar.close()


class _Lines:
    """Writes a line when some seconds have gone by since the last one."""

    def __init__(self, label: str, unit: str) -> None:
        self._label = label
        self._unit = unit
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        rate = done / (now - self._start)
        left = f", {(total - done) / rate:,.0f} s left" if rate else ""
        sys.stderr.write(f"{self._label}: {done:,} of {total:,} {self._unit}, {rate:,.1f} {self._unit}/s{left}\n")
        sys.stderr.flush()
