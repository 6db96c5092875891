"""What LiteLLM hands to a routing plugin, and what can be read of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from arms.data.data_uris import is_data_uri

Messages = Sequence[Mapping[str, Any]]
TOOLS_MARK = "arms_tools"


class RoutingContext(Protocol):
    """The fields of `litellm.types.router.RoutingContext`.

    Attributes
    ----------
    raw_messages, structured_messages : list of dict
        As they came, and in the form of OpenAI's chat completions.
    candidate_models : list of str
        The `litellm_params.model` of the model group's deployments, also of those that are cooling down; a plugin
        leaves those that may answer. LiteLLM takes no notice of their order.
    metadata : dict
        Of the request; a copy. In a second attempt `previous_models` says how those before ended.
    signals : dict
        What plugins say; LiteLLM keeps it in the request's metadata, as `routing_plugin_signals`.
    """

    raw_messages: list[dict[str, Any]]
    structured_messages: list[dict[str, Any]]
    candidate_models: list[str]
    metadata: dict[str, Any]
    signals: dict[str, Any]


def tried_before(context: RoutingContext) -> list[str]:
    """The candidates that failed in earlier attempts at this request.

    LiteLLM records an attempt with the deployment that failed. Where the plugin had left only deployments that were
    cooling down there was none, and the error's text has the candidates that were left.
    """
    attempts = [one for one in context.metadata.get("previous_models") or () if isinstance(one, Mapping)]
    named = {attempt.get("model") for attempt in attempts}
    texts = [str(attempt.get("exception_string")) for attempt in attempts if attempt.get("model") is None]
    return [
        model
        for model in dict.fromkeys(context.candidate_models)
        if model in named or any(repr(model) in text for text in texts)
    ]


def wants_tools(context: RoutingContext) -> bool:
    """Whether the request brings tools, as far as that shows.

    LiteLLM does not hand a request's `tools` to plugins. The outcome logger marks them in the proxy; in the SDK the
    caller can, with `metadata={"arms_tools": True}`. And tools may have been called in the conversation before.
    """
    return bool(context.metadata.get(TOOLS_MARK)) or any(
        message.get("role") in ("tool", "function") or message.get("tool_calls") for message in messages_of(context)
    )


def messages_of(context: RoutingContext) -> Messages:
    """The conversation; empty where the request is no chat."""
    return context.structured_messages or context.raw_messages


def without_remote_images(messages: Messages) -> tuple[list[dict[str, Any]], list[int]]:
    """Messages without the images that would have to be fetched, and which messages had such."""
    kept, places = [], []
    for place, message in enumerate(messages):
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        local = [part for part in parts if not _is_remote(part)]
        if len(local) < len(parts):
            places.append(place)
            message = {**message, "content": local}
        kept.append(dict(message))
    return kept, places


def _is_remote(part: Any) -> bool:
    if not isinstance(part, Mapping) or part.get("type") not in ("image_url", "input_image"):
        return False
    url = part.get("image_url")
    url = url.get("url") if isinstance(url, Mapping) else url
    return isinstance(url, str) and not is_data_uri(url)
