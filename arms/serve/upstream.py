"""One VLM behind the gateway: asking it, and passing its answer on."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from time import monotonic
from typing import Any

import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from arms.serve.breaker import Attempt, Breakers, CircuitOpenError
from arms.serve.limits import MIB
from arms.serve.settings import UpstreamSettings, secret
from arms.serve.sse import Event, EventReader, TooLargeError

CLIENTS_FAULT = (400, 413, 415, 422)  # another VLM would say the same; passed on
_IN_PASSING = ("connection", "429", "502", "503", "504")
_LONGEST_RETRY_S = 1.0
_SHOWN_BYTES = 2000
EVENT_STREAM = "text/event-stream"


class UpstreamError(Exception):
    """A VLM that gave no answer, or none to its end.

    Parameters
    ----------
    cause : str
        connection, timeout, broken, empty, error, large, open, or the status.
    detail : str
        For people.
    headers : mapping
        Of the response, if there was one.
    """

    def __init__(self, cause: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause, self.detail, self.headers = cause, detail, dict(headers or {})

    @property
    def passing(self) -> bool:
        """Whether the same may succeed in a moment."""
        wait = self.headers.get("retry-after", "0")
        soon = wait.isdecimal() and float(wait) <= _LONGEST_RETRY_S
        return self.cause in _IN_PASSING and soon


class Opened:
    """An answer that has begun: nothing of it has been passed on.

    Attributes
    ----------
    vlm : str
    status : int
    headers : mapping
    body : bytes or None
        The whole answer; None if it is a stream.
    """

    def __init__(self, vlm: str, response: httpx.Response, attempt: Attempt) -> None:
        self.vlm, self.status, self.headers = vlm, response.status_code, response.headers
        self.body: bytes | None = None
        self._response, self.attempt = response, attempt
        self._first: list[Event] = []
        self._rest: AsyncIterator[list[Event]] | None = None

    def hold(self, first: list[Event], rest: AsyncIterator[list[Event]]) -> None:
        """Take the first events, and those that are to come."""
        self._first, self._rest = first, rest

    async def events(self) -> AsyncIterator[list[Event]]:
        """The events of a stream, as they come; UpstreamError if it breaks."""
        if self._first:
            yield self._first
        assert self._rest is not None
        async for events in self._rest:
            if events:
                yield events

    async def close(self) -> None:
        """Stop the VLM's answer."""
        await self._response.aclose()


class Upstream:
    """A VLM that can be asked.

    Parameters
    ----------
    vlm : str
        Its name in the pool.
    settings : UpstreamSettings
    breakers : Breakers
    answer_mb : float
        MiB of an answer, or of an event of a stream.
    tls : SSLContext
        Which certificates are trusted.
    """

    def __init__(
        self, vlm: str, settings: UpstreamSettings, breakers: Breakers, answer_mb: float, tls: ssl.SSLContext
    ) -> None:
        self.vlm, self.settings = vlm, settings
        self._breakers, self._most = breakers, round(answer_mb * MIB)
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if settings.key_env is not None:
            headers["authorization"] = f"Bearer {secret(settings.key_env, f'upstreams.{vlm}.key_env')}"
        self._client = httpx.AsyncClient(
            headers=headers,
            # Times are limited here, with the first byte and the whole apart.
            timeout=httpx.Timeout(None, connect=settings.timeouts.connect_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            follow_redirects=False,
            verify=tls,
        )

    async def close(self) -> None:
        """End all connections."""
        await self._client.aclose()

    async def ask(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Opened:
        """Begin an answer, with some tries if it fails in passing.

        Returns
        -------
        Opened
            A stream whose first event is there, a whole answer, or an error that is the client's fault.

        Raises
        ------
        UpstreamError
        """
        attempt = self._breakers.attempt(self.vlm)
        try:
            await attempt.begin()
        except CircuitOpenError as error:
            raise UpstreamError("open", "it failed several times in a row and is left alone for now") from error
        content = json.dumps({**body, "model": self.settings.model}).encode()
        times = self.settings.timeouts
        deadline = monotonic() + times.total_s
        first = times.first_byte_s if body.get("stream") is True else times.total_s
        tries = AsyncRetrying(
            stop=stop_after_attempt(1 + self.settings.retries),
            wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_RETRY_S),
            retry=retry_if_exception(lambda error: isinstance(error, UpstreamError) and error.passing),
            reraise=True,
        )
        try:
            async with asyncio.timeout(first):
                opened: Opened = await tries(self._try, content, headers, deadline, attempt)
                return opened
        except TimeoutError as error:
            failure = UpstreamError("timeout", f"no answer began within {first:g} s")
            await attempt.end(failure)
            raise failure from error
        except UpstreamError as failure:
            await attempt.end(failure)
            raise

    async def _try(self, content: bytes, headers: Mapping[str, str], deadline: float, attempt: Attempt) -> Opened:
        url = f"{self.settings.base_url}/chat/completions"
        request = self._client.build_request("POST", url, content=content, headers=dict(headers))
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise UpstreamError("connection", f"{type(error).__name__}: {error}") from error
        opened = Opened(self.vlm, response, attempt)
        try:
            await self._begin(opened, response, deadline)
        except BaseException:
            await opened.close()
            raise
        return opened

    async def _begin(self, opened: Opened, response: httpx.Response, deadline: float) -> None:
        """Read as much as it takes to know that it is an answer."""
        if not response.is_success and response.status_code not in CLIENTS_FAULT:
            detail = await self._whole(response, _SHOWN_BYTES)
            raise UpstreamError(str(response.status_code), detail.decode("utf-8", "replace"), response.headers)
        if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
            opened.body = await self._whole(response, self._most)
            if len(opened.body) > self._most:
                raise UpstreamError("large", f"an answer of more than {self._most:,} bytes")
            if response.is_success and not opened.body.strip():
                raise UpstreamError("empty", "an answer without a body")
            return
        events = self._events(response, deadline)
        held: list[Event] = []
        async for some in events:
            held += some
            first = next((event for event in held if event.data is not None), None)
            if first is None:
                continue
            if first.error is not None:
                raise UpstreamError("error", first.error)
            if first.is_done:
                break
            return opened.hold(held, events)
        raise UpstreamError("empty", "a stream without an event")

    async def _whole(self, response: httpx.Response, most: int) -> bytes:
        content = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > most:
                    break
        except httpx.HTTPError as error:
            raise UpstreamError("broken", f"{type(error).__name__}: {error}") from error
        return bytes(content)

    async def _events(self, response: httpx.Response, deadline: float) -> AsyncIterator[list[Event]]:
        """The events as they come; between two of them, but not before the first, only so long is waited."""
        reader, chunks = EventReader(self._most), response.aiter_bytes()
        between: float | None = None
        while True:
            left = deadline - monotonic()
            limit = left if between is None else min(left, between)
            try:
                async with asyncio.timeout(limit):
                    chunk = await anext(chunks, None)
                events = reader.end() if chunk is None else reader.feed(chunk)
            except TimeoutError as error:
                raise UpstreamError("timeout", f"nothing more came for {limit:.3g} s") from error
            except httpx.HTTPError as error:
                raise UpstreamError("broken", f"{type(error).__name__}: {error}") from error
            except TooLargeError as error:
                raise UpstreamError("large", str(error)) from error
            yield events
            if chunk is None:
                return
            if any(event.data is not None for event in events):
                between = self.settings.timeouts.between_s
