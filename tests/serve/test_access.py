"""Who may ask, for which host, with what; and what everybody may see."""

import socket

import pytest

from arms.errors import ArmsError
from arms.serve.memory.none import NoMemory
from tests.serve.helpers import CLIENT, chat, post, serving, settings_of

HEADERS = {"authorization": "Bearer key-two"}


@pytest.fixture(scope="module")
def guarded(started_upstream):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GATE_KEYS", "key-one, key-two")
        environment.setenv("THERE_KEY", "of-there")
        settings = settings_of(started_upstream.url, keys_env="GATE_KEYS", each={"key_env": "THERE_KEY"})
        with serving(settings) as gateway:
            yield gateway


def get(gateway, path, **headers):
    return CLIENT.get(f"{gateway.url}{path}", headers=headers)


class TestKeys:
    @pytest.mark.parametrize("header", [None, "Bearer", "Bearer key-on", "Basic key-one", "key-one", "Bearer ü"])
    def test_wrong_ones(self, guarded, upstream, header):
        headers = {} if header is None else {"authorization": header.encode()}
        for path in ("/v1/chat/completions", "/v1/route", "/v1/feedback", "/admin/reload"):
            response = post(guarded, chat("alpha"), path, **headers)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
        for path in ("/v1/models", "/v1/models/auto", "/metrics"):
            assert get(guarded, path, **headers).status_code == 401
        assert not upstream.asked

    def test_a_right_one_is_not_sent_on(self, guarded, upstream):
        assert post(guarded, chat("alpha"), **HEADERS).status_code == 200
        assert upstream.asked[0][1]["authorization"] == "Bearer of-there"
        assert get(guarded, "/metrics", **HEADERS).status_code == 200

    def test_sessions_of_another_are_others(self, guarded, upstream):
        stay = {"arms": {"session": "s"}}
        post(guarded, chat("beta", **stay), **HEADERS)
        assert len(guarded.inner.sessions) == 1
        post(guarded, chat("beta", **stay), authorization="Bearer key-one")
        assert len(guarded.inner.sessions) == 2

    def test_health_is_for_all(self, guarded):
        assert get(guarded, "/health").json() == {"status": "ok"}
        assert get(guarded, "/ready").json() == {"status": "ready", "router": "fake"}

    def test_a_key_that_is_not_there(self, upstream, monkeypatch):
        monkeypatch.delenv("GATE_KEYS", raising=False)
        with pytest.raises(ArmsError, match=r"keys_env: expected the environment variable GATE_KEYS to be set"):
            serving(settings_of(upstream.url, keys_env="GATE_KEYS")).__enter__()
        with pytest.raises(ArmsError, match=r"upstreams\.alpha\.key_env: expected the environment variable NO_KEY"):
            serving(settings_of(upstream.url, of={"alpha": {"key_env": "NO_KEY"}})).__enter__()


class TestWebPages:
    """A page in a browser on this machine can send requests here; it must not get them answered."""

    def test_another_host(self, gateway, upstream):
        assert post(gateway, chat("alpha"), host="evil.test").status_code == 400
        assert not upstream.asked

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
    def test_what_a_page_may_send_unasked(self, gateway, upstream, kind):
        response = CLIENT.post(f"{gateway.url}/v1/chat/completions", content="{}", headers={"content-type": kind})
        assert response.status_code == 415
        assert not upstream.asked

    def test_no_origin_is_allowed(self, gateway):
        response = CLIENT.options(f"{gateway.url}/v1/chat/completions", headers={"origin": "https://evil.test"})
        assert response.status_code == 405
        assert "access-control-allow-origin" not in response.headers


class TestBodies:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "cannot be read"),
            (b"{", "cannot be read"),
            (b"[]", "expected a JSON object"),
            (b'{"model": NaN}', "NaN is no JSON"),
            (b"[" * 100_000, "cannot be read"),
            (b'{"model": "auto"}', "messages: expected a list"),
            (b'{"messages": [1]}', "model: expected text"),
            (b'{"model": "auto", "messages": [1], "stream": "yes"}', "stream: expected true or false"),
            (b'\xff{"model"', "cannot be read"),
        ],
    )
    def test_what_cannot_be_read(self, gateway, content, message):
        response = CLIENT.post(
            f"{gateway.url}/v1/chat/completions", content=content, headers={"content-type": "application/json"}
        )
        assert response.status_code == 400
        assert message in response.json()["error"]["message"]
        assert gateway.inner.running.count == 0

    def test_one_that_does_not_end(self, upstream):
        def endless():
            while True:
                yield b" " * 100_000

        with serving(settings_of(upstream.url, limits={"body_mb": 1.0})) as gateway:
            response = CLIENT.post(
                f"{gateway.url}/v1/chat/completions", content=endless(), headers={"content-type": "application/json"}
            )
            assert response.status_code == 413

    def test_one_that_comes_too_slowly(self, upstream):
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        with (
            serving(settings_of(upstream.url, limits={"body_s": 0.2})) as gateway,
            socket.create_connection(("127.0.0.1", gateway.settings.port)) as slow,
        ):
            slow.sendall(head + b"content-length: 100\r\n\r\n{")
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")

    def test_more_than_may_run(self, upstream):
        upstream.how["alpha"] = "endless"
        body = chat("alpha", stream=True)
        with (
            serving(settings_of(upstream.url, limits={"running": 1})) as gateway,
            CLIENT.stream("POST", f"{gateway.url}/v1/chat/completions", json=body),
        ):
            response = post(gateway, chat("beta"))
            assert (response.status_code, response.json()["error"]["code"]) == (503, "overloaded")
            assert response.headers["retry-after"] == "1"
            assert get(gateway, "/health").status_code == 200


def test_an_unknown_address(gateway):
    response = get(gateway, "/v1/nothing")
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    assert get(gateway, "/v1/models/gpt").json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, "ü".encode()])
def test_a_request_id_that_is_none(gateway, upstream, given):
    response = post(gateway, chat("alpha"), **{"x-request-id": given})
    assert len(response.headers["x-request-id"]) == 32


def test_without_a_memory_no_feedback_is_kept(upstream):
    with serving(settings_of(upstream.url), memory=NoMemory()) as gateway:
        request_id = post(gateway, chat("alpha")).headers["x-request-id"]
        response = post(gateway, {"request_id": request_id, "correct": True}, "/v1/feedback")
        assert response.status_code == 404
        assert "memory: none keeps nothing" in response.json()["error"]["message"]


def test_prometheus_reads_it(gateway, upstream):
    gateway.answer(post(gateway, chat("alpha")).headers["x-request-id"])
    page = get(gateway, "/metrics").text
    assert 'arms_requests_total{reason="policy",status="200",vlm="alpha"}' in page
    assert 'arms_tokens_total{kind="prompt",vlm="alpha"}' in page
    assert "arms_running 0.0" in page
