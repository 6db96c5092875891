"""The thread that writes: what waits together is committed together, and each call returns after its commit.

A commit costs a flush of the disk, some milliseconds, however much it holds. So one thread takes all that waits, writes
it in one transaction, and only then tells those who wait. Entries of one memory are written in the order in which they
came.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError

from arms.errors import ArmsError
from arms.serve.memory.statements import Entry
from arms.traffic.store import Store

MOST_TOGETHER = 256  # entries of one commit
MOST_WAITING = 10_000


@dataclass(frozen=True, eq=False)
class _Job:
    entry: Entry
    done: "Future[None]" = field(default_factory=Future)


class Writer:
    """Writes entries to a store, in a thread of its own.

    Parameters
    ----------
    store : Store
        Closed by the thread at its end.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: queue.Queue[_Job | None] = queue.Queue(MOST_WAITING)
        self._closed = False
        self._door = threading.Lock()  # nothing comes in behind the end
        self._thread = threading.Thread(target=self._run, name="arms-memory", daemon=True)
        self._thread.start()

    def submit(self, entry: Entry) -> "Future[None]":
        """Have an entry written; the future is done when it is on disk, or holds the ArmsError.

        Raises
        ------
        ArmsError
            If the writer is closed, or too much waits.
        """
        job = _Job(entry)
        with self._door:
            if self._closed:
                raise ArmsError(f"{self._store.shown}: expected a memory that is open, this one was closed")
            try:
                self._waiting.put_nowait(job)
            except queue.Full:
                raise ArmsError(
                    f"{self._store.shown}: full: {MOST_WAITING:,} entries wait to be written; the database is too slow"
                ) from None
        return job.done

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._take():
            self._write(jobs)
        self._store.close()

    def _take(self) -> list[_Job]:
        """All that waits, at least one; none at the end."""
        jobs: list[_Job] = []
        while len(jobs) < MOST_TOGETHER:
            try:
                job = self._waiting.get(block=not jobs)
            except queue.Empty:
                break
            if job is None:
                if jobs:
                    self._waiting.put(None)  # for the next time
                break
            if job.done.set_running_or_notify_cancel():
                jobs.append(job)
        return jobs

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Write and commit; if one entry spoils the transaction, each is written by itself."""
        try:
            refused = self._commit(jobs)
        except Exception as error:  # whatever it is, those who wait must be told, and the thread goes on
            if len(jobs) > 1 and not isinstance(error.__cause__, OperationalError):
                for job in jobs:
                    self._write([job])
                return
            told = error if isinstance(error, ArmsError) else ArmsError(f"{self._store.shown}: not written: {error}")
            for job in jobs:
                job.done.set_exception(told)
            return
        for job, refusal in zip(jobs, refused, strict=True):
            if refusal is None:
                job.done.set_result(None)
            else:
                job.done.set_exception(refusal)

    def _commit(self, jobs: Sequence[_Job]) -> list[ArmsError | None]:
        """One transaction; for each entry why it was refused, if it was."""
        # In the order of their keys, so that two processes never wait for each other.
        kept = {(one.table.name, one.sha256): one for job in jobs for one in job.entry.kept}
        refused: list[ArmsError | None] = []
        with self._store.transaction("written") as connection:
            for key in sorted(kept):
                kept[key].write(connection)
            for job in jobs:
                try:
                    job.entry.write(connection)
                    refused.append(None)
                except ArmsError as refusal:
                    refused.append(refusal)
        return refused
