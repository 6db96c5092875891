"""Routing by a policy other than the router's own, with and without costs."""

import json

import numpy as np
import pytest
from PIL import Image

from arms.data.costs import estimate_costs
from arms.data.profiles import VlmProfile
from arms.errors import ArmsError
from arms.params.costs import STANDARD_COSTS
from arms.routers.base import BaseRouter
from arms.routers.cascade import CascadeRouter
from arms.routers.router import Router
from tests.fakes import PROFILES, make_encoders, make_queries, make_router

MADE = make_queries(4)
CONFIDENCE = {"counter-2b": 0.6, "reader-7b": 0.7, "painter": 0.9, "sculptor": 0.95}
SCULPTOR = VlmProfile(name="sculptor", access="paid")  # its prices are unknown


class SetRouter(BaseRouter):
    """Equally sure of a VLM whatever the query."""

    encoders = make_encoders()

    def __init__(self, profiles):
        self.profiles = tuple(profiles)
        self.vlms = tuple(profile.name for profile in profiles)

    def fit(self, train, val=None):
        return self

    def score(self, queries):
        return np.tile(np.array([CONFIDENCE[name] for name in self.vlms], dtype=np.float32), (len(queries), 1))

    def encode(self, images, questions, claim_pair=None):
        return questions


def route(router, policy, question="What is this?", **settings):
    return Router(router).route(Image.new("RGB", (8, 8)), question, policy=policy, **settings)


def names(routed):
    return [ranked.vlm for ranked in routed.ranking]


def cheapest(tau):
    return {"name": "cheapest", "tau": tau, "of": "cost"}


def test_without_a_policy_there_are_no_costs():
    routed = route(SetRouter(PROFILES), None)
    assert names(routed) == ["painter", "reader-7b", "counter-2b"]
    assert {ranked.expected_cost_usd for ranked in routed.ranking} == {None}


def test_a_policy_by_its_name_is_no_policy():
    with pytest.raises(ValueError, match=r"policy: expected a mapping of its name and its settings.*got 'cheapest'"):
        route(SetRouter(PROFILES), "cheapest")


def test_a_route_as_json():
    plain = route(SetRouter(PROFILES), None).to_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["ranking"][0] == {"vlm": plain["vlm"], "confidence": 0.9} == {"vlm": "painter", "confidence": 0.9}
    costs = route(SetRouter(PROFILES), cheapest(0.5)).to_json()["ranking"]
    assert all(0 < ranked["expected_cost_usd"] < 0.01 for ranked in costs)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (cheapest(0.5), ["counter-2b", "painter", "reader-7b"]),
        (cheapest(0.65), ["reader-7b", "painter", "counter-2b"]),
        (cheapest(0.95), ["painter", "reader-7b", "counter-2b"]),
        ({"name": "query_budget", "budget": 0.001, "of": "cost"}, ["reader-7b", "painter", "counter-2b"]),
        ({"name": "penalised", "penalty": 100, "of": "cost"}, ["reader-7b", "painter", "counter-2b"]),
        ({"name": "mean_budget", "budget": 0.0, "of": "cost"}, ["counter-2b", "painter", "reader-7b"]),
    ],
)
def test_the_choice_comes_first_and_the_others_by_confidence(policy, expected):
    assert names(route(SetRouter(PROFILES), policy)) == expected


def test_expected_costs_are_those_of_the_estimate():
    router, questions = SetRouter(PROFILES), ["What?", "What is this? " * 20]
    routes = Router(router).route_batch(MADE.pictures[:2], questions, policy=cheapest(0.5))
    expected = estimate_costs(PROFILES, [len(question) for question in questions], [1, 1], STANDARD_COSTS)
    for row, routed in zip(expected, routes, strict=True):
        assert {ranked.vlm: ranked.expected_cost_usd for ranked in routed.ranking} == dict(
            zip(router.vlms, row.tolist(), strict=True)
        )
    assert (expected[1] > expected[0]).all()


def test_the_settings_of_the_estimate():
    free = STANDARD_COSTS.model_copy(update={"own_compute_usd_per_b": 0.0, "image_tokens": 0})
    routed = route(SetRouter(PROFILES), cheapest(0.5), question="eightchr", costs=free)
    costs = {ranked.vlm: ranked.expected_cost_usd for ranked in routed.ranking}
    assert routed.vlm == "reader-7b"  # both cost nothing, and it is the surer
    assert costs == {"counter-2b": 0, "reader-7b": 0, "painter": pytest.approx((2 * 5 + 32 * 15) / 1e6)}


def test_a_vlm_left_out_is_not_chosen_and_needs_no_price():
    router = SetRouter([*PROFILES, SCULPTOR])
    with pytest.raises(ArmsError, match="policy cheapest: expected VLMs whose cost can be estimated, got sculptor:"):
        route(router, cheapest(0.5))
    assert names(route(router, cheapest(0.5), exclude=["sculptor"])) == ["counter-2b", "painter", "reader-7b"]
    assert names(route(router, cheapest(0.5), exclude=["sculptor", "counter-2b"])) == ["reader-7b", "painter"]
    assert route(router, None).vlm == "sculptor"


def test_latencies_are_not_known():
    policy = {"name": "cheapest", "tau": 0.5, "of": "latency"}
    with pytest.raises(ArmsError, match="policy cheapest: expected of: cost, got latency, which is not known"):
        route(SetRouter(PROFILES), policy)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"name": "thrifty"}, "unknown name 'thrifty'"),
        ({"name": "cheapest", "tau": 0.5}, "expected the settings"),
        ({"name": "cheapest", "tau": 2, "of": "cost"}, r"cheapest.tau: expected a number in \[0, 1\], got 2"),
        ({"name": "cheapest", "tau": 0.5, "of": "money"}, "cheapest.of: expected one of cost, latency, got 'money'"),
    ],
)
def test_a_wrong_policy(policy, message):
    with pytest.raises(ValueError, match=message):
        route(SetRouter(PROFILES), policy)


def test_routers_with_nets():
    phi, theta = make_router(PROFILES[:2]), make_router(PROFILES[2:])
    expected = estimate_costs(PROFILES, [len("Read the sign.")], [1], STANDARD_COSTS)[0].tolist()
    for router in (make_router(), CascadeRouter(phi, [theta], theta=0.0)):
        routed = Router(router).route(MADE.pictures[0], "Read the sign.", policy=cheapest(0.0))
        assert routed.vlm == "counter-2b"
        assert sorted(ranked.expected_cost_usd for ranked in routed.ranking) == sorted(expected)
        argmax = Router(router).route(MADE.pictures[0], "Read the sign.", policy={"name": "argmax"})
        assert argmax.vlm == max(argmax.ranking, key=lambda ranked: ranked.confidence).vlm
