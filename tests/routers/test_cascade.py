import json

import numpy as np
import pytest
import torch

from arms.errors import ArmsError
from arms.routers.cascade import CascadeRouter
from arms.routers.checkpoint import seal
from arms.routers.router import Router
from arms.routers.saved import load_router
from arms.selection.select import select
from tests.fakes import NAMES, PROFILES, make_queries, make_router

WHOLE = {"tunable_layers": "all"}
MADE = make_queries(32)


def make_cascade(theta=0.5, cuts=(2,)):
    """Phi over the first VLMs, a Theta over each further group."""
    phi, *thetas = (
        make_router(PROFILES[start:stop], image=WHOLE, text=WHOLE)
        for start, stop in zip((0, *cuts), (*cuts, len(PROFILES)), strict=True)
    )
    return CascadeRouter(phi, thetas, theta=theta)


@pytest.fixture
def train():
    return MADE.label(make_router(image=WHOLE, text=WHOLE).encoders)


@pytest.fixture
def queries(train):
    return train.queries


@pytest.mark.parametrize("cuts", [(2,), (1, 2)])
def test_scores_are_side_by_side(train, queries, cuts):
    cascade = make_cascade(cuts=cuts).fit(train)
    scores = cascade.score(queries)
    for router, start, stop in zip(cascade.routers, (0, *cuts), (*cuts, 3), strict=True):
        np.testing.assert_array_equal(scores[:, start:stop], router.score(queries))
    assert cascade.vlms == ("counter-2b", "reader-7b", "painter")


@pytest.mark.parametrize("cuts", [(2,), (1, 2)])
def test_each_learns_from_its_own_outcomes(train, queries, cuts):
    cascade = make_cascade(cuts=cuts).fit(train, train)
    for router, start, stop in zip(cascade.routers, (0, *cuts), (*cuts, 3), strict=True):
        alone = make_router(PROFILES[start:stop], image=WHOLE, text=WHOLE)
        alone.fit(train.over(NAMES[start:stop]))
        np.testing.assert_array_equal(router.score(queries), alone.score(queries))


def test_the_policy_is_algorithm_1(train, queries):
    cascade = make_cascade(theta=0.4).fit(train)
    assert cascade.policy == {"name": "cascade", "theta": 0.4, "pools": [["counter-2b", "reader-7b"], ["painter"]]}
    scores = cascade.score(queries)
    chosen = select(scores, cascade.policy, cascade.vlms)
    sure = scores[:, :2].max(axis=1) > np.float32(0.4)
    expected = np.where(sure, scores[:, :2].argmax(axis=1), scores.argmax(axis=1))
    np.testing.assert_array_equal(chosen, expected)


def test_one_more_theta(train, queries):
    phi, one, other = make_cascade(cuts=(1, 2)).fit(train).routers
    cascade = CascadeRouter(phi, [one], theta=0.4)
    scores = cascade.score(queries)
    extended = cascade.extended(other)
    assert extended.policy == {"name": "cascade", "theta": 0.4, "pools": [["counter-2b"], ["reader-7b"], ["painter"]]}
    assert all(ours is theirs for ours, theirs in zip(extended.routers, (phi, one, other), strict=True))
    np.testing.assert_array_equal(extended.score(queries)[:, :2], scores)
    assert cascade.vlms == ("counter-2b", "reader-7b")  # the first cascade is unchanged
    np.testing.assert_array_equal(cascade.score(queries), scores)


def test_no_cascade():
    phi, theta_router = make_cascade().routers
    with pytest.raises(ArmsError, match="expected one or more routers Theta behind Phi, got none"):
        CascadeRouter(phi, [], theta=0.5)
    with pytest.raises(ArmsError, match="expected each VLM in one router, got painter in several"):
        CascadeRouter(phi, [theta_router, theta_router], theta=0.5)
    with pytest.raises(ArmsError, match="got counter-2b, reader-7b in several"):
        CascadeRouter(phi, [theta_router], theta=0.5).extended(phi)
    with pytest.raises(ArmsError, match=r"expected a threshold theta in \[0, 1\], got nan"):
        CascadeRouter(phi, [theta_router], theta=float("nan"))


@pytest.mark.parametrize("cuts", [(2,), (1, 2)])
def test_save_and_load(train, queries, tmp_path, cuts):
    cascade = make_cascade(theta=0.3, cuts=cuts).fit(train)
    cascade.save(tmp_path / "cascade")
    thetas = [f"theta-{number}" for number in range(1, len(cuts) + 1)]
    files = sorted(path.name for path in (tmp_path / "cascade").iterdir())
    assert files == ["phi", "router.json", *thetas]
    read = load_router(tmp_path / "cascade", device="cpu")
    assert isinstance(read, CascadeRouter)
    assert (read.vlms, read.policy) == (cascade.vlms, cascade.policy)
    np.testing.assert_array_equal(read.score(queries), cascade.score(queries))
    phi = load_router(tmp_path / "cascade/phi", device="cpu")  # a router by itself
    assert torch.equal(phi.net.gate.project.weight, cascade.phi.net.gate.project.weight)
    routes = [Router(router).route(MADE.pictures[0], MADE.questions[0]) for router in (read, cascade)]
    assert routes[0] == routes[1]


def test_what_theta_shares_with_phi_is_there_once(train, queries, tmp_path):
    """Theta that starts from Phi and trains only its head has Phi's tuned tails; the saved one names Phi's files."""
    phi = make_router(PROFILES[:2], image={"tunable_layers": 1}, text={"tunable_layers": 1})
    data = MADE.label(phi.encoders)
    phi.fit(data.over(NAMES[:2]))
    theta = phi.continued(PROFILES[2:], phi.training.model_copy(update={"trains": "head"})).fit(data.over(NAMES[2:]))
    cascade = CascadeRouter(phi, [theta], theta=0.5)
    cascade.save(tmp_path / "cascade")
    files = {path.name for path in (tmp_path / "cascade/theta-1").iterdir()}
    assert files == {"head.safetensors", "router.json", "tokenizer.json"}
    read = load_router(tmp_path / "cascade", device="cpu")
    np.testing.assert_array_equal(read.score(data.queries), cascade.score(data.queries))
    alone = load_router(tmp_path / "cascade/theta-1", device="cpu")
    np.testing.assert_array_equal(alone.score(data.queries), theta.score(data.queries))
    read.save(tmp_path / "again")
    again = load_router(tmp_path / "again", device="cpu")
    np.testing.assert_array_equal(again.score(data.queries), cascade.score(data.queries))
    (tmp_path / "cascade/phi/image_tail.safetensors").unlink()
    with pytest.raises(
        ArmsError, match=r"image_tail\.safetensors is missing; .*share files, so copy the folder around them"
    ):
        load_router(tmp_path / "cascade/theta-1", device="cpu")


def test_a_cascade_saved_before_it_could_have_several_thetas(tmp_path):
    make_cascade().save(tmp_path / "cascade")
    description = json.loads((tmp_path / "cascade/router.json").read_text())
    del description["num_thetas"]
    (tmp_path / "cascade/router.json").write_text(json.dumps(seal(description)))
    with pytest.raises(ArmsError, match="expected num_thetas, the number of routers Theta, got none; train it anew"):
        load_router(tmp_path / "cascade", device="cpu")


@pytest.fixture(scope="module", params=["arms", "cascade", "cascade of three"])
def router(request):
    if request.param == "arms":
        return make_router(image=WHOLE, text=WHOLE)
    return make_cascade(theta=0.6, cuts=(2,) if request.param == "cascade" else (1, 2))


class TestExclude:
    """A VLM is taken out of the pool at routing time."""

    @pytest.mark.parametrize("exclude", [["painter"], {"counter-2b"}, ("counter-2b", "reader-7b"), "painter"])
    def test_the_others_are_ranked(self, router, exclude):
        gone = {exclude} if isinstance(exclude, str) else set(exclude)
        whole = Router(router).route_batch(MADE.pictures, MADE.questions)
        routes = list(Router(router).route_batch(MADE.pictures, MADE.questions, exclude=exclude))
        left = [name for name in router.vlms if name not in gone]
        pools = router.policy.get("pools", [router.vlms])
        smaller = [[name for name in pool if name not in gone] for pool in pools]
        policy = {"name": "cascade", "theta": router.policy.get("theta", 1.0), "pools": smaller}
        for before, route in zip(whole, routes, strict=True):
            assert set(route.ranking) == {ranked for ranked in before.ranking if ranked.vlm not in gone}
            confidence = {ranked.vlm: ranked.confidence for ranked in route.ranking}
            (chosen,) = select(np.array([[confidence[name] for name in left]]), policy, left)
            assert route.vlm == left[chosen]
            rest = [ranked.confidence for ranked in route.ranking[1:]]
            assert rest == sorted(rest, reverse=True)

    def test_of_one_query(self, router):
        route = Router(router).route(MADE.pictures[0], MADE.questions[0], exclude=["painter"])
        assert {ranked.vlm for ranked in route.ranking} == {"counter-2b", "reader-7b"}

    def test_an_unknown_vlm(self, router):
        message = "exclude: unknown VLM 'paintr'; known: counter-2b, reader-7b, painter"
        with pytest.raises(ArmsError, match=message):
            Router(router).route(MADE.pictures[0], MADE.questions[0], exclude=["painter", "paintr"])
        with pytest.raises(ArmsError, match=message):
            Router(router).route_batch([], [], exclude=["paintr"])

    def test_nobody_left(self, router):
        with pytest.raises(ArmsError, match="exclude: expected one VLM or more to be left, got all: counter-2b, reade"):
            Router(router).route(MADE.pictures[0], MADE.questions[0], exclude=router.vlms)
