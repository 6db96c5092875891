"""What fails in passing is tried again, and who fails again and again is left alone for a while."""

import socket
from types import SimpleNamespace

import pytest

from tests.ports import free_port
from tests.serve.helpers import chat, post, serving, settings_of, until


class TestRetries:
    @pytest.mark.parametrize("how", ["503", "502", "504"])
    def test_the_same_vlm_is_tried_again(self, upstream, how):
        upstream.how["alpha"] = [how, "answer"]
        with serving(settings_of(upstream.url, each={"retries": 1})) as gateway:
            upstream.no_wait = True
            response = post(gateway, chat("alpha"))
            assert (response.json()["model"], response.headers["x-arms-fallbacks"]) == ("alpha", "")
            assert upstream.models == ["there-alpha"] * 2

    def test_only_so_often(self, upstream):
        upstream.how["alpha"] = "503"
        upstream.no_wait = True
        with serving(settings_of(upstream.url, each={"retries": 2})) as gateway:
            assert post(gateway, chat("alpha")).json()["model"] == "beta"
            assert upstream.models == ["there-alpha"] * 3 + ["there-beta"]

    @pytest.mark.parametrize("how", ["500", "400", "429"])  # 429 asks to wait for 7 s
    def test_what_does_not_pass_soon_is_not_tried_again(self, upstream, how):
        upstream.how["alpha"] = how
        with serving(settings_of(upstream.url, each={"retries": 2})) as gateway:
            post(gateway, chat("alpha"))
            assert upstream.models.count("there-alpha") == 1

    def test_nobody_listens(self, upstream):
        nowhere = {"base_url": f"http://127.0.0.1:{free_port()}/v1", "retries": 1}
        with serving(settings_of(upstream.url, of={"alpha": nowhere})) as gateway:
            assert post(gateway, chat("alpha")).json()["model"] == "beta"
            assert gateway.metric("arms_upstream_failures_total", vlm="alpha", cause="connection") == 1

    def test_who_takes_connections_and_says_nothing(self, upstream):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
            mute = {"base_url": url, "timeouts": {"total_s": 0.2}}
            with serving(settings_of(upstream.url, of={"alpha": mute})) as gateway:
                assert post(gateway, chat("alpha")).json()["model"] == "beta"
                assert gateway.metric("arms_upstream_failures_total", vlm="alpha", cause="timeout") == 1


class TestCircuit:
    def test_it_opens_and_closes(self, upstream, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr("purgatory.domain.model.time", SimpleNamespace(time=lambda: now[0]))
        upstream.how["alpha"] = "500"
        settings = settings_of(upstream.url, breaker={"failures": 2, "pause_s": 30.0})
        with serving(settings) as gateway:
            for _ in range(4):
                assert post(gateway, chat("alpha")).json()["model"] == "beta"
            assert upstream.models.count("there-alpha") == 2
            assert gateway.metric("arms_circuit_open", vlm="alpha") == 1
            assert gateway.metric("arms_upstream_failures_total", vlm="alpha", cause="open") == 2
            named = post(gateway, chat(model="alpha"))
            assert (named.status_code, named.json()["error"]["code"]) == (503, "no_vlm_answered")
            upstream.how["alpha"] = "answer"
            assert post(gateway, chat("alpha")).json()["model"] == "beta"
            now[0] += 31
            assert post(gateway, chat("alpha")).json()["model"] == "alpha"
            until(lambda: gateway.metric("arms_circuit_open", vlm="alpha") == 0)

    def test_streams_that_break_count_too(self, upstream):
        upstream.how["alpha"] = "break-mid"
        with serving(settings_of(upstream.url, breaker={"failures": 2, "pause_s": 60.0})) as gateway:
            for _ in range(2):
                assert b"upstream_broken" in post(gateway, chat("alpha", stream=True)).content
            assert post(gateway, chat("alpha", stream=True)).headers["x-arms-vlm"] == "beta"

    def test_what_is_the_clients_fault_does_not(self, upstream):
        upstream.how["alpha"] = "400"
        with serving(settings_of(upstream.url, breaker={"failures": 1, "pause_s": 60.0})) as gateway:
            for _ in range(2):
                assert post(gateway, chat("alpha")).status_code == 400
            upstream.how["alpha"] = "answer"
            assert post(gateway, chat("alpha")).json()["model"] == "alpha"
