"""What LiteLLM hands over, to the letter: a routing plugin's context, and the event of a logger."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, Field

GROUP = ["openai/counter-2b", "openai/reader-7b", "openai/painter"]


class RoutingContext(BaseModel):
    """As litellm.types.router has it in versions 1.103 to 1.110."""

    raw_messages: list[dict[str, Any]]
    structured_messages: list[dict[str, Any]]
    candidate_models: list[str]
    metadata: dict[str, Any] = Field(default_factory=dict)
    signals: dict[str, Any] = Field(default_factory=dict)


def context(messages: list[dict[str, Any]], candidates: list[str] | None = None, **metadata: Any) -> RoutingContext:
    """A request to a model group called auto."""
    known = {
        "model_group": "auto",
        "model_group_alias": None,
        "attempted_fallbacks": 0,
        "original_model_group": "auto",
        "attempted_retries": 0,
        "max_retries": 2,
    }
    return RoutingContext(
        raw_messages=messages,
        structured_messages=messages,
        candidate_models=list(GROUP if candidates is None else candidates),
        metadata=known | metadata,
    )


def asks(text: str, *urls: str) -> list[dict[str, Any]]:
    """A user turn with images."""
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [{"role": "user", "content": [{"type": "text", "text": text}, *images]}]


def failed(model: str) -> dict[str, Any]:
    """The record of an attempt in which a deployment failed."""
    return {
        "model_group": "auto",
        "deployment_id": "005f6b6465c3",
        "model": model,
        "base_model": None,
        "exception_type": "InternalServerError",
        "exception_string": "litellm.InternalServerError: InternalServerError: OpenAIException - down",
        "attempted_retries": 0,
    }


def cooling(model: str) -> dict[str, Any]:
    """The record of an attempt that found the one deployment left cooling down."""
    text = f"No deployments left after routing-plugin filtering. candidate_models={[model]}"
    return failed(model) | {
        "deployment_id": None,
        "model": None,
        "exception_type": "ValueError",
        "exception_string": text,
    }


def event(messages: list[dict[str, Any]], deployment: str | None, **more: Any) -> dict[str, Any]:
    """What a logger receives as `kwargs`, as far as it is read; `signals` and `previous` are of the metadata."""
    metadata = {"model_group": "auto", "routing_plugin_signals": more.pop("signals", {})}
    if deployment is not None:
        metadata["deployment"] = deployment
    return {
        "litellm_call_id": "call-1",
        "model": "auto" if deployment is None else deployment.partition("/")[2],
        "messages": messages,
        "stream": False,
        "response_cost": 1.7e-05,
        "completion_start_time": datetime(2026, 11, 1, 12, 0, 1),
        "litellm_params": {"metadata": metadata, "litellm_metadata": None},
        "standard_logging_object": {"prompt_tokens": 11, "completion_tokens": 3},
        **more,
    }


def answer(text: str) -> Any:
    """As much of a ModelResponse as is read."""
    return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content=text))])
