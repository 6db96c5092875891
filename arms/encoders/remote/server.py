"""Asking an OpenAI-compatible server for embeddings: in batches, again where that can help, with errors in words.

The key is read from the environment when it is needed, sent in a header, and kept nowhere.
"""

import os
import time
import weakref
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import numpy as np
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from arms.encoders.remote.answers import read_model, read_vectors
from arms.errors import ArmsError
from arms.params.encoders import ServerParams

_REQUEST_BYTES = 200_000  # texts of a request; a token is a byte or more, and the least known limit is 300,000 tokens
_LONGEST_WAIT_S = 60.0
_BUSY = (408, 425, 429, 500, 502, 503, 504, 529)
_NO_CREDIT = "insufficient_quota"  # a 429 that waiting does not cure

_pause = time.sleep
_between_tries = wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT_S / 2)


class _PassingError(Exception):
    """A failure that may pass; `wait_s` is what the server asks to wait, if it does."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class EmbeddingServer:
    """A model behind `POST <url>/embeddings`.

    Parameters
    ----------
    params : ServerParams
    model : str
        As the server names it.
    dimensions : int or None
        The width to ask for; None leaves it to the server.

    Attributes
    ----------
    answered_as : str or None
        What the server called the model in its last answer.
    """

    def __init__(self, params: ServerParams, model: str, dimensions: int | None) -> None:
        self.params, self.model, self.dimensions = params, model, dimensions
        self.name = f"{params.url}/embeddings, model {model!r}"
        self.answered_as: str | None = None
        self._client: httpx2.Client | None = None
        self._process = 0  # that the client belongs to: a connection that a fork shares would mix up the answers

    def __getstate__(self) -> dict[str, Any]:
        """Without the connection: another process makes its own."""
        return {**vars(self), "_client": None}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of N texts, none of them empty: shape (N, D), float32.

        Raises
        ------
        ArmsError
            If the server refuses, cannot be reached, stays busy, or answers with something else than N vectors.
        """
        parts = []
        for batch in _requests(texts, self.params.batch_size):
            content = self._ask(batch)
            self.answered_as = read_model(content)
            parts.append(read_vectors(content, len(batch), self.name))
        if len(widths := {part.shape[1] for part in parts}) > 1:
            raise ArmsError(f"{self.name}: expected vectors of one width, got widths {sorted(widths)}")
        return np.concatenate(parts)

    def _ask(self, texts: list[str]) -> bytes:
        """The answer to one request, asked for again while its failure may pass."""
        body: dict[str, Any] = {"model": self.model, "input": texts, "encoding_format": self.params.encoding}
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        key = self._key()
        tries = Retrying(
            stop=stop_after_attempt(self.params.retries + 1),
            wait=_wait_s,
            retry=retry_if_exception_type(_PassingError),
            sleep=_pause,
            reraise=True,
        )
        try:
            return tries(self._ask_once, body, key)
        except _PassingError as error:
            raise ArmsError(
                f"{self.name}: {error}, {_times(self.params.retries + 1)} (server.retries); run the same again "
                "later: what was encoded is kept"
            ) from error

    def _ask_once(self, body: dict[str, Any], key: str | None) -> bytes:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        try:
            answer = self._connected().post(f"{self.params.url}/embeddings", json=body, headers=headers)
        except httpx2.TimeoutException as error:
            raise _PassingError(f"no answer within {self.params.timeout_s:g} s (server.timeout_s)") from error
        except httpx2.RequestError as error:
            raise _PassingError(f"it cannot be reached ({_without(key, str(error))})") from error
        if answer.status_code == 200:
            return answer.content
        said = _shortened(_without(key, _message(answer)))
        if answer.status_code not in _BUSY or _NO_CREDIT in said:
            raise ArmsError(f"{self.name}: {self._refusal(answer.status_code, said)}")
        wait_s = _asked_wait_s(answer.headers)
        if wait_s is not None and wait_s > _LONGEST_WAIT_S:
            raise ArmsError(
                f"{self.name}: it answered {answer.status_code} and asks to wait {wait_s:.0f} s: {said}; run the same "
                "again then: what was encoded is kept"
            )
        raise _PassingError(f"it answered {answer.status_code}: {said}", wait_s)

    def _refusal(self, status: int, said: str) -> str:
        """What a status means that asking again does not change."""
        key_env = self.params.key_env
        if status in (401, 403):
            held = "server.key_env names no key" if key_env is None else f"the key in {key_env} is not accepted"
            return f"it refused with {status}: {held}; set the right key, or server.key_env"
        if status == 404:
            return f"it answered 404: {said}; it knows no such model (text.model), or server.url should end otherwise"
        if 300 <= status < 400:
            return f"it answered {status}, and redirects are not followed; correct server.url"
        return f"it refused with {status}: {said}"

    def _key(self) -> str | None:
        name = self.params.key_env
        if name is None:
            return None
        key = os.environ.get(name, "").strip()
        if not key:
            raise ArmsError(f"{self.name}: expected its key in the environment variable {name}, which is not set")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ArmsError(f"{self.name}: the key in {name} has characters that no key has; set it again")
        return key

    def _connected(self) -> httpx2.Client:
        if self._client is None or self._process != os.getpid():
            self._client, self._process = httpx2.Client(timeout=self.params.timeout_s), os.getpid()
            weakref.finalize(self, self._client.close)
        return self._client


def _requests(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """Divide texts into requests."""
    request: list[str] = []
    num_bytes = 0
    for text in texts:
        size = len(text.encode())
        if request and (len(request) == most or num_bytes + size > _REQUEST_BYTES):
            yield request
            request, num_bytes = [], 0
        request.append(text)
        num_bytes += size
    if request:
        yield request


def _wait_s(state: RetryCallState) -> float:
    """Seconds until the next try: what the server asks for, and a random while more each time."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait_s if isinstance(error, _PassingError) else None
    return _between_tries(state) if asked is None else asked + min(1.0, _between_tries(state))


def _asked_wait_s(headers: httpx2.Headers) -> float | None:
    """What Retry-After says, in seconds or as a date; None without it, or where it cannot be read."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return max(0.0, wait_s)


def _message(answer: httpx2.Response) -> str:
    """What a server says about a failure."""
    try:
        told = answer.json()
        told = told.get("error", told) if isinstance(told, dict) else told
        text = " ".join(str(told[name]) for name in ("message", "code") if told.get(name)) or str(told)
    except (ValueError, AttributeError, TypeError):
        text = answer.text
    return " ".join(text.split())


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times in a row"


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _without(key: str | None, text: str) -> str:
    """A text without the key, should a server repeat it."""
    return text if not key else text.replace(key, "***")
