"""What LiteLLM tells its loggers of one attempt at a request, as one record."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arms.errors import ArmsError
from arms.integrations.litellm.context import without_remote_images
from arms.routers.messages import CONTEXT_TOKENS, Asked, read_messages

_REDACTED = "redacted-by-litellm"  # in the place of messages, where LiteLLM is set not to log them


@dataclass(frozen=True, kw_only=True)
class Keep:
    """What is recorded beside figures and checksums."""

    questions: bool = False
    images: bool = False
    outputs: bool = False


def record_of(
    event: Mapping[str, Any], response: Any, started: datetime, ended: datetime, keep: Keep, *, succeeded: bool
) -> dict[str, Any]:
    """A record of one attempt at a request.

    Parameters
    ----------
    event, response, started, ended
        As `CustomLogger.async_log_success_event` receives them; the times are local.
    keep : Keep
    succeeded : bool

    Returns
    -------
    dict
        What JSON can hold; docs/litellm.md says what is in it. What is unknown is None.
    """
    params = event.get("litellm_params") or {}
    metadata = params.get("metadata") or params.get("litellm_metadata") or {}
    standard = event.get("standard_logging_object") or {}
    signals = metadata.get("routing_plugin_signals") or {}
    # A request to a router that reached no deployment, as all that were left were cooling down, has the group's name.
    deployment = metadata.get("deployment") or (None if "model_group" in metadata else event.get("model"))
    vlm = (signals.get("arms.deployments") or {}).get(deployment, deployment)
    first = event.get("completion_start_time") if event.get("stream") else None
    return {
        "request_id": event.get("litellm_call_id"),
        "time": started.astimezone(UTC).isoformat(),
        "status": "success" if succeeded else "failure",
        "vlm": vlm,
        "deployment": deployment,
        "tried_before": signals.get("arms.failed") or [],
        "error": None if succeeded else _kind_of(event.get("exception")),
        "latency_s": _seconds(started, ended),
        "first_byte_s": _seconds(started, first),
        "prompt_tokens": standard.get("prompt_tokens") if succeeded else None,
        "completion_tokens": standard.get("completion_tokens") if succeeded else None,
        "cost_usd": event.get("response_cost") if succeeded else None,
        "chosen": signals.get("arms.vlm"),
        "reason": signals.get("arms.reason"),
        "problem": signals.get("arms.problem"),
        "confidences": signals.get("arms.confidences"),
        "propensity": _propensity(signals, vlm),
        "decision_s": signals.get("arms.decision_s"),
        **_asked_fields(event.get("messages"), keep),
        "output": _output_of(response) if keep.outputs and succeeded else None,
    }


def _propensity(signals: Mapping[str, Any], vlm: str | None) -> float | None:
    """The chance with which this VLM was chosen; None if it answered because another failed, or nothing was decided."""
    alone = signals.get("arms.reason") == "policy" and not signals.get("arms.failed")
    return signals.get("arms.propensity") if alone and vlm == signals.get("arms.vlm") else None


def _kind_of(error: Any) -> str:
    """An error's class and its HTTP status; its text may hold what was asked."""
    status = getattr(error, "status_code", None)
    return type(error).__name__ if status is None else f"{type(error).__name__} {status}"


def _seconds(start: datetime, end: Any) -> float | None:
    return round((end - start).total_seconds(), 4) if isinstance(end, datetime) else None


def _asked_fields(messages: Any, keep: Keep) -> dict[str, Any]:
    """Checksums of what was asked, and itself where it is to be kept; `complete` if all of it is there."""
    asked, complete = _asked(messages)
    if asked is None:
        nothing = dict.fromkeys(("question_sha256", "image_sha256", "question", "images"))
        return {**nothing, "complete": False}
    return {
        "question_sha256": hashlib.sha256(asked.text.encode("utf-8", "replace")).hexdigest(),
        "image_sha256": [hashlib.sha256(image).hexdigest() for image in asked.images],
        "question": asked.text if keep.questions else None,
        "images": [_data_uri(image) for image in asked.images] if keep.images else None,
        "complete": complete,
    }


def _asked(messages: Any) -> tuple[Asked | None, bool]:
    """What was asked, and whether no image of it is missing."""
    if not isinstance(messages, list) or _REDACTED in repr(messages[:1]):
        return None, False
    local, places = without_remote_images(messages)
    try:
        return read_messages(local, context_tokens=CONTEXT_TOKENS), not places
    except ArmsError:
        return None, False


def _data_uri(image: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(image).decode()}"


def _output_of(response: Any) -> str | None:
    try:
        return response.choices[0].message.content
    except (AttributeError, IndexError, TypeError):  # not an answer to a chat
        return None
