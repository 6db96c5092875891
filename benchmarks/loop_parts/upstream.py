"""VLMs that answer the sample's queries as it recorded them: rightly, wrongly, or not at all."""

import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from arms.data.prepared import Prepared
from benchmarks.gateway_parts.servers import free_port
from benchmarks.gateway_parts.upstream import answer_of

Message = MutableMapping[str, Any]
RIGHT, WRONG = "right", "wrong"  # what the VLMs say; whoever asks knows what it means
_UNKNOWN = {"error": {"message": "how this VLM answers this query was not recorded"}}


def recorded_answers(prepared: Prepared) -> dict[tuple[str, str], str]:
    """What each VLM says to each query, by the query's id and the VLM's name."""
    columns = (prepared.outcomes[name] for name in ("query_id", "vlm", "correct"))
    return {(query_id, vlm): RIGHT if correct else WRONG for query_id, vlm, correct in zip(*columns, strict=True)}


@contextmanager
def serve_recorded(answers: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Serve the VLMs while the block runs; a request's id is that of its query. Yields the address."""

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        said = answers.get((dict(scope["headers"])[b"x-request-id"].decode(), json.loads(body)["model"]))
        content = json.dumps(_UNKNOWN).encode() if said is None else answer_of(said)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 500 if said is None else 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
