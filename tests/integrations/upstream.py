"""An OpenAI-compatible server on loopback that answers with its own name, streams, and fails where a test wants it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}


@dataclass
class Upstream:
    """What a fake server was asked, and how it is to answer.

    Attributes
    ----------
    url : str
        Up to /v1.
    asked : list of dict
        The bodies of the requests, in their order.
    fails_on : str or None
        A text; requests that hold it get an error.
    """

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    fails_on: str | None = None


@contextmanager
def serve_upstream() -> Iterator[Upstream]:
    """Run a fake server while the block runs."""
    upstream = Upstream()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            upstream.asked.append(body)
            if upstream.fails_on and upstream.fails_on in json.dumps(body):
                error = {"error": {"message": "down for the test", "type": "server_error", "code": 500}}
                self._send("application/json", json.dumps(error).encode(), 500)
            elif body.get("stream"):
                self._send("text/event-stream", b"".join(_chunks(body)), 200)
            else:
                self._send("application/json", json.dumps(_answer(body)).encode(), 200)

        def _send(self, kind: str, content: bytes, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    upstream.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"from {body['model']}"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [choice],
        "usage": USAGE,
    }


def _chunks(body: dict[str, Any]) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        content = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            **more,
        }
        return f"data: {json.dumps(content)}\n\n".encode()

    yield chunk({"role": "assistant", "content": "from "})
    yield chunk({"content": body["model"]})
    yield chunk({}, "stop", usage=USAGE)
    yield b"data: [DONE]\n\n"
