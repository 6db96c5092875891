"""A real S3 server for tests: moto's, as a process of its own on this machine, behind a proxy that injects faults."""

import http.client
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.ports import free_port

BUCKET = "bucket"
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of an answer: an error status, or the answer's body ends after `cut` bytes."""

    status: int = 0
    cut: int = -1


@dataclass
class Proxy:
    """Passes requests on to a server.

    Attributes
    ----------
    fault : callable
        Says of each request (its method and path) what happens to it; None: it is answered.
    hidden : set of str
        Keys that listings do not have yet, though the objects are there.
    seen : list of (str, str)
        The method and the path of each request.
    """

    target: int
    fault: Callable[[str, str], Fault | None] = lambda method, path: None
    hidden: set[str] = field(default_factory=set)
    seen: list[tuple[str, str]] = field(default_factory=list)

    def heal(self) -> None:
        """Answer everything from now on, and forget what was seen."""
        self.fault = lambda method, path: None
        self.hidden.clear()
        self.seen.clear()

    def fail_first(self, count: int, fault: Fault, pattern: str = "") -> None:
        """Let the first requests fail whose method and path hold a pattern."""
        left = [count]

        def decide(method: str, path: str) -> Fault | None:
            if left[0] and re.search(pattern, f"{method} {path}"):
                left[0] -= 1
                return fault
            return None

        self.fault = decide

    def fail_always(self, fault: Fault, pattern: str = "") -> None:
        """Let every request fail whose method and path hold a pattern."""
        self.fault = lambda method, path: fault if re.search(pattern, f"{method} {path}") else None

    def without_hidden(self, listing: bytes) -> bytes:
        """A listing without the keys that it does not have yet."""
        entries = re.sub(
            rb"<Contents>.*?<Key>(.*?)</Key>.*?</Contents>",
            lambda entry: b"" if entry[1].decode() in self.hidden else entry[0],
            listing,
            flags=re.DOTALL,
        )
        return entries


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.seen.append((self.command, self.path))
            fault = proxy.fault(self.command, self.path)
            if fault is not None and fault.status:
                return self.send(fault.status, {"Content-Type": "application/xml"}, _SLOW_DOWN)
            if fault is not None and self.command != "GET":  # the server does it, and its answer is lost
                self.pass_on(body)
                self.close_connection = True
                return None
            status, headers, content = self.pass_on(body)
            if b"<ListBucketResult" in content:
                content = proxy.without_hidden(content)
            return self.send(status, headers, content, -1 if fault is None else fault.cut)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

        def pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=30)
            try:
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                response = connection.getresponse()
                return response.status, dict(response.getheaders()), response.read()
            finally:
                connection.close()

        def send(self, status: int, headers: dict[str, str], content: bytes, cut: int = -1) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content if cut < 0 else content[:cut])
            self.close_connection = self.close_connection or cut >= 0

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that was killed hangs up


@contextmanager
def faulty_s3() -> Iterator[tuple[Proxy, int]]:
    """Start the server, with a bucket, and the proxy before it; yields the proxy and its port."""
    target, port = free_port(), free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(target)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    proxy = Proxy(target)
    front = _Server(("127.0.0.1", port), _handler(proxy))
    thread = threading.Thread(target=front.serve_forever, daemon=True)
    thread.start()
    try:
        _make_bucket(target)
        yield proxy, port
    finally:
        front.shutdown()
        front.server_close()
        thread.join()
        server.terminate()
        server.wait(10)


def _make_bucket(port: int, patience_s: float = 30.0) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
    end = time.monotonic() + patience_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def environment(port: int) -> dict[str, str]:
    """What leads clients to the server: its address, and credentials, which it does not check."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }


def apply(port: int) -> None:
    """Put `environment` in place, for a program that ends with it."""
    os.environ.update(environment(port))
