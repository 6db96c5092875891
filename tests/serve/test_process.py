"""`arms serve` as a process, with the router that comes with the package: signals, and what it prints."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx
import pytest

from arms.cli.completers import STARTER
from tests.ports import free_port
from tests.serve.helpers import CLIENT, LONG_S, chat, data_uri, picture, until, with_picture

POOL = ("sim-wren-2b", "sim-borealis", "sim-cobalt")
COMMAND = [sys.executable, "-c", "from arms.cli import main; main()", "serve", "--settings"]


class Process:
    """A gateway's process; what it prints is collected."""

    def __init__(self, running, port):
        self.running, self.url, self.said = running, f"http://127.0.0.1:{port}", []
        self._collecting = threading.Thread(target=self._collect, daemon=True)
        self._collecting.start()

    def _collect(self):
        self.said.extend(iter(self.running.stderr.readline, ""))

    @property
    def text(self):
        return "".join(self.said)

    def ended(self):
        """How it ended, once it has and all that it printed is there."""
        code = self.running.wait(LONG_S)
        self._collecting.join(LONG_S)
        return code

    def ready(self):
        assert self.running.poll() is None, self.text
        try:
            return CLIENT.get(f"{self.url}/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def gateway(folder, upstream, **changes):
    upstreams = {vlm: {"base_url": f"{upstream.url}/v1", "model": vlm} for vlm in POOL}
    port = free_port()
    content = {"router": str(STARTER), "default": POOL[0], "port": port, "upstreams": upstreams, **changes}
    content["decision"] = {"limit_s": LONG_S}
    file = folder / "serve.yaml"
    file.write_text(json.dumps(content), encoding="utf-8")  # which is YAML too
    with subprocess.Popen([*COMMAND, str(file)], stderr=subprocess.PIPE, text=True) as running:
        process = Process(running, port)
        try:
            until(process.ready, within=120)
            yield process
        finally:
            running.kill()


def streamed(process, found):
    """A stream that has begun and takes a while, in a thread; `found` receives what comes."""

    def ask():
        body = chat("What is this?", stream=True)
        with CLIENT.stream("POST", f"{process.url}/v1/chat/completions", json=body) as response:
            found.extend(response.iter_raw())

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: found)
    return thread


def test_from_start_to_stop(tmp_path, upstream):
    with gateway(tmp_path, upstream) as process:
        until(lambda: "listening on" in process.text)
        assert f"VLMs: {', '.join(POOL)}" in process.text
        assert "without an upstream, never chosen: sim-" in process.text
        messages = with_picture(data_uri(picture()), "How many red shapes are there?")
        response = CLIENT.post(f"{process.url}/v1/chat/completions", json=chat() | {"messages": messages})
        assert response.headers["x-arms-reason"] == "policy"
        assert response.json()["model"] == response.headers["x-arms-vlm"] in POOL
        route = CLIENT.post(f"{process.url}/v1/route", json=chat() | {"messages": messages}).json()
        assert [ranked["vlm"] for ranked in route["ranking"]] == route["order"]
        assert route["expected_cost_usd"] > 0
        process.running.send_signal(signal.SIGHUP)
        until(lambda: "the router is now" in process.text)
        upstream.how.update(dict.fromkeys(POOL, "drip"))
        found = []
        thread = streamed(process, found)
        process.running.send_signal(signal.SIGTERM)
        thread.join()
        assert b"".join(found).endswith(b"data: [DONE]\n\n")
        assert process.ended() in (0, -signal.SIGTERM)
        assert "Traceback" not in process.text


@pytest.mark.slow
def test_what_does_not_end_in_time_is_ended_and_says_so(tmp_path, upstream):
    upstream.how.update(dict.fromkeys(POOL, "endless"))
    with gateway(tmp_path, upstream, drain_s=1) as process:
        found = []
        thread = streamed(process, found)
        process.running.send_signal(signal.SIGTERM)
        thread.join()
        assert b"upstream_stopped" in b"".join(found).splitlines()[-2]
        assert process.ended() in (0, -signal.SIGTERM)
        until(lambda: upstream.left)
