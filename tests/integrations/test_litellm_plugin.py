"""The routing plugin, with contexts as LiteLLM hands them over."""

import asyncio
import base64
import re
import time
from dataclasses import replace

import pytest

from arms.errors import ArmsError
from arms.integrations.litellm.plugin import RoutingPlugin
from arms.routers.router import Router
from tests.fakes import NAMES, PROFILES, make_router
from tests.importers.logs.m2 import png
from tests.integrations.contexts import GROUP, asks, context, cooling, failed
from tests.pipeline import ROOT

PICTURE = f"data:image/png;base64,{base64.b64encode(png((200, 30, 30))).decode()}"
QUESTION = asks("Count the dots.", PICTURE)
PATIENT = {"time_limit_s": 60}


@pytest.fixture(scope="module")
def router():
    return Router(make_router())


@pytest.fixture(scope="module")
def ranking(router):
    return [ranked.vlm for ranked in router.route(messages=QUESTION).ranking]


def run(plugin, asked):
    return asyncio.run(plugin.run(asked))


class Slow(Router):
    """Takes its time."""

    begun = 0

    def route(self, *args, **options):
        if options.get("messages"):
            self.begun += 1
            time.sleep(0.3)
        return super().route(*args, **options)


class Broken(Router):
    """Fails on every request."""

    def route(self, *args, **options):
        if options.get("messages"):
            raise RuntimeError("the net is gone")
        return super().route(*args, **options)


class TestDecision:
    def test_leaves_the_deployment_of_the_routers_choice(self, router, ranking):
        plugin = RoutingPlugin(router, **PATIENT)
        after = run(plugin, context(QUESTION))
        route = router.route(messages=QUESTION)
        assert after.candidate_models == [f"openai/{ranking[0]}"]
        assert after.signals["arms.vlm"] == route.vlm
        assert after.signals["arms.confidence"] == round(route.ranking[0].confidence, 4)
        assert list(after.signals["arms.confidences"]) == ranking
        assert after.signals["arms.deployments"] == dict(zip(GROUP, NAMES, strict=True))
        assert (after.signals["arms.reason"], after.signals["arms.propensity"]) == ("policy", 1.0)
        assert after.signals["arms.decision_s"] > 0
        assert plugin.counts == {"decided": 1, "again": 0}

    def test_chooses_among_the_groups_deployments_only(self, router, ranking):
        left = [f"azure/{vlm}" for vlm in ranking[1:]]
        after = run(RoutingPlugin(router, **PATIENT), context(QUESTION, [*left, "openai/unheard-of"]))
        assert after.candidate_models == [f"azure/{ranking[1]}"]

    def test_all_deployments_of_the_chosen_vlm_stay(self, router, ranking):
        twins = [f"azure/{ranking[0]}", f"openai/{ranking[0].upper()}", f"openai/{ranking[1]}"]
        assert run(RoutingPlugin(router, **PATIENT), context(QUESTION, twins)).candidate_models == twins[:2]

    def test_names_that_are_given(self, router, ranking):
        vlms = {"azure/prod-1": ranking[0], "azure/prod-2": ranking[1]}
        after = run(RoutingPlugin(router, vlms=vlms, **PATIENT), context(QUESTION, ["azure/prod-2", "azure/prod-1"]))
        assert after.candidate_models == ["azure/prod-1"]

    def test_a_policy(self, router):
        free = RoutingPlugin(router, policy={"name": "cheapest", "tau": 0.0, "of": "cost"}, **PATIENT)
        route = router.route(messages=QUESTION, policy={"name": "cheapest", "tau": 0.0, "of": "cost"})
        assert run(free, context(QUESTION)).signals["arms.vlm"] == route.vlm

    def test_a_group_of_one_is_left_alone(self, router):
        plugin = RoutingPlugin(router, **PATIENT)
        after = run(plugin, context(QUESTION, ["openai/backup"]))
        assert (after.candidate_models, after.signals, plugin.counts) == (["openai/backup"], {}, {})


class TestFallback:
    def test_follows_the_ranking(self, router, ranking):
        plugin = RoutingPlugin(router, **PATIENT)
        first, second = f"openai/{ranking[0]}", f"openai/{ranking[1]}"
        once = run(plugin, context(QUESTION, previous_models=(failed(first),)))
        twice = run(plugin, context(QUESTION, previous_models=(failed(first), failed(second))))
        assert (once.candidate_models, once.signals["arms.failed"]) == ([second], [first])
        assert twice.candidate_models == [f"openai/{ranking[2]}"]
        assert plugin.counts == {"decided": 2, "again": 2}

    def test_a_deployment_that_is_cooling_down_counts_as_failed(self, router, ranking):
        after = run(
            RoutingPlugin(router, **PATIENT), context(QUESTION, previous_models=(cooling(f"openai/{ranking[0]}"),))
        )
        assert after.candidate_models == [f"openai/{ranking[1]}"]

    def test_when_all_have_failed_it_begins_again(self, router, ranking):
        attempts = tuple(failed(model) for model in GROUP)
        after = run(RoutingPlugin(router, **PATIENT), context(QUESTION, previous_models=attempts))
        assert after.candidate_models == [f"openai/{ranking[0]}"]

    def test_without_a_decision_the_failed_one_is_out_all_the_same(self, router):
        after = run(RoutingPlugin(Broken(router.router)), context(QUESTION, previous_models=(failed(GROUP[1]),)))
        assert after.candidate_models == [GROUP[0], GROUP[2]]


class TestFailsOpen:
    def check(self, plugin, asked, problem, text, caplog):
        after = run(plugin, asked)
        assert after.candidate_models == asked.candidate_models
        assert (after.signals["arms.vlm"], after.signals["arms.reason"]) == (None, "default")
        assert text in after.signals["arms.problem"]
        assert plugin.counts == {problem: 1}
        assert text in caplog.text

    def test_late(self, router, caplog):
        self.check(
            RoutingPlugin(Slow(router.router), time_limit_s=0.05),
            context(QUESTION),
            "late",
            "none was made within 0.05 s",
            caplog,
        )

    def test_a_router_that_fails(self, router, caplog):
        self.check(
            RoutingPlugin(Broken(router.router), **PATIENT),
            context(QUESTION),
            "failed",
            "RuntimeError: the net is gone",
            caplog,
        )

    def test_messages_that_ask_nothing(self, router, caplog):
        nothing = context([{"role": "system", "content": "Be kind."}])
        self.check(RoutingPlugin(router, **PATIENT), nothing, "unreadable", "role user", caplog)

    def test_an_image_that_would_have_to_be_fetched(self, router, caplog):
        remote = context(asks("Count the dots.", "https://example.org/dots.png"))
        self.check(RoutingPlugin(router, **PATIENT), remote, "remote images", "have to be fetched", caplog)

    def test_deployments_of_unknown_vlms(self, router, caplog):
        unknown = context(QUESTION, ["openai/one", "openai/two"])
        self.check(RoutingPlugin(router), unknown, "unknown deployments", "say which is which: vlms", caplog)

    def test_a_picture_that_is_none(self, router, caplog):
        broken = context(asks("Count the dots.", "data:image/png;base64,AAAA"))
        self.check(RoutingPlugin(router, **PATIENT), broken, "failed", "of no known format", caplog)

    def test_the_default_is_taken(self, router, caplog):
        plugin = RoutingPlugin(Broken(router.router), default="painter", **PATIENT)
        after = run(plugin, context(QUESTION))
        again = run(plugin, context(QUESTION, previous_models=(failed("openai/painter"),)))
        assert (after.candidate_models, after.signals["arms.vlm"]) == (["openai/painter"], "painter")
        assert again.candidate_models == GROUP[:2]

    def test_those_behind_a_slow_one_are_late_and_do_not_pile_up(self, router, caplog):
        slow = Slow(router.router)
        plugin = RoutingPlugin(slow, time_limit_s=0.1)

        async def ask():
            return await asyncio.gather(*(plugin.run(context(QUESTION)) for _ in range(5)))

        asyncio.run(ask())
        plugin._thread.shutdown(wait=True)
        assert plugin.counts == {"late": 5}
        assert slow.begun < 5, "those that came too late were never begun"


class TestRemoteImages:
    def test_earlier_ones_are_no_obstacle_behind_a_picture(self, router):
        earlier = asks("What is this?", "https://example.org/a.png")
        turns = [*earlier, {"role": "assistant", "content": "A sign."}, *QUESTION]
        assert run(RoutingPlugin(router, **PATIENT), context(turns)).signals["arms.reason"] == "policy"

    def test_earlier_ones_count_where_no_later_picture_is_there(self, router, caplog):
        turns = [*asks("What is this?", "https://example.org/a.png"), {"role": "user", "content": "And how many?"}]
        assert run(RoutingPlugin(router, **PATIENT), context(turns)).signals["arms.reason"] == "default"

    def test_ignored_if_that_is_asked_for(self, router):
        plugin = RoutingPlugin(router, remote_images="ignore", **PATIENT)
        after = run(plugin, context(asks("Count the dots.", "https://example.org/dots.png")))
        words = router.route(question="Count the dots.")
        assert (after.signals["arms.vlm"], after.signals["arms.reason"]) == (words.vlm, "policy")


class TestTools:
    @pytest.fixture
    def only_painter(self):
        profiles = [replace(profile, tools=profile.name == "painter") for profile in PROFILES]
        return Router(make_router(profiles))

    CALLED = (
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "1", "content": "3"},
    )

    @pytest.mark.parametrize("asked", [context(QUESTION, arms_tools=True), context([*CALLED])])
    def test_a_vlm_that_calls_none_is_left_out(self, only_painter, asked):
        after = run(RoutingPlugin(only_painter, **PATIENT), asked)
        assert after.candidate_models == ["openai/painter"]
        assert after.signals["arms.unable"] == dict.fromkeys(("counter-2b", "reader-7b"), "calls no tools")

    def test_for_all_requests(self, only_painter):
        after = run(RoutingPlugin(only_painter, tools=True, **PATIENT), context(QUESTION))
        assert after.candidate_models == ["openai/painter"]

    def test_without_tools_all_can(self, only_painter):
        assert run(RoutingPlugin(only_painter, **PATIENT), context(QUESTION)).signals["arms.unable"] == {}


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"vlms": {"openai/x": "nobody"}}, "expected a VLM of the router, got 'nobody'; known: counter-2b"),
            ({"default": "nobody"}, "default: expected one of counter-2b"),
            ({"remote_images": "fetch"}, "remote_images: expected one of leave, ignore, got 'fetch'"),
            ({"time_limit_s": 0}, "time_limit_s: expected a number > 0, got 0"),
        ],
    )
    def test_wrong_ones_are_refused(self, router, settings, message):
        with pytest.raises(ArmsError, match=message):
            RoutingPlugin(router, **settings)

    def test_a_wrong_policy_is_refused_at_once(self, router):
        with pytest.raises(ValueError, match="policy"):
            RoutingPlugin(router, policy={"name": "best of all"})

    def test_a_folder_is_loaded_once(self, router, tmp_path):
        router.router.save(tmp_path / "saved")
        one, other = (RoutingPlugin(tmp_path / "saved") for _ in range(2))
        assert one._router is other._router

    def test_no_folder(self, tmp_path):
        with pytest.raises(ArmsError, match="nowhere"):
            RoutingPlugin(tmp_path / "nowhere")


def test_litellm_is_imported_nowhere():
    for file in sorted((ROOT / "arms").rglob("*.py")):
        assert not re.search(r"^\s*(import|from) litellm\b", file.read_text(encoding="utf-8"), flags=re.MULTILINE), file
