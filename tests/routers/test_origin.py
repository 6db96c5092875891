import json
from dataclasses import replace

import pytest

from arms.data.costs import costs_of
from arms.errors import ArmsError
from arms.params.costs import STANDARD_COSTS
from arms.routers.cascade import CascadeRouter
from arms.routers.origin import Origin, split_sha256
from arms.routers.router import Router
from arms.routers.saved import load_router
from tests.cached import make_prepared
from tests.fakes import NAMES, PROFILES, make_queries, make_router

MADE = make_queries(2)
CHEAP = {"name": "query_budget", "budget": 1.0, "of": "cost"}


def recorded_prepared():
    """The made-up dataset, where every answer of the first VLM cost a cent and those of the second are not known."""
    prepared = make_prepared()
    prepared.outcomes["cost_usd"] = [0.01 if vlm == NAMES[0] else None for vlm in prepared.outcomes["vlm"]]
    return prepared


def origin():
    return Origin.of("tiny", recorded_prepared(), NAMES[:2], STANDARD_COSTS)


def test_what_it_knows():
    made = origin()
    assert (made.data, made.learnt_from) == ("tiny", ("train",))
    assert made.splits == {"train": 36, "val": 12, "id": 12, "ood": 12}
    assert str(made) == "tiny, from 36 queries of train"
    assert Origin.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_the_split_is_known_by_its_queries():
    prepared = make_prepared()
    before = split_sha256(prepared)
    assert split_sha256(replace(prepared, queries=prepared.queries[::-1])) == before
    other = make_prepared()
    other.queries.loc[0, "split"] = "ood"
    assert split_sha256(other) != before


def test_routes_cost_what_the_evaluation_expects():
    router, prepared = make_router(PROFILES[:2]), recorded_prepared()
    question = prepared.queries["question"][0]
    expected = costs_of(prepared, ["q0"], NAMES[:2], STANDARD_COSTS).expected[0]
    assert expected[0] == pytest.approx(0.01, rel=0.05)
    before = Router(router).route(MADE.pictures[0], question, policy=CHEAP)
    router.origin = origin()
    after = Router(router).route(MADE.pictures[0], question, policy=CHEAP)
    costs = {ranked.vlm: ranked.expected_cost_usd for ranked in after.ranking}
    assert [costs[name] for name in NAMES[:2]] == pytest.approx(expected.tolist(), rel=1e-9)
    listed = {ranked.vlm: ranked.expected_cost_usd for ranked in before.ranking}
    assert listed[NAMES[0]] < 0.001 < costs[NAMES[0]]
    anew = Router(router).route(MADE.pictures[0], question, policy=CHEAP, costs=STANDARD_COSTS)
    assert anew == before


def test_a_vlm_of_unknown_cost_has_no_price():
    router = make_router()
    router.origin = origin()
    with pytest.raises(ArmsError, match="expected VLMs whose cost can be estimated, got painter"):
        Router(router).route(MADE.pictures[0], MADE.questions[0], policy=CHEAP)


@pytest.mark.parametrize("cascade", [False, True])
def test_it_is_saved_with_the_router(tmp_path, cascade):
    router = make_router(PROFILES[:2])
    if cascade:
        router = CascadeRouter(router, [make_router(PROFILES[2:])], theta=0.5)
    router.save(tmp_path / "without")
    assert load_router(tmp_path / "without").origin is None
    router.origin = origin()
    router.save(tmp_path / "with")
    assert load_router(tmp_path / "with").origin == origin()
