"""A lock in an object store: one writer at a time, on whatever machine.

The lock is an object that its writer creates, which succeeds only where there is none. It names its owner and a time
until which it counts; the owner puts that off again and again, so the lock of a killed writer ends by itself. Clocks of
writers may differ by less than that.
"""

import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from arms.data.storage.bucket import Bucket, ObjectError, Version
from arms.data.storage.urls import below
from arms.errors import ArmsError

LIFE = timedelta(minutes=10)
_EXPECTED = "a writer's lock"

logger = logging.getLogger(__name__)


class Lock:
    """A lock that is held, and put off by a thread until `release`."""

    def __init__(self, bucket: Bucket, key: str, life: timedelta) -> None:
        self.bucket, self.key, self.life = bucket, key, life
        self.token, self.lost = uuid4().hex, False
        self._version = _acquire(bucket, key, self._content())
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        self._renewing.start()

    def check(self) -> None:
        """Raise an ArmsError if another writer has taken it over."""
        if self.lost:
            raise ArmsError(
                f"{below(self.bucket.url, self.key)}: another writer took the lock over; run the same again"
            )

    def release(self) -> None:
        """Let others have it."""
        self._ended.set()
        self._renewing.join()
        try:
            if self._is_ours(self.bucket.read_with_version(self.key, _EXPECTED)):
                self.bucket.remove(self.key)
        except ArmsError as error:
            logger.warning("could not release the lock, which ends by itself: %s", error)

    def _renew(self) -> None:
        while not self.lost and not self._ended.wait(self.life.total_seconds() / 3):
            try:
                self._version = self.bucket.write(self.key, self._content(), replaces=self._version)
            except ObjectError as error:
                if error.kind == "taken":
                    self._look()
                else:
                    logger.warning("could not put off the lock: %s", error)

    def _look(self) -> None:
        """Another content is there: ours, if only the answer to an earlier try was lost."""
        try:
            found = self.bucket.read_with_version(self.key, _EXPECTED)
        except ObjectError as error:
            logger.warning("could not look at the lock: %s", error)
            return
        if found is not None and self._is_ours(found):
            self._version = found[1]
        else:
            self.lost = True

    def _is_ours(self, found: tuple[bytes, Version] | None) -> bool:
        return found is not None and bool(_read(found[0])["token"] == self.token)

    def _content(self) -> bytes:
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        until = datetime.now(UTC) + self.life
        return json.dumps({"owner": owner, "token": self.token, "until": until.isoformat()}).encode()


@contextmanager
def locked(bucket: Bucket, key: str, life: timedelta = LIFE) -> Iterator[Lock]:
    """Hold a lock.

    Raises
    ------
    ArmsError
        If another writer holds it, or the store denies or fails.
    """
    lock = Lock(bucket, key, life)
    try:
        yield lock
    finally:
        lock.release()


def _acquire(bucket: Bucket, key: str, content: bytes) -> Version:
    while True:
        if (version := bucket.create(key, content)) is not None:
            return version
        found = bucket.read_with_version(key, _EXPECTED)
        if found is None:
            continue  # it was released meanwhile
        held = _read(found[0])
        until = datetime.fromisoformat(held["until"])
        if until > datetime.now(UTC):
            raise ArmsError(
                f"{below(bucket.url, key)}: expected no other writer, got one: {held['owner']}, until "
                f"{until:%Y-%m-%d %H:%M:%S} UTC, which it puts off while it works; wait for it to end"
            )
        logger.warning("%s: %s ended without releasing its lock; taken over", below(bucket.url, key), held["owner"])
        try:
            return bucket.write(key, content, replaces=found[1])
        except ObjectError as error:
            if error.kind != "taken":  # another writer took it over first
                raise


def _read(content: bytes) -> dict[str, Any]:
    try:
        held = json.loads(content)
        return {**held, "until": held["until"], "owner": held["owner"], "token": held["token"]}
    except (ValueError, KeyError, TypeError):
        return {"owner": "a writer of another version", "token": "", "until": datetime.now(UTC).isoformat()}
