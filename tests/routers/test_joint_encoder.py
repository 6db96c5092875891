"""Routers with a joint encoder: training, saving, and routing of queries with any number of pictures."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from arms.encoders.pair import build_encoders
from arms.errors import ArmsError
from arms.features.online import encode_queries
from arms.params.encoders import EncodersParams
from arms.routers.arms import ArmsRouter
from arms.routers.batches import FeatureCache
from arms.routers.router import Router
from arms.routers.saved import load_router
from tests.encoders.joint_models import pair_params, save_joint
from tests.fakes import (
    CPU,
    PROFILES,
    fit_params,
    image_params,
    make_queries,
    router_params,
    text_params,
    tiny_tokenizer,
)

MADE = make_queries(24)
# One picture, two, none; pictures and questions come again in other pairs.
PICTURES = [MADE.pictures[: row % 3] if row % 2 else [MADE.pictures[row % 5]] for row in range(12)]
QUESTIONS = [MADE.questions[row % 4] if row != 5 else "" for row in range(12)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {family: save_joint(root / family, family) for family in ("llava", "vilt")}


def make_router(hub, family="llava", seed=1, **router):
    pair = pair_params(hub[family], family, normalise=True)
    encoders = build_encoders(
        EncodersParams(image=image_params(), text=text_params(), pair=pair), seed=1, tokenizer=tiny_tokenizer()
    )
    return ArmsRouter(PROFILES, encoders, router_params(**router), fit_params(seed=seed), device=CPU)


@pytest.mark.parametrize("family", ["llava", "vilt"])
def test_through_training_and_a_saved_router(hub, family, tmp_path):
    router = make_router(hub, family)
    before = router.net.pair[1].weight.clone()
    router.fit(MADE.label(router.encoders))
    assert not torch.equal(router.net.pair[1].weight, before)
    scores = router.score(router.encode(PICTURES, QUESTIONS))
    router.save(tmp_path / "router")
    files = {file.name for file in (tmp_path / "router").iterdir()}
    assert not any("joint" in name or "pair" in name for name in files), "the model is not saved with the router"
    loaded = load_router(tmp_path / "router", device="cpu")
    assert loaded.encoders.fingerprints == router.encoders.fingerprints
    assert loaded.encoders.params == router.encoders.params
    np.testing.assert_allclose(loaded.score(loaded.encode(PICTURES, QUESTIONS)), scores, atol=1e-6)


@pytest.mark.parametrize("fusion", ["outer", "pooled", "tokens", "concat"])
def test_the_pair_reaches_every_fusion(hub, fusion):
    router = make_router(hub, fusion=fusion)
    queries = router.encode(PICTURES, QUESTIONS)
    batch = queries.batch(np.arange(12)).to(CPU)
    scores = router.net(batch, router.profile_batch)
    other = router.net(batch._replace(pair_ND=-batch.pair_ND), router.profile_batch)
    assert (scores - other).abs().amax(dim=1).min() > 1e-4
    scores.sum().backward()
    assert all(parameter.grad is not None for parameter in router.net.pair.parameters())
    assert {id(one) for one in router.net.pair.parameters()} <= {id(one) for one in router.net.head_parameters()}


@pytest.mark.parametrize("inputs", ["text", "image"])
def test_an_ablation_leaves_the_pair_out(hub, inputs):
    router = make_router(hub, inputs=inputs)
    batch = router.encode(PICTURES, QUESTIONS).batch(np.arange(12)).to(CPU)
    scores, other = (
        router.net(batch._replace(pair_ND=pair), router.profile_batch) for pair in (batch.pair_ND, -batch.pair_ND)
    )
    torch.testing.assert_close(scores, other)


def test_routes_do_not_depend_on_the_window(hub, tmp_path):
    """A picture that comes again in a later window stands in another pair."""
    router = make_router(hub)
    scores = router.score(router.encode(PICTURES, QUESTIONS))
    router.save(tmp_path / "router")
    loaded = Router.load(tmp_path / "router", device="cpu")
    files = []
    for number, picture in enumerate(MADE.pictures):
        files.append(tmp_path / f"{number}.png")
        picture.save(files[-1])
    paths = [[files[MADE.pictures.index(picture)] for picture in of_query] for of_query in PICTURES]
    for images in (PICTURES, paths):
        for window_queries, cache_mb in ((2, 256), (5, 0), (256, 256)):
            options = {"window_queries": window_queries, "cache_mb": cache_mb}
            routes = list(loaded.route_batch(images, QUESTIONS, **options))
            np.testing.assert_allclose([confidences(route, loaded.vlms) for route in routes], scores, atol=1e-5)
    alone = loaded.route(paths[3], QUESTIONS[3])
    np.testing.assert_allclose(confidences(alone, loaded.vlms), scores[3], atol=1e-5)


def confidences(route, vlms):
    found = {one.vlm: one.confidence for one in route.ranking}
    return [found[vlm] for vlm in vlms]


def pairs_read(router, monkeypatch):
    """A list of the pairs that the router's joint encoder reads from now on."""
    read, joint = [], type(router.encoders.joint)
    own = joint.read
    monkeypatch.setattr(joint, "read", lambda self, *pair: read.append(pair) or own(self, *pair))
    return read


def test_each_distinct_pair_is_encoded_once(hub, monkeypatch):
    router = make_router(hub)
    read = pairs_read(router, monkeypatch)
    red, blue = MADE.pictures[:2]
    queries = router.encode([[red], [blue], [red], [red, blue], [], []], ["a", "a", "a", "a", "a", "a"])
    assert len(read) == 4
    assert queries.pairs.rows.tolist() == [0, 1, 0, 2, 3, 3]


def test_a_pair_that_comes_again_in_a_later_window_is_not_encoded_again(hub, monkeypatch):
    router = make_router(hub)
    read = pairs_read(router, monkeypatch)
    red, blue = MADE.pictures[:2]
    cache = FeatureCache(1)
    asked = [red, blue, red, red], ["a", "a", "a", "b"]
    routes = list(Router(router).route_batch(*asked, window_queries=1, cache=cache))
    assert len(read) == 3
    again = list(Router(router).route_batch(*asked, cache=cache))
    assert len(read) == 3
    assert 0 < cache.pairs.nbytes < 3000
    kept_nothing = list(Router(router).route_batch(*asked, window_queries=1, cache_mb=0))
    assert len(read) == 7
    expected = [confidences(route, router.vlms) for route in routes]
    for others in (again, kept_nothing):
        np.testing.assert_allclose([confidences(route, router.vlms) for route in others], expected, atol=1e-5)


def test_a_query_that_the_model_cannot_take_has_zeros(hub):
    router = make_router(hub, "vilt")
    queries = router.encode([[MADE.pictures[0]], []], ["How many?"] * 2)
    vectors = queries.pairs.vectors()
    assert (vectors[0].any().item(), vectors[1].any().item()) == (True, False)
    assert np.isfinite(router.score(queries)).all()
    blank = router.encode([[]], ["How many?"])
    assert blank.pairs.vectors().shape == (1, 16)
    np.testing.assert_allclose(router.score(blank), router.score(queries)[1:], atol=1e-6)


def test_queries_of_other_encoders(hub):
    router = make_router(hub)
    params = EncodersParams(image=image_params(), text=text_params())
    plain = build_encoders(params, seed=1, tokenizer=tiny_tokenizer())
    with pytest.raises(ArmsError, match="this router reads pictures and question together, and these queries have no"):
        router.score(encode_queries(plain, PICTURES, QUESTIONS, CPU))


def test_a_model_that_changed(hub, tmp_path):
    folder = save_joint(tmp_path / "model", "llava")
    router = make_router({"llava": folder})
    router.save(tmp_path / "router")
    tensors = load_file(folder / "model.safetensors")
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name] + 0.1}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ArmsError, match=r"it was trained with an encoder of weights '.*', this installation has '"):
        load_router(tmp_path / "router", device="cpu")
