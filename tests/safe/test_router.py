"""The safe router on tiny encoders: saved, loaded, extended and asked why."""

import json
import shutil

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.features.dataset import Embedder
from arms.routers.cascade import CascadeRouter
from arms.routers.checkpoint import read_description, seal
from arms.routers.router import Router
from arms.routers.saved import load_router
from arms.safe.router import SafeRouter
from tests.fakes import CPU, NAMES, PROFILES, make_queries, make_router
from tests.safe.made import safe_params

TUNED = {"image": {"tunable_layers": 1}, "text": {"tunable_layers": 1}}
MADE, NEW = make_queries(64), make_queries(16, seed=5)
PICTURE, QUESTION = NEW.pictures[0], NEW.questions[0]


def make_net(profiles=PROFILES[:2], **train):
    return make_router(profiles, **TUNED, train=train)


def labelled(encoders, vlms):
    return MADE.label(encoders, vlms, embeddings=True)


def join(jobs=1, **train):
    """A router over the first two VLMs; its net tunes its encoders, and neighbours are searched by untuned ones."""
    net, untuned = make_net(**train), make_net().encoders
    data = labelled(untuned, NAMES[:2])
    fit, val = data.subset(np.arange(48)), data.subset(np.arange(48, 64))
    net.fit(fit, val)
    params, embedder = safe_params(num_folds=2, most_kinds=0), Embedder(untuned, 16, CPU)
    return SafeRouter.join(net, fit, val, params, embedder, seed=1, jobs=jobs)


def extend(router, strategy):
    """The router over all three VLMs."""
    data = labelled(router.embedder.encoders, NAMES)
    fit, val = data.subset(np.arange(48)), data.subset(np.arange(48, 64))
    if strategy == "incremental":
        net = router.net.continued(PROFILES, router.net.training).fit(fit)
    else:
        theta = router.net.continued(PROFILES[2:], router.net.training).fit(fit.over(NAMES[2:]))
        net = CascadeRouter(router.net, [theta], theta=0.5)
    return router.extended(net, fit, val)


@pytest.fixture(scope="module")
def base():
    return join()


@pytest.fixture(scope="module", params=["base", "incremental", "cascade", "head only"])
def router(request, base):
    if request.param == "head only":
        return join(trains="head")
    return base if request.param == "base" else extend(base, request.param)


def queries_of(router, made=NEW):
    return router.encode(made.pictures, made.questions)


def test_save_and_load(router, tmp_path):
    router.save(tmp_path / "router")
    read = load_router(tmp_path / "router", device="cpu")
    assert isinstance(read, SafeRouter)
    assert (read.vlms, read.policy, read.profiles) == (router.vlms, router.policy, router.profiles)
    for made in (NEW, MADE):
        queries = queries_of(router, made)
        np.testing.assert_array_equal(read.score(queries_of(read, made)), router.score(queries))
        assert read.explain(queries_of(read, made)) == router.explain(queries)
    read.save(tmp_path / "again")
    again = load_router(tmp_path / "again", device="cpu")
    np.testing.assert_array_equal(again.score(queries_of(again)), router.score(queries_of(router)))


def test_confidences(router):
    confidence = router.score(queries_of(router))
    assert confidence.shape == (16, len(router.vlms))
    assert confidence.dtype == np.float32
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert np.ptp(confidence, axis=0).max() > 0


def test_queries_of_the_store_need_no_embeddings_of_their_own(router):
    queries = NEW.encode(router.embedder.encoders)
    assert queries.embeddings is None
    np.testing.assert_array_equal(router.score(queries), router.score(queries_of(router)))


def test_neighbours_are_searched_by_untuned_encoders(base):
    """A training query finds itself or a near copy, though the net has tuned its own tails since."""
    assert base.phi.tuned == {"image", "text"}
    whys = base.explain(queries_of(base, MADE))[:48]
    assert all(why.neighbours[0].similarity > 0.999 for why in whys)
    found = [
        query_id in {near.query_id for near in why.neighbours}
        for query_id, why in zip(base.memory.ids, whys, strict=True)
    ]
    assert sum(found) > 40


def test_why(router):
    route = Router(router).route(PICTURE, QUESTION, why=True)
    assert [route.why] == router.explain(router.encode([PICTURE], [QUESTION]))
    assert route.why.default in router.vlms
    for near in route.why.neighbours:
        assert set(near.right) | set(near.wrong) == set(router.vlms)
    assert Router(router).route(PICTURE, QUESTION).why is None
    both = Router(router).route_batch([PICTURE] * 2, [QUESTION] * 2, why=True)
    assert [one.why.neighbours[0].query_id for one in both] == [route.why.neighbours[0].query_id] * 2


def test_why_of_a_router_that_does_not_know():
    with pytest.raises(
        ArmsError, match=r"why: expected a router that remembers its training queries, got .*ArmsRouter"
    ):
        Router(make_net()).route(PICTURE, QUESTION, why=True)


@pytest.mark.parametrize("strategy", ["incremental", "cascade"])
class TestExtended:
    def test_the_pool_grows_and_the_first_router_stays(self, base, strategy):
        before = base.score(queries_of(base))
        extended = extend(base, strategy)
        assert (base.vlms, extended.vlms) == (NAMES[:2], NAMES)
        assert extended.memory.ids == base.memory.ids
        assert extended.joint.old.tolist() == [True, True, False]
        np.testing.assert_array_equal(base.score(queries_of(base)), before)

    def test_outcomes_go_with_their_queries(self, base, strategy):
        """Whatever the order of the training queries, and with more of them."""
        data = labelled(base.embedder.encoders, NAMES)
        net = extend(base, strategy).net
        shuffled = data.subset(np.random.default_rng(0).permutation(64))
        extended = base.extended(net, shuffled, None)
        np.testing.assert_array_equal(extended.memory.outcomes, data.outcomes[:48])

    def test_without_the_training_queries(self, base, strategy):
        data = labelled(base.embedder.encoders, NAMES)
        net = extend(base, strategy).net
        with pytest.raises(ArmsError, match=r"expected the 48 training queries that it remembers, 8 are missing, such"):
            base.extended(net, data.subset(np.arange(8, 64)), None)


def adopt(folder):
    """Make the net that lies in a router's folder the one that it was saved with."""
    description = json.loads((folder / "router.json").read_text())
    description["nested"]["net"] = read_description(folder / "net")["sha256"]
    (folder / "router.json").write_text(json.dumps(seal(description)))


class TestDamage:
    @pytest.fixture
    def saved(self, base, tmp_path):
        base.save(tmp_path / "router")
        return tmp_path / "router"

    @pytest.mark.parametrize("part", ["memory", "joint", "image_untuned"])
    def test_a_damaged_file(self, saved, part):
        file = saved / f"{part}.safetensors"
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        with pytest.raises(ArmsError, match=rf"{part}\.safetensors: expected sha256 .* the file is damaged"):
            load_router(saved, device="cpu")
        file.unlink()
        with pytest.raises(ArmsError, match=rf"{part}\.safetensors is missing; the checkpoint is incomplete"):
            load_router(saved, device="cpu")

    def test_a_memory_of_another_pool(self, saved):
        shutil.rmtree(saved / "net")
        make_net(PROFILES).save(saved / "net")
        with pytest.raises(ArmsError, match=r"expected the router that .* was saved with, got another; train it anew"):
            load_router(saved, device="cpu")
        adopt(saved)
        with pytest.raises(ArmsError, match="expected a memory of 3 VLMs, got 2; train it anew"):
            load_router(saved, device="cpu")

    def test_a_net_of_another_kind(self, saved):
        inner = saved.parent / "inner"
        shutil.copytree(saved, inner)
        shutil.rmtree(saved / "net")
        inner.rename(saved / "net")
        adopt(saved)
        with pytest.raises(ArmsError, match="net: expected a router of kind arms or cascade, got 'safe'"):
            load_router(saved, device="cpu")

    def test_without_its_net(self, saved):
        shutil.rmtree(saved / "net")
        with pytest.raises(ArmsError, match="net: no router there"):
            load_router(saved, device="cpu")


def test_left_out_nets_fitted_at_once_are_those_fitted_in_turn(base):
    beside, queries = join(jobs=2), labelled(base.embedder.encoders, NAMES[:2]).queries
    np.testing.assert_allclose(beside.score(queries), base.score(queries), atol=1e-5)
