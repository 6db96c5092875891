"""Chat completions by real HTTP: what passes unchanged, what is named, who is asked next, and how streams end."""

import json
import socket
import subprocess

import openai
import pytest

from tests.serve.helpers import CLIENT, LONG_S, VLMS, chat, post, until
from tests.serve.upstream import USAGE, chunks, whole


def client(gateway):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0)


def ask_and_leave(gateway, upstream, body, request_id):
    """Leave once the VLM works; of a stream, once its beginning is there."""
    content = json.dumps(body).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1",
        f"host: 127.0.0.1:{gateway.settings.port}",
        "content-type: application/json",
        f"content-length: {len(content)}",
        f"x-request-id: {request_id}",
    )
    with socket.create_connection(("127.0.0.1", gateway.settings.port), LONG_S) as asking:
        asking.sendall("\r\n".join((*head, "", "")).encode() + content)
        until(lambda: upstream.asked)
        assert not body["stream"] or asking.recv(1000).startswith(b"HTTP/1.1 200 OK")


class TestPassing:
    def test_a_whole_answer_names_who_answered(self, gateway, upstream):
        response = post(gateway, chat("beta, what?"))
        assert response.status_code == 200
        assert response.json() == whole("there-beta") | {"model": "beta"}
        assert response.headers["x-arms-vlm"] == "beta"
        assert response.headers["x-arms-reason"] == "policy"
        assert response.headers["x-arms-confidence"] == "0.9000"
        assert response.headers["x-arms-fallbacks"] == ""
        assert float(response.headers["x-arms-decision-ms"]) > 0
        assert response.headers["x-ratelimit-remaining"] == "9"
        assert "set-cookie" not in response.headers

    @pytest.mark.parametrize("how", ["answer", "cut", "tools"])
    def test_a_stream_is_the_same_but_for_the_model(self, gateway, upstream, how):
        upstream.how["gamma"] = how
        response = post(gateway, chat("gamma, what?", stream=True))
        sent = b"".join(chunks("there-gamma", tools=how == "tools"))
        assert response.content == sent.replace(b'"there-gamma"', b'"gamma"')
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-arms-vlm"] == "gamma"

    def test_what_is_asked_goes_upstream_as_it_is(self, gateway, upstream):
        tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
        body = chat("alpha?", tools=tools, x_unknown={"n": [1.5, None, "\ud800ü"]}, seed=2**70)
        post(gateway, body | {"arms": {"session": "s"}}, authorization="Bearer of-the-client")
        asked, headers = upstream.asked[0]
        assert asked == body | {"model": "there-alpha"}
        assert "authorization" not in headers

    def test_the_first_chunk_comes_before_the_last_is_there(self, gateway, upstream):
        upstream.how["alpha"] = "trickle"
        with CLIENT.stream("POST", f"{gateway.url}/v1/chat/completions", json=chat("alpha", stream=True)) as response:
            lines = response.iter_lines()
            assert json.loads(next(lines).removeprefix("data: "))["model"] == "alpha"
        until(lambda: "there-alpha" in upstream.left)

    def test_its_record(self, gateway, upstream):
        response = post(gateway, chat("alpha?"), **{"x-request-id": "mine-1"})
        assert response.headers["x-request-id"] == "mine-1"
        answer, decision = gateway.answer("mine-1"), gateway.memory.decisions[0]
        assert (answer.request_id, answer.vlm, answer.status, answer.fallbacks) == ("mine-1", "alpha", 200, ())
        assert (answer.prompt_tokens, answer.completion_tokens, answer.output) == (1000, 100, "Two.")
        assert answer.cost_usd == pytest.approx((1000 * 10 + 100 * 30) / 1e6)
        assert 0 < answer.decision_s < answer.first_byte_s <= answer.latency_s
        assert (decision.request_id, decision.chosen, decision.greedy, decision.propensity) == (
            "mine-1",
            "alpha",
            "alpha",
            1.0,
        )
        assert decision.confidences == pytest.approx({"alpha": 0.9, "beta": 0.6, "gamma": 0.5})
        assert (decision.question, decision.images, decision.image_sha256) == (None, None, ())
        assert decision.expected_cost_usd > 0

    def test_the_record_of_a_stream(self, gateway, upstream):
        answer = gateway.answer(post(gateway, chat("gamma", stream=True)).headers["x-request-id"])
        assert (answer.prompt_tokens, answer.completion_tokens) == (USAGE["prompt_tokens"], USAGE["completion_tokens"])
        assert answer.output == 'Zwei: "model": "x" \\ ü\n'


class TestOpenaiClient:
    def test_answers(self, gateway, upstream):
        found = client(gateway).chat.completions.create(**chat("beta"))
        assert (found.model, found.choices[0].message.content) == ("beta", "Two.")
        assert found.usage.total_tokens == 1100

    def test_streams(self, gateway, upstream):
        found = list(client(gateway).chat.completions.create(**chat("beta", stream=True)))
        assert {chunk.model for chunk in found} == {"beta"}
        assert "".join(chunk.choices[0].delta.content or "" for chunk in found[:-1]).startswith("Zwei")
        assert found[-1].usage.completion_tokens == 100

    def test_tools(self, gateway, upstream):
        upstream.how["gamma"] = "tools"
        found = list(client(gateway).chat.completions.create(**chat("gamma", stream=True)))
        assert found[1].choices[0].delta.tool_calls[0].function.arguments == '{"at":"model"}'

    def test_the_router_is_told_in_the_body(self, gateway, upstream):
        found = client(gateway).chat.completions.create(**chat("beta"), extra_body={"arms": {"exclude": ["beta"]}})
        assert found.model == "alpha"

    def test_models(self, gateway):
        assert [model.id for model in client(gateway).models.list()] == [
            "auto",
            "arms/thrifty",
            "alpha",
            "beta",
            "gamma",
        ]
        assert client(gateway).models.retrieve("arms/thrifty").id == "arms/thrifty"

    def test_an_unknown_model(self, gateway, upstream):
        with pytest.raises(openai.NotFoundError, match="unknown model 'gpt-x'; known: auto, arms/thrifty, alpha"):
            client(gateway).chat.completions.create(**chat(model="gpt-x"))
        assert not upstream.asked

    def test_a_stream_that_breaks(self, gateway, upstream):
        upstream.how["alpha"] = "break-mid"
        with pytest.raises(openai.APIError, match="alpha: broken"):
            list(client(gateway).chat.completions.create(**chat("alpha", stream=True)))


def test_curl(gateway, upstream):
    def curl(*words):
        return subprocess.run(
            ["curl", "-sS", "--max-time", str(LONG_S), *words], capture_output=True, check=True
        ).stdout

    at = [f"{gateway.url}/v1/chat/completions", "-H", "content-type: application/json", "-d"]
    assert json.loads(curl(*at, json.dumps(chat("beta"))))["model"] == "beta"
    said = curl("-N", "-i", *at, json.dumps(chat("gamma", stream=True)))
    assert b"x-arms-vlm: gamma" in said
    assert said.endswith(b"data: [DONE]\n\n")


class TestModels:
    def test_by_its_own_name(self, gateway, upstream):
        upstream.how["gamma"] = "500"
        response = post(gateway, chat("alpha", model="gamma"))
        assert response.status_code == 502
        assert upstream.models == ["there-gamma"]
        assert "a 500 of there" in response.json()["error"]["message"]
        decision = gateway.memory.decisions[0]
        assert (decision.reason, decision.chosen, decision.confidences) == ("named", "gamma", {})
        assert gateway.router.batches == []

    def test_by_a_policy(self, gateway, upstream):
        assert post(gateway, chat("alpha", model="arms/thrifty")).json()["model"] == "gamma"
        assert json.loads(gateway.memory.decisions[0].policy)["name"] == "cheapest"

    def test_a_policy_of_the_request(self, gateway, upstream):
        assert post(gateway, chat("alpha"), **{"x-arms-policy": "thrifty"}).json()["model"] == "gamma"
        own = {"name": "cheapest", "tau": 0.95, "of": "cost"}
        assert post(gateway, chat("alpha", arms={"policy": own})).json()["model"] == "alpha"

    def test_a_budget(self, gateway, upstream):
        assert post(gateway, chat("alpha", arms={"budget_usd": 0.0005})).json()["model"] == "beta"
        assert post(gateway, chat("alpha"), **{"x-arms-budget-usd": "0.00001"}).json()["model"] == "gamma"

    @pytest.mark.parametrize(
        ("arms", "message"),
        [
            ({"exclude": ["delta"]}, "unknown VLM 'delta'; known: alpha, beta, gamma"),
            ({"exclude": ["alpha", "beta", "gamma"]}, "none is left: alpha is excluded"),
            ({"policy": "none"}, "unknown policy 'none'; known: thrifty"),
            ({"policy": {"name": "cheapest"}}, r"expected the settings (of, tau), got (none)"),
            ({"policy": 3}, "expected a name or a policy"),
            ({"budget_usd": -1}, "expected a finite number >= 0"),
            ({"session": ""}, "expected text of 256 characters at most"),
            ({"sesion": "a"}, "unknown key 'sesion'"),
            (3, "arms: expected an object"),
        ],
    )
    def test_wishes_that_cannot_be(self, gateway, upstream, arms, message):
        response = post(gateway, chat("alpha", arms=arms))
        assert response.status_code == 400
        assert message in response.json()["error"]["message"]
        assert not upstream.asked

    def test_tools_leave_out_who_calls_none(self, gateway, upstream):
        tools = [{"type": "function", "function": {"name": "look"}}]
        assert post(gateway, chat("beta", tools=tools)).json()["model"] == "alpha"
        assert gateway.memory.decisions[0].unable == {"beta": "calls no tools"}


class TestFallback:
    @pytest.mark.parametrize("how", ["500", "429", "401", "404", "stall", "empty", "error-event"])
    def test_before_the_first_byte_the_next_one_is_asked(self, gateway, upstream, how):
        upstream.how["beta"] = how
        with gateway.quick("beta", first_byte_s=1.0 if how == "stall" else LONG_S):
            response = post(gateway, chat("beta", stream=True))
        assert upstream.models == ["there-beta", "there-alpha"]
        assert response.content.endswith(b"data: [DONE]\n\n")
        assert b'"model": "beta"' not in response.content
        assert (response.headers["x-arms-vlm"], response.headers["x-arms-fallbacks"]) == ("alpha", "beta")
        assert response.headers["x-arms-confidence"] == "0.7000"
        answer = gateway.answer(response.headers["x-request-id"])
        assert (answer.vlm, answer.fallbacks) == ("alpha", ("beta",))
        if how == "stall":
            until(lambda: "there-beta" in upstream.left)

    @pytest.mark.parametrize("status", ["400", "413", "422"])
    def test_the_clients_fault_is_said_at_once(self, gateway, upstream, status):
        upstream.how["beta"] = status
        response = post(gateway, chat("beta"))
        assert (response.status_code, response.json()) == (int(status), {"error": {"message": f"a {status} of there"}})
        assert upstream.models == ["there-beta"]

    @pytest.mark.parametrize(("how", "status"), [("500", 502), ("429", 429), ("stall", 504)])
    def test_none_answers(self, gateway, upstream, how, status):
        upstream.how.update(dict.fromkeys(("alpha", "beta", "gamma"), how))
        with gateway.quick(*VLMS, first_byte_s=1.0 if how == "stall" else LONG_S):
            response = post(gateway, chat("beta", stream=True))
        assert response.status_code == status
        assert response.json()["error"]["code"] == "no_vlm_answered"
        assert upstream.models == ["there-beta", "there-alpha", "there-gamma"]
        answer = gateway.answer(response.headers["x-request-id"])
        assert (answer.status, answer.vlm) == (status, None)
        assert ("retry-after" in response.headers) == (status == 429)

    def test_a_key_of_the_gateway_is_not_spoken_of(self, gateway, upstream):
        upstream.how["beta"] = "401"
        response = post(gateway, chat(model="beta"))
        assert response.status_code == 502
        assert "of there" not in response.text


class TestAfterTheFirstByte:
    @pytest.mark.parametrize(
        ("how", "code"),
        [("break-mid", "upstream_broken"), ("end-early", "upstream_broken"), ("stall-mid", "upstream_timeout")],
    )
    def test_the_end_says_what_happened(self, gateway, upstream, how, code):
        upstream.how["alpha"] = how
        with gateway.quick("alpha", between_s=0.3 if how == "stall-mid" else LONG_S):
            response = post(gateway, chat("alpha", stream=True))
        first, last = response.content.split(b"\n\n")[0], response.content.strip().split(b"\n")[-1]
        assert response.status_code == 200
        assert first.startswith(b'data: {"id":"c1"')
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == code
        assert upstream.models == ["there-alpha"]
        assert gateway.answer(response.headers["x-request-id"]).status == 502

    def test_a_stream_without_end_is_ended(self, gateway, upstream):
        upstream.how["alpha"] = "endless"
        with gateway.quick("alpha", total_s=1.0):
            response = post(gateway, chat("alpha", stream=True))
        assert b"upstream_timeout" in response.content
        until(lambda: "there-alpha" in upstream.left)

    @pytest.mark.parametrize(("how", "stream"), [("endless", True), ("stall", False), ("stall-mid", True)])
    def test_the_upstream_is_stopped_when_the_client_leaves(self, gateway, upstream, how, stream):
        upstream.how["alpha"] = how
        ask_and_leave(gateway, upstream, chat("alpha", stream=stream), "left")
        until(lambda: "there-alpha" in upstream.left)
        assert gateway.answer("left").status == 499
        assert gateway.inner.running.count == 0
