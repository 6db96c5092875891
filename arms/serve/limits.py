"""What a request may be at most: its body, its time, and how many run at once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fastapi import Request
from starlette.requests import ClientDisconnect

from arms.serve.problems import RequestError
from arms.serve.settings import LimitSettings

MIB = 2**20
_PAUSE_S = 0.02


async def read_body(request: Request, limits: LimitSettings) -> bytes:
    """The body of a request of JSON; a RequestError if it is none, too large, or too slow."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # a web page may send other types to this address without being asked
        raise RequestError(415, f"content-type: expected application/json, got {kind or 'none'!r:.80}")
    most = round(limits.body_mb * MIB)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(limits)
    content = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for chunk in request.stream():
                content += chunk
                if len(content) > most:
                    raise _too_large(limits)
    except TimeoutError as error:
        raise RequestError(408, f"expected the whole request within {limits.body_s:g} s; send it faster") from error
    except ClientDisconnect as error:
        raise RequestError(400, "expected the whole request, the client left before") from error
    return bytes(content)


def _too_large(limits: LimitSettings) -> RequestError:
    return RequestError(
        413,
        f"expected a request of {limits.body_mb:g} MiB at most; send smaller images",
        headers={"connection": "close"},
    )


class Running:
    """Counts the requests that run, and refuses more than a limit."""

    def __init__(self, most: int) -> None:
        self._most, self.count = most, 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one until it has ended; a RequestError if there are too many."""
        self.take()
        try:
            yield
        finally:
            self.free()

    def take(self) -> None:
        """Count one more; a RequestError if there are too many."""
        if self.count >= self._most:
            raise RequestError(
                503,
                f"expected {self._most} requests at a time at most; try again in a moment",
                code="overloaded",
                headers={"retry-after": "1"},
            )
        self.count += 1

    def free(self) -> None:
        """Count one less."""
        self.count -= 1

    async def ended(self, within_s: float) -> None:
        """Wait until none runs, but only so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.count:
                    await asyncio.sleep(_PAUSE_S)
