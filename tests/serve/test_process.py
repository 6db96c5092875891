"""`arms serve` as a process: signals, and what it prints."""

import signal
import threading

import pytest

from tests.serve.helpers import CLIENT, chat, data_uri, picture, until, with_picture
from tests.serve.process import POOL, gateway_process


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
    with gateway_process(tmp_path, upstream) as process:
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
    with gateway_process(tmp_path, upstream, drain_s=1) as process:
        found = []
        thread = streamed(process, found)
        process.running.send_signal(signal.SIGTERM)
        thread.join()
        assert b"upstream_stopped" in b"".join(found).splitlines()[-2]
        assert process.ended() in (0, -signal.SIGTERM)
        until(lambda: upstream.left)
