"""The response that passes a VLM's answer on, chunk by chunk as it comes; only `model` in it is another."""

import asyncio
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from arms.serve.connection import ClientGoneError, unless_gone
from arms.serve.exchange import BROKEN, CLIENT_LEFT, STOPPED, Exchange
from arms.serve.problems import error_body
from arms.serve.sse import Event, error_event, rename
from arms.serve.upstream import Opened, UpstreamError

_PASSED_ON = ("content-type", "retry-after", "openai-processing-ms")
_PASSED_ON_PREFIX = "x-ratelimit-"
_LAST = {"type": "http.response.body", "body": b""}
_STREAM = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Relay(Response):
    """Passes an answer on while the client is there.

    Parameters
    ----------
    opened : Opened
    exchange : Exchange
        Is ended with the response.
    stopping : callable
        Whether the gateway is being stopped.
    """

    def __init__(self, opened: Opened, exchange: Exchange, stopping: Callable[[], bool]) -> None:
        self.status_code = opened.status
        self.background = None
        self._opened, self._exchange, self._stopping = opened, exchange, stopping
        passed = {
            key: value
            for key, value in opened.headers.items()
            if key in _PASSED_ON or key.startswith(_PASSED_ON_PREFIX)
        }
        self.body = b"" if opened.body is None else rename(opened.body, opened.vlm)
        more = _STREAM if opened.body is None else {"content-length": str(len(self.body))}
        headers = {**passed, **more, **exchange.headers()}
        self.raw_headers = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; when the client leaves, the VLM is stopped at once."""
        status = CLIENT_LEFT
        try:
            status = await unless_gone(receive, self._pass_on(send))
        except (ClientGoneError, OSError):
            await self._opened.attempt.end()  # it did answer
        except asyncio.CancelledError:
            status = STOPPED
            raise
        finally:
            await asyncio.shield(self._opened.close())
            self._exchange.end(status)

    async def _pass_on(self, send: Send) -> int:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self._exchange.passes_on()
        if self._opened.body is not None:
            self._exchange.see(Event(self._opened.body, self._opened.body))
            await send({"type": "http.response.body", "body": self.body})
            await self._opened.attempt.end()
            return self.status_code
        status = await self._pass_stream(send)
        await send(_LAST)
        return status

    async def _pass_stream(self, send: Send) -> int:
        """Pass a stream on; whatever breaks it, its end says so."""
        complete, status = False, self.status_code
        try:
            async for events in self._opened.events():
                for event in events:
                    self._exchange.see(event)
                    if event.error is not None:
                        await self._opened.attempt.end(UpstreamError("error", event.error))
                        complete, status = True, BROKEN
                    complete = complete or event.is_done or event.is_finish
                await send(_body(b"".join(event.renamed(self._opened.vlm) for event in events)))
            if not complete:
                raise UpstreamError("broken", "the stream ended before the answer did")
        except UpstreamError as failure:
            await self._opened.attempt.end(failure)
            await send(_body(_ending(self._opened.vlm, failure)))
            return BROKEN
        except asyncio.CancelledError:
            if self._stopping():
                await send(_body(_ending(self._opened.vlm, UpstreamError("stopped", "the gateway was stopped"))))
                await send(_LAST)
            raise
        await self._opened.attempt.end()
        return status


def _body(content: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": content, "more_body": True}


def _ending(vlm: str, failure: UpstreamError) -> bytes:
    """The last event of a stream that broke."""
    return error_event(error_body(BROKEN, f"{vlm}: {failure}", code=f"upstream_{failure.cause}"))
