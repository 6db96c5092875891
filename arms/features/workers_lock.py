"""Which processes may write into a store beside the one that holds its lock: the workers of that one's run.

The store's lock is free as soon as its holder is killed, but on a cluster that one's workers live on for a moment. So
each worker holds this lock, shared, for as long as it lives, and a run begins when it could have it for itself. A
worker that comes later finds that the run in the file is another one.
"""

import os
import time
import uuid
from pathlib import Path

from arms.errors import ArmsError

_POLL_S = 0.05


class WorkersLock:
    """The lock of the workers that write into the store at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.with_name(f"{path.name}.workers")

    def wait_for_others(self, timeout_s: float) -> None:
        """Wait until the workers of an earlier run are gone, and let none of them come again.

        Raises
        ------
        ArmsError
            If some are still there after this time.
        """
        if not self.file.exists():  # no run ever had workers
            return
        import fcntl  # Windows has none, and no workers

        ends = time.monotonic() + timeout_s
        with self.file.open("r+") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if time.monotonic() > ends:
                        raise ArmsError(
                            f"{self.path} is being written by workers of an earlier run; wait for them to end"
                        ) from error
                time.sleep(_POLL_S)
            file.truncate(0)

    def admit(self) -> str:
        """Begin a run with workers; returns its name, by which they join it."""
        run = uuid.uuid4().hex
        self.file.write_text(run)
        return run

    def join(self, run: str) -> int:
        """Join a run as a worker; returns the descriptor of the file, which holds the lock until it is closed.

        Raises
        ------
        ArmsError
            If the run has ended and another one began, or the store is not on a file system that this machine sees.
        """
        import fcntl

        try:
            descriptor = os.open(self.file, os.O_RDONLY)
        except OSError as error:
            raise ArmsError(
                f"{self.file}: not there on this node: {error.strerror}; the project's folder has to be on a file "
                "system that all nodes share, under the same path"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            current = os.pread(descriptor, len(run), 0) == run.encode()
        except OSError:
            current = False
        if not current:
            os.close(descriptor)
            raise ArmsError(f"{self.path}: the run that this worker belongs to has ended")
        return descriptor
