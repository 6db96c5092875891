"""The error that ARMS raises for input it cannot use, and how a program ends: one message and an exit status."""

import errno
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

INTERRUPTED = 130  # as shells have it: 128 and the signal's number
_GO_ON = "interrupted; run the same again to go on"
_OF_THE_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class ArmsError(Exception):
    """Input that ARMS cannot use; the text says where, what was expected, what came and what to do."""


@dataclass(frozen=True)
class Ending:
    """What a program says, on one line or more, and its exit status; nothing is said to a reader that has gone."""

    text: str
    status: int = 1


def ending_of(error: BaseException) -> Ending | None:
    """How an error ends a program; None for a fault of ours, which keeps its traceback."""
    if isinstance(error, ArmsError):
        return Ending(str(error))
    if isinstance(error, KeyboardInterrupt):
        return Ending(_GO_ON, INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        return Ending("")
    if isinstance(error, OSError) and error.filename is not None:
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
        return Ending(f"{place}: {error.strerror}")
    if isinstance(error, OSError) and error.errno in _OF_THE_OUTPUT:  # such an error knows no name
        return Ending(f"the output cannot be written: {error.strerror}")
    return None


def drop_output() -> None:
    """Send what is still buffered for the output stream to nowhere: writing it at the exit would fail once more."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def say_early_interrupts(program: str) -> None:
    """From now on an interrupt that nobody catches, such as one while modules are imported, is one line."""

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            os.write(2, f"{program}: {_GO_ON}\n".encode())
            os._exit(INTERRUPTED)  # nothing was begun; Python itself would end with 1 or by the signal
        else:
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = say
