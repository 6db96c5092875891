"""Answers as they come: `model` names the VLM that answers, every other byte stays.

Streams are server-sent events. An event ends with an empty line; what is passed on is whole events.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', flags=re.DOTALL)
_VALUE = re.compile(rb'\s*:\s*("(?:[^"\\]|\\.)*"|null)', flags=re.DOTALL)
_DATA = re.compile(rb"(?:^|[\r\n])data:")
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')


class TooLargeError(Exception):
    """An event that does not end."""


def rename(content: bytes, name: str) -> bytes:
    """JSON with another value of its outermost `model`; all other bytes stay, and so does JSON without one."""
    depth = 0
    for token in _TOKEN.finditer(content):
        word = token[0]
        if word in b"{[":
            depth += 1
        elif word in b"}]":
            depth -= 1
        elif depth == 1 and word == b'"model"' and (value := _VALUE.match(content, token.end())):
            return content[: value.start(1)] + json.dumps(name).encode() + content[value.end(1) :]
    return content


@dataclass(frozen=True)
class Event:
    """One server-sent event.

    Attributes
    ----------
    raw : bytes
        With the empty line at its end.
    data : bytes or None
        What its data lines hold; None for a comment.
    """

    raw: bytes
    data: bytes | None

    @property
    def is_done(self) -> bool:
        """Whether it is the last one of a stream."""
        return self.data is not None and self.data.strip() == b"[DONE]"

    @property
    def is_finish(self) -> bool:
        """Whether a choice has ended with it."""
        return self.data is not None and _FINISHED.search(self.data) is not None

    @property
    def error(self) -> str | None:
        """What an error event says; None for another event."""
        if self.data is None or b'"error"' not in self.data:
            return None
        content = self.content()
        found = content.get("error")
        return None if not found else json.dumps(found)[:200]

    @property
    def usage(self) -> dict[str, Any] | None:
        """The counts of tokens, in the event that has them."""
        return usage_of(self.data) if self.data is not None else None

    def content(self) -> dict[str, Any]:
        """The JSON object of its data; empty if it is none."""
        return _object(self.data or b"")

    def renamed(self, name: str) -> bytes:
        """The event, naming another model."""
        start = _DATA.search(self.raw)
        if start is None:
            return self.raw
        return self.raw[: start.end()] + rename(self.raw[start.end() :], name)


class EventReader:
    """Cuts what comes into events, however it is cut when it comes.

    Parameters
    ----------
    most : int
        Bytes of an event.
    """

    def __init__(self, most: int) -> None:
        self._most, self._rest, self._searched = most, b"", 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end with some more bytes; TooLargeError if one has no end."""
        self._rest += chunk
        events, start = [], 0
        while match := _END.search(self._rest, max(start, self._searched)):
            if match.end() == len(self._rest) and match[0].endswith(b"\r"):
                break  # a line feed may follow
            events.append(_event(self._rest[start : match.end()]))
            start = self._searched = match.end()
        self._rest = self._rest[start:]
        self._searched = max(0, len(self._rest) - 3)
        if len(self._rest) > self._most:
            raise TooLargeError(f"expected events of {self._most:,} bytes at most")
        return events

    def end(self) -> list[Event]:
        """What is left when nothing more comes: an event without its empty line."""
        rest, self._rest, self._searched = self._rest, b"", 0
        return [_event(rest)] if rest else []


def _event(raw: bytes) -> Event:
    lines = re.split(rb"\r\n|\n|\r", raw)
    data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    return Event(raw, b"\n".join(data) if data else None)


def error_event(error: dict[str, Any]) -> bytes:
    """An event that says how a stream broke, in the form that OpenAI's clients know."""
    return b"data: " + json.dumps(error).encode() + b"\n\n"


def usage_of(content: bytes) -> dict[str, Any] | None:
    """The object `usage` of an answer or a chunk, where there is one."""
    if b'"usage"' not in content:
        return None
    usage = _object(content).get("usage")
    return usage if isinstance(usage, dict) else None


def tokens_of(usage: dict[str, Any] | None) -> tuple[int | None, int | None]:
    """The tokens of the prompt and of the answer."""
    prompt, answer = ((usage or {}).get(key) for key in ("prompt_tokens", "completion_tokens"))
    return (prompt if isinstance(prompt, int) else None, answer if isinstance(answer, int) else None)


def text_of(content: dict[str, Any]) -> str:
    """The text of the first choice of an answer, or what a chunk adds to it."""
    choices = content.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    said = choice.get("delta") or choice.get("message") or {}
    text = said.get("content") if isinstance(said, dict) and choice.get("index", 0) == 0 else None
    return text if isinstance(text, str) else ""


def _object(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
