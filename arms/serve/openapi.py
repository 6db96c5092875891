"""What the OpenAPI page says of each address: bodies, responses and errors. The code checks the bodies itself."""

from typing import Any

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_MEANINGS = {
    400: "the request cannot be used; the text says what is wrong",
    401: "no key, or a wrong one",
    403: "only for connections from this machine",
    404: "unknown",
    408: "the request came too slowly",
    409: "the request id is taken; or the new router cannot be used, and the old one goes on",
    413: "the request or a picture is too large",
    415: "the body is not application/json",
    422: "the VLM's server cannot use the request",
    429: "all VLMs that were asked have too much to do",
    502: "no VLM answered",
    503: "too many requests at a time, the VLM is left alone for now, or the gateway is being stopped",
    504: "no VLM answered in time",
}
_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
        "content": {
            "anyOf": [
                {"type": "null"},
                {"type": "string"},
                {
                    "type": "array",
                    "items": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}},
                },
            ]
        },
    },
}
_WISHES = {
    "type": "object",
    "additionalProperties": False,
    "description": "what is wished of the router; each may be a header too, such as x-arms-policy",
    "properties": {
        "policy": {"anyOf": [{"type": "string"}, {"type": "object"}], "description": "a policy or the name of one"},
        "exclude": {"type": "array", "items": {"type": "string"}, "description": "VLMs that are left out"},
        "budget_usd": {"type": "number", "minimum": 0, "description": "expected cost of the answer, at most"},
        "session": {"type": "string", "minLength": 1, "maxLength": 256, "description": "stays with its VLM"},
    },
}
_CHAT_BODY = {
    "type": "object",
    "required": ["model", "messages"],
    "description": "as OpenAI's chat completions take it; what is not named here goes upstream as it is",
    "properties": {
        "model": {"type": "string", "minLength": 1, "description": "auto, arms/<policy> or a VLM's own name"},
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "stream": {"type": ["boolean", "null"]},
        "arms": _WISHES,
    },
}
_ROUTE = {
    "type": "object",
    "required": ["request_id", "vlm", "order", "reason", "propensity", "unable", "router"],
    "properties": {
        "request_id": {"type": "string"},
        "vlm": {"type": "string"},
        "order": {"type": "array", "items": {"type": "string"}},
        "reason": {"enum": ["policy", "explore", "sticky", "default", "named", "shadow"]},
        "propensity": {"type": "number", "minimum": 0, "maximum": 1},
        "router_failure": {"enum": [None, "late", "busy", "picture", "error"]},
        "expected_costs_usd": {"type": "object", "additionalProperties": {"type": "number"}},
        "unable": {"type": "object", "additionalProperties": {"type": "string"}},
        "router": {"type": "string"},
    },
}
_MODEL_ENTRY = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
    },
}
_STATUS = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}


def _address(
    summary: str,
    answer: dict[str, Any],
    *errors: int,
    body: dict[str, Any] | None = None,
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The arguments of a FastAPI route that only describe it."""
    content = {"application/json": {"schema": answer}, **(more or {})}
    responses: dict[int | str, Any] = {200: {"description": "done", "content": content}}
    for status in errors:
        responses[status] = {
            "description": _MEANINGS[status],
            "content": {"application/json": {"schema": _ERROR}},
        }
    extra: dict[str, Any] = {}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"summary": summary, "responses": responses, "openapi_extra": extra, "response_model": None}


_BODY_ERRORS = (400, 401, 408, 413, 415, 503)

CHAT = _address(
    "Answer, by the VLM that the router chooses",
    {"type": "object"},
    *_BODY_ERRORS,
    404,
    409,
    422,
    429,
    502,
    504,
    body=_CHAT_BODY,
    more={"text/event-stream": {"schema": {"type": "object", "properties": {"data": {"type": "string"}}}}},
)
ROUTE = _address("Decide only, and say why", _ROUTE, *_BODY_ERRORS, 404, 409, body=_CHAT_BODY)
MODELS = _address(
    "What `model` may be",
    {
        "type": "object",
        "required": ["object", "data"],
        "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": _MODEL_ENTRY}},
    },
    401,
)
MODEL = _address("One of them", _MODEL_ENTRY, 401, 404)
HEALTH = _address("Whether the process runs", _STATUS)
READY = _address("Whether requests are taken", _STATUS, 503)
METRICS: dict[str, Any] = {
    "summary": "What Prometheus reads",
    "response_model": None,
    "responses": {
        200: {"description": "done", "content": {"text/plain": {"schema": {"type": "string"}}}},
        401: {"description": _MEANINGS[401], "content": {"application/json": {"schema": _ERROR}}},
    },
}
TRAFFIC = _address(
    "What happened lately, as the page at / shows it; span: hour, day, week, month or all",
    {"type": "object", "required": ["memory"], "properties": {"memory": {"type": "boolean"}}},
    400,
    401,
    503,
)
NEIGHBOUR = _address(
    "What a training query asked, where the settings name the dataset",
    {
        "type": "object",
        "required": ["query_id", "question", "num_images"],
        "properties": {
            "query_id": {"type": "string"},
            "question": {"type": "string"},
            "num_images": {"type": "integer", "minimum": 0},
        },
    },
    401,
    404,
)
NEIGHBOUR_PICTURE: dict[str, Any] = {
    "summary": "A small copy of a training query's picture",
    "response_model": None,
    "responses": {
        200: {"description": "done", "content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}},
        **{
            status: {"description": _MEANINGS[status], "content": {"application/json": {"schema": _ERROR}}}
            for status in (401, 404)
        },
    },
}
RELOAD = _address(
    "Load the router anew",
    {"type": "object", "required": ["router"], "properties": {"router": {"type": "string"}}},
    401,
    403,
    409,
)


def feedback(body: dict[str, Any]) -> dict[str, Any]:
    """The address for feedback, whose body is described by a model's schema."""
    return _address("Say how good an answer was", _STATUS, *_BODY_ERRORS, 404, body=body)
