"""A small server that speaks `POST /v1/embeddings` on loopback, in a thread, and fails as it is asked to."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

KEY = "sk-made-up-0123456789"
WIDTH = 8

Answer = dict[str, Any]


@dataclass
class Reply:
    """What the server does with one request instead of answering it well."""

    status: int = 200
    body: Any = None  # JSON, or bytes as they are; None: the good answer
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    change: Callable[[Answer], Any] = lambda answer: answer


@dataclass
class FakeServer:
    """The server's state, which a test may change while it runs.

    Attributes
    ----------
    replies : list of Reply
        One is taken for each request; without any it answers well.
    requests : list of dict
        The bodies of all requests that came with the right key.
    """

    url: str
    model: str = "hash-8"
    version: str = "1"  # what the vectors depend on besides the text
    width: int = WIDTH
    key: str | None = KEY
    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """All texts that it was sent, in their order."""
        return [text for request in self.requests for text in request["input"]]

    def vector(self, text: str) -> np.ndarray:
        """The vector of a text: shape (D,), float32, of unit norm."""
        seed = hashlib.sha256(f"{self.version}|{text}".encode()).digest()[:8]
        vector = np.random.default_rng(int.from_bytes(seed, "little")).normal(size=self.width)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def answer(self, request: dict[str, Any]) -> Answer:
        """The good answer."""
        vectors = [self.vector(text)[: request.get("dimensions")] for text in request["input"]]
        if request["encoding_format"] == "base64":
            embeddings: list[Any] = [base64.b64encode(vector.tobytes()).decode() for vector in vectors]
        else:
            embeddings = [vector.tolist() for vector in vectors]
        data = [{"object": "embedding", "index": i, "embedding": it} for i, it in enumerate(embeddings)]
        return {"object": "list", "data": data, "model": self.model, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    """A server that listens until the block ends."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    state = FakeServer(f"http://127.0.0.1:{listener.server_port}/v1")
    listener.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_POST(self) -> None:
        state: FakeServer = self.server.state  # type: ignore[attr-defined]
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sent = self.headers.get("Authorization")
        if self.path != "/v1/embeddings":
            self._send(404, {"error": {"message": f"no such path: {self.path}"}})
        elif state.key is not None and sent != f"Bearer {state.key}":
            self._send(401, {"error": {"message": f"Incorrect API key provided: {sent}", "code": "invalid_api_key"}})
        elif request["model"] != state.model:
            message = f"The model `{request['model']}` does not exist"
            self._send(404, {"error": {"message": message, "code": "model_not_found"}})
        else:
            state.requests.append(request)
            reply = state.replies.pop(0) if state.replies else Reply()
            time.sleep(reply.wait_s)
            body = reply.change(state.answer(request)) if reply.body is None else reply.body
            self._send(reply.status, body, reply.headers)

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""
