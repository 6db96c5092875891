"""A server of VLMs that answers at once: ``python -m benchmarks.gateway_parts.upstream PORT``."""

import json
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MODEL = re.compile(rb'"model": ?"([^"]*)"')
_USAGE = {"prompt_tokens": 800, "completion_tokens": 3, "total_tokens": 803}


def answer_of(model: str) -> bytes:
    """A chat completion that says which model was asked."""
    choice = {"index": 0, "message": {"role": "assistant", "content": f"from {model}"}, "finish_reason": "stop"}
    content = {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
    return json.dumps(content | {"usage": _USAGE}).encode()


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Read the whole request, and answer; a health check too."""
    found = _MODEL.search(await read_body(receive))
    await answer(send, 200, answer_of(found[1].decode() if found else ""))


async def read_body(receive: Receive) -> bytes:
    """All of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def answer(send: Send, status: int, content: bytes) -> None:
    """Send JSON."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", log_config=None, access_log=False)
