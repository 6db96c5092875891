"""How requests are decided: batches, time, pictures, sessions, exploration, shadow; and what happens if that fails."""

import asyncio
import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.replay.estimate import replay
from arms.replay.gateway_log import decisions_of_log
from arms.replay.targets import Target
from arms.serve.memory.opening import open_memory
from arms.traffic.store import open_store
from tests.serve.helpers import VLMS, chat, data_uri, picture, post, serving, settings_of, until, with_picture


def vlm(response):
    assert response.status_code == 200, response.text
    return response.json()["model"]


class TestFailingOpen:
    @pytest.mark.parametrize(("question", "cause"), [("fail alpha", "error"), ("sleep alpha", "late")])
    def test_the_default_answers(self, gateway, upstream, question, cause, monkeypatch):
        before = gateway.metric("arms_failed_open_total", cause=cause)
        if cause == "late":
            settings = gateway.settings
            decision = settings.decision.model_copy(update={"limit_s": 0.1})
            monkeypatch.setattr(gateway.inner.decider, "settings", settings.model_copy(update={"decision": decision}))
        response = post(gateway, chat(question))
        assert vlm(response) == "beta"
        assert response.headers["x-arms-reason"] == "default"
        assert response.headers["x-arms-router-failure"] == cause
        assert gateway.metric("arms_failed_open_total", cause=cause) == before + 1
        decision = gateway.memory.decisions[0]
        assert (decision.chosen, decision.greedy, decision.propensity, decision.confidences) == (
            "beta",
            "beta",
            1.0,
            {},
        )

    def test_others_follow_the_default(self, gateway, upstream):
        upstream.how["beta"] = "500"
        assert vlm(post(gateway, chat("fail"))) == "alpha"

    @pytest.mark.parametrize(
        "messages",
        [
            [{"role": "assistant", "content": "Hello."}],
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
            with_picture("data:image/png;base64,aGVsbG8="),
            with_picture("data:image/png;base64,*"),
        ],
    )
    def test_what_the_router_cannot_read(self, gateway, upstream, messages):
        response = post(gateway, chat() | {"messages": messages})
        assert vlm(response) == "beta"
        assert response.headers["x-arms-router-failure"] == "unreadable"
        assert upstream.asked[0][0]["messages"] == messages
        refused = post(gateway, chat() | {"messages": messages}, "/v1/route")
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unreadable")

    def test_the_memory(self, upstream):
        class Broken:
            async def decide(self, decision):
                await asyncio.sleep(60)

            async def answered(self, answer):
                raise OSError("the disk is full")

            async def close(self):
                pass

        with serving(settings_of(upstream.url, memory_s=0.1), memory=Broken()) as gateway:
            assert vlm(post(gateway, chat("alpha"))) == "alpha"
            assert gateway.metric("arms_memory_errors_total", what="decision") == 1
        assert gateway.metric("arms_memory_errors_total", what="answer") == 1


class TestBatches:
    def test_requests_that_wait_are_decided_together(self, upstream):
        settings = settings_of(upstream.url, decision={"batch": 4})
        with serving(settings) as gateway, ThreadPoolExecutor(16) as pool:
            first = pool.submit(post, gateway, chat("hang alpha"))
            until(lambda: gateway.router.batches[2:])  # two are the trial at the start
            names = ["alpha", "beta", "gamma"] * 3
            rest = [pool.submit(post, gateway, chat(name)) for name in names]
            until(lambda: gateway.inner.decider.waiting == 9)
            gateway.router.release.set()
            assert vlm(first.result()) == "alpha"
            assert [vlm(one.result()) for one in rest] == names
            assert [len(batch) for batch in gateway.router.batches[3:]] == [4, 4, 1]

    def test_one_that_fails_leaves_its_neighbours_alone(self, upstream):
        settings = settings_of(upstream.url)
        names = ["sleep", "alpha", "fail", "gamma"]
        broken = with_picture("data:image/png;base64,aGVsbG8=")
        with serving(settings) as gateway, ThreadPoolExecutor(8) as pool:
            bad = pool.submit(post, gateway, chat() | {"messages": broken})
            assert [vlm(one) for one in pool.map(lambda name: post(gateway, chat(name)), names)] == [
                "alpha",
                "alpha",
                "beta",
                "gamma",
            ]
            assert vlm(bad.result()) == "beta"

    def test_options_of_their_own(self, upstream):
        settings = settings_of(upstream.url)
        bodies = [chat("sleep"), chat("beta"), chat("beta", arms={"exclude": ["beta"]}), chat("beta", tools=[{"a": 1}])]
        with serving(settings) as gateway, ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda body: vlm(post(gateway, body)), bodies))
            assert found == ["alpha", "beta", "alpha", "alpha"]

    def test_a_router_that_hangs_is_not_waited_for(self, upstream):
        with serving(settings_of(upstream.url, decision={"limit_s": 0.05})) as gateway:
            failures = []

            def ask():
                response = post(gateway, chat("hang alpha"))
                assert vlm(response) == "beta"
                failures.append(response.headers["x-arms-router-failure"])
                return failures[-1] == "busy"

            until(ask)
            assert failures[0] == "late"
            gateway.router.release.set()


class TestPictures:
    def test_a_picture_decides(self, gateway, upstream):
        red, blue = (data_uri(picture(colour)) for colour in ((220, 0, 0), (0, 0, 220)))
        assert vlm(post(gateway, chat() | {"messages": with_picture(red)})) == "gamma"
        assert vlm(post(gateway, chat() | {"messages": with_picture(blue)})) == "alpha"
        assert gateway.memory.decisions[0].image_sha256 == (hashlib.sha256(picture((220, 0, 0))).hexdigest(),)
        assert gateway.memory.decisions[0].question_sha256 == hashlib.sha256(b"What?").hexdigest()

    def test_too_many_for_a_vlm(self, gateway, upstream):
        content = with_picture(data_uri(picture((0, 0, 9))))[0]["content"]
        messages = [{"role": "user", "content": [*content, *content[1:] * 2]}]
        assert vlm(post(gateway, chat() | {"messages": messages})) == "beta"
        assert gateway.memory.decisions[0].unable == {"alpha": "takes 2 images at most, not 3"}

    def test_limits(self, upstream):
        limits = {"images": 1, "pixels": 100 * 100, "body_mb": 0.01}
        with serving(settings_of(upstream.url, limits=limits)) as gateway:
            content = with_picture(data_uri(picture()))[0]["content"]
            several = [{"role": "user", "content": [*content, content[1]]}]
            cases = [
                (several, 400, "too_many_images"),
                (with_picture(data_uri(picture(side=101))), 413, "image_too_large"),
                (with_picture("x" * 20_000), 413, None),
            ]
            for messages, status, code in cases:
                response = post(gateway, chat() | {"messages": messages})
                assert (response.status_code, response.json()["error"]["code"]) == (status, code)
            assert not upstream.asked
            assert gateway.inner.running.count == 0


class TestSessions:
    def test_a_session_stays_within_the_margin(self, upstream):
        with serving(settings_of(upstream.url, sessions={"margin": 0.35})) as gateway:
            stay = {"arms": {"session": "s"}}
            assert vlm(post(gateway, chat("beta", **stay))) == "beta"
            response = post(gateway, chat("alpha", **stay))  # 0.9 for alpha, 0.6 for beta
            assert (vlm(response), response.headers["x-arms-reason"]) == ("beta", "sticky")
            assert vlm(post(gateway, chat("alpha"), **{"x-arms-session": "other"})) == "alpha"
            decision = gateway.memory.decisions[1]
            assert (decision.chosen, decision.greedy, decision.propensity) == ("beta", "alpha", 1.0)
            response = post(gateway, chat("gamma", **stay))  # 0.9 and 0.6
            assert vlm(response) == "beta"

    def test_it_goes_where_another_is_clearly_ahead(self, upstream):
        with serving(settings_of(upstream.url, sessions={"margin": 0.25})) as gateway:
            stay = {"arms": {"session": "s"}}
            assert vlm(post(gateway, chat("beta", **stay))) == "beta"
            assert vlm(post(gateway, chat("alpha", **stay))) == "alpha"
            upstream.how["alpha"] = "500"
            assert vlm(post(gateway, chat("alpha", **stay))) == "beta"  # who answered counts
            assert len(gateway.inner.sessions) == 1


class TestExploring:
    def test_shares_and_chances(self, upstream):
        with serving(settings_of(upstream.url, explore=0.6), random=Random(1)) as gateway:
            for _ in range(60):
                post(gateway, chat("beta"))
            decisions = gateway.memory.decisions
            assert {one.greedy for one in decisions} == {"beta"}
            chances = {"beta": 0.4 + 0.2, "alpha": 0.2, "gamma": 0.2}
            assert all(one.propensity == pytest.approx(chances[one.chosen]) for one in decisions)
            assert all((one.reason == "explore") == (one.chosen != "beta") for one in decisions)
            assert 20 <= sum(one.chosen == "beta" for one in decisions) <= 50
            # Each record weighed by its chance counts as one for each VLM: what learning from them needs.
            for name in chances:
                weight = sum(1 / one.propensity for one in decisions if one.chosen == name) / len(decisions)
                assert weight == pytest.approx(1, abs=0.5)

    def test_only_those_that_can_answer(self, upstream):
        with serving(settings_of(upstream.url, explore=0.9), random=Random(1)) as gateway:
            found = {vlm(post(gateway, chat("alpha", arms={"exclude": ["beta"]}))) for _ in range(20)}
            assert found == {"alpha", "gamma"}
            assert gateway.memory.decisions[0].propensity in (pytest.approx(0.45), pytest.approx(0.55))

    def test_under_a_budget_the_log_holds_those_that_could_be_chosen(self, upstream, tmp_path):
        place = str(tmp_path / "memory.db")
        with serving(settings_of(upstream.url, explore=0.5), memory=open_memory(place), random=Random(1)) as gateway:
            found = post(gateway, chat("alpha", arms={"budget_usd": 0.0005}), "/v1/route").json()
            assert [ranked["vlm"] for ranked in found["ranking"]] == ["alpha", "beta", "gamma"]
            assert found["order"] in (["beta", "gamma"], ["gamma", "beta"])
            assert found["unable"] == {"alpha": "is beyond the budget"}
            for budget in (0.0005, 1.0):
                post(gateway, chat("alpha", arms={"budget_usd": budget}))
        store = open_store(place)
        decisions = decisions_of_log(store)
        store.close()
        able = [{vlm for vlm, may in zip(decisions.vlms, row, strict=True) if may} for row in decisions.able]
        assert able == [{"beta", "gamma"}, {"beta", "gamma"}, set(VLMS)]
        chances = dict(zip(decisions.vlms, decisions.chance[1], strict=True))
        assert chances == pytest.approx({"alpha": 0, "beta": 0.75, "gamma": 0.25})
        always_alpha = np.array([[float(vlm == "alpha") for vlm in decisions.vlms]] * 3)
        with pytest.raises(ArmsError, match=r"no support: .* on 2 of 3 decisions \(alpha\)"):
            replay(Target(replace(decisions, reward=np.ones(3)), always_alpha, "alpha"), least_size=0)


def test_shadow(upstream):
    with serving(settings_of(upstream.url, shadow=True, explore=0.5)) as gateway:
        response = post(gateway, chat("gamma"))
        assert (vlm(response), response.headers["x-arms-reason"]) == ("beta", "shadow")
        decision = gateway.memory.decisions[0]
        assert (decision.chosen, decision.greedy, decision.propensity, decision.reason) == (
            "beta",
            "gamma",
            1.0,
            "shadow",
        )
        assert decision.confidences["gamma"] == pytest.approx(0.9)


def test_what_is_kept_on_request(upstream):
    keep = {"questions": True, "images": True, "outputs": True}
    with serving(settings_of(upstream.url, keep=keep)) as gateway:
        post(gateway, chat() | {"messages": with_picture(data_uri(picture()))})
        decision = gateway.memory.decisions[0]
        assert (decision.question, decision.images) == ("What?", (picture(),))


class TestRouteAlone:
    def test_it_says_why_and_asks_nobody(self, gateway, upstream):
        response = post(gateway, chat("beta", tools=[{"type": "function"}]), "/v1/route")
        found = response.json()
        assert (found["vlm"], found["order"], found["reason"]) == ("alpha", ["alpha", "gamma"], "policy")
        assert found["ranking"][0] == {"vlm": "alpha", "confidence": 0.7}
        assert found["unable"] == {"beta": "calls no tools"}
        assert (found["why"]["decided_by"], found["why"]["novelty"]) == ("net", 0.25)
        assert gateway.memory.decisions[0].novelty == 0.25
        assert (found["propensity"], found["router"]) == (1.0, "fake")
        assert found["request_id"] == response.headers["x-request-id"] == gateway.memory.decisions[0].request_id
        assert not upstream.asked

    @pytest.mark.parametrize("path", ["/v1/route", "/v1/chat/completions"])
    def test_a_request_id_that_is_taken(self, gateway, upstream, path):
        ids = {"x-request-id": "mine"}
        assert post(gateway, chat("alpha"), **ids).status_code == 200
        gateway.answer("mine")
        asked = len(upstream.asked)
        response = post(gateway, chat("beta"), path, **ids)
        assert response.status_code == 409
        assert "expected a new one, got 'mine'" in response.json()["error"]["message"]
        assert len(gateway.memory.decisions) == 1
        assert (len(upstream.asked), len(gateway.memory.answers)) == (asked, 1), "nothing is joined to the first"

    def test_feedback_that_the_memory_cannot_keep(self, gateway, upstream, monkeypatch):
        async def fail(feedback):
            raise ArmsError("the disk is full")

        monkeypatch.setattr(gateway.memory, "feedback", fail)
        response = post(gateway, {"request_id": "a", "correct": True}, "/v1/feedback")
        assert response.status_code == 503
        assert "say it again later" in response.json()["error"]["message"]

    def test_feedback(self, gateway, upstream):
        request_id = post(gateway, chat("beta"), "/v1/route").json()["request_id"]
        said = {"request_id": request_id, "correct": True, "score": 0.5}
        assert post(gateway, said, "/v1/feedback").json() == {"status": "kept"}
        assert (gateway.memory.feedbacks[0].correct, gateway.memory.feedbacks[0].score) == (True, 0.5)

    @pytest.mark.parametrize(
        ("said", "status", "message"),
        [
            ({"request_id": "nobody", "correct": True}, 404, "expected a known request, got 'nobody'"),
            ({"request_id": "a"}, 400, "expected correct, score or both, got neither"),
            ({"request_id": "a", "score": 2}, 400, "feedback.score: expected less than or equal to 1, got 2"),
            ({"request_id": "a", "right": True}, 400, "unknown key 'right'"),
            ([], 400, "expected a JSON object as the body, got list"),
        ],
    )
    def test_feedback_that_cannot_be(self, gateway, said, status, message):
        response = post(gateway, said, "/v1/feedback")
        assert response.status_code == status
        assert message in response.json()["error"]["message"]


def test_a_long_conversation_counts_whole(gateway, upstream):
    turns = [{"role": "user", "content": "x" * 17_000}, {"role": "assistant", "content": "Yes."}]
    body = chat() | {"messages": [*turns, {"role": "user", "content": "beta?"}]}
    assert vlm(post(gateway, body)) == "alpha"
    assert "takes 4,000 tokens at most" in gateway.memory.decisions[0].unable["beta"]


def test_inline_base64_is_untouched(gateway, upstream):
    messages = with_picture("data:image/png;base64," + base64.encodebytes(picture()).decode())
    post(gateway, json.loads(json.dumps(chat() | {"messages": messages})))
    assert upstream.asked[0][0]["messages"] == messages
