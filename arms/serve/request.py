"""A request for a chat completion: what is asked of which model, and what is wished of the router."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from arms.serve.problems import RequestError

_ID = re.compile(r"[\w.:-]{1,128}", flags=re.ASCII)
_SESSION_LENGTH = 256
_WISHES = ("policy", "exclude", "budget_usd", "session")
HEADER = "x-arms-"


@dataclass(frozen=True)
class Wishes:
    """What a request asks of the router, in its object `arms` or in headers.

    Attributes
    ----------
    policy : str, dict or None
        The name of one in the settings, or a policy; None: what the model's name says.
    exclude : tuple of str
        VLMs that are left out.
    budget_usd : float or None
        What the answer may be expected to cost at most.
    session : str or None
        Requests of a session stay with their VLM.
    """

    policy: str | dict[str, Any] | None = None
    exclude: tuple[str, ...] = ()
    budget_usd: float | None = None
    session: str | None = None


@dataclass(frozen=True)
class ChatRequest:
    """A checked request; `body` is what goes upstream but for the model's name there."""

    body: dict[str, Any]
    wishes: Wishes

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body["model"])

    @property
    def messages(self) -> list[Any]:
        """The conversation."""
        return list(self.body["messages"])

    @property
    def stream(self) -> bool:
        """Whether the answer is wanted in chunks."""
        return self.body.get("stream") is True

    @property
    def tools(self) -> bool:
        """Whether the VLM has to call tools."""
        return bool(self.body.get("tools") or self.body.get("functions"))


def request_id_of(headers: Mapping[str, str]) -> str:
    """The X-Request-Id given, if it is one; else a new one."""
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else uuid4().hex


def read_chat(content: bytes, headers: Mapping[str, str]) -> ChatRequest:
    """Check the body of a request; a RequestError says what is wrong with it."""
    body = read_object(content)
    wishes = body.pop("arms", None)
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise RequestError(400, f"model: expected text, such as auto, got {body.get('model')!r:.80}", param="model")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        got = f"{body.get('messages')!r:.80}"
        raise RequestError(400, f"messages: expected a list of one message or more, got {got}", param="messages")
    if not isinstance(body.get("stream"), bool | None):
        raise RequestError(400, f"stream: expected true or false, got {body['stream']!r:.80}", param="stream")
    return ChatRequest(body, _wishes(wishes, headers))


def read_object(content: bytes) -> dict[str, Any]:
    """The JSON object in a body."""
    try:
        body = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"expected a body of JSON, got one that cannot be read: {error}") from error
    if not isinstance(body, dict):
        raise RequestError(400, f"expected a JSON object as the body, got {type(body).__name__}")
    return body


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _wishes(given: Any, headers: Mapping[str, str]) -> Wishes:
    """The object `arms`; a header stands in for what it does not say."""
    if given is not None and not isinstance(given, dict):
        raise RequestError(400, f"arms: expected an object, got {given!r:.80}", param="arms")
    wishes = dict(given or {})
    if unknown := [key for key in wishes if key not in _WISHES]:
        raise RequestError(400, f"arms: unknown key {unknown[0]!r:.80}; known: {', '.join(_WISHES)}", param="arms")
    for key, read in (("policy", str), ("exclude", _names), ("budget_usd", _number), ("session", str)):
        text = headers.get(HEADER + key.replace("_", "-"))
        if text is not None and wishes.get(key) is None:
            wishes[key] = read(text)
    return Wishes(
        _policy(wishes.get("policy")),
        _exclude(wishes.get("exclude")),
        _budget(wishes.get("budget_usd")),
        _session(wishes.get("session")),
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # and the check says so


def _policy(value: Any) -> str | dict[str, Any] | None:
    if value is not None and not isinstance(value, str | dict):
        raise RequestError(400, f"arms.policy: expected a name or a policy, got {value!r:.80}", param="arms.policy")
    return value


def _exclude(value: Any) -> tuple[str, ...]:
    names = [] if value is None else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RequestError(400, f"arms.exclude: expected a list of names, got {value!r:.80}", param="arms.exclude")
    return tuple(names)


def _budget(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0 or not math.isfinite(value):
        raise RequestError(
            400, f"arms.budget_usd: expected a finite number >= 0, got {value!r:.80}", param="arms.budget_usd"
        )
    return float(value)


def _session(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _SESSION_LENGTH:
        raise RequestError(
            400,
            f"arms.session: expected text of {_SESSION_LENGTH} characters at most, got {value!r:.80}",
            param="arms.session",
        )
    return value
