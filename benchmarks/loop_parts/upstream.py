"""VLMs that answer the sample's queries as it recorded them: rightly, wrongly, or not at all."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from arms.data.prepared import Prepared
from benchmarks.gateway_parts.servers import free_port
from benchmarks.gateway_parts.upstream import Message, Receive, Send, answer, answer_of, read_body

DAY = ".day"  # between a query's id and the day, in the id of a request
RIGHT, WRONG = "right", "wrong"  # what the VLMs say; whoever asks knows what it means
_UNKNOWN = {"error": {"message": "how this VLM answers this query was not recorded"}}


def recorded_answers(prepared: Prepared) -> dict[tuple[str, str], str]:
    """What each VLM says to each query, by the query's id and the VLM's name."""
    columns = (prepared.outcomes[name] for name in ("query_id", "vlm", "correct"))
    return {(query_id, vlm): RIGHT if correct else WRONG for query_id, vlm, correct in zip(*columns, strict=True)}


@contextmanager
def serve_recorded(answers: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Serve the VLMs while the block runs; a request's id begins with that of its query. Yields the address."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        model = json.loads(await read_body(receive))["model"]
        query_id, _, _ = dict(scope["headers"])[b"x-request-id"].decode().partition(DAY)
        said = answers.get((query_id, model))
        if said is None:
            await answer(send, 500, json.dumps(_UNKNOWN).encode())
        else:
            await answer(send, 200, answer_of(said))

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
