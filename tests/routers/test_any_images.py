"""Queries of any number of images, none included: routers train on them, are saved and loaded, and route them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.baselines.registry import build_router
from arms.baselines.saved import SavedBaseline
from arms.cli.completers import STARTER
from arms.errors import ArmsError
from arms.features.dataset import Embedder
from arms.features.online import encode_queries
from arms.features.pooling import add_embeddings
from arms.routers.cascade import CascadeRouter
from arms.routers.checkpoint import read_description, read_weights, write_checkpoint
from arms.routers.router import Router
from arms.routers.saved import load_router
from arms.safe.router import SafeRouter
from tests.fakes import CPU, NAMES, OF_OTHER_COUNTS, PROFILES, label, make_queries, make_router
from tests.safe.made import safe_params

MADE = make_queries(48)
TUNED = {"image": {"tunable_layers": 1}, "text": {"tunable_layers": 1}}


def lists_of(made):
    """Of every four queries one has its own picture, one two, one none, and one three and no words."""
    lists, questions = [], []
    for row, (picture, question) in enumerate(zip(made.pictures, made.questions, strict=True)):
        others = [made.pictures[(row + step) % len(made.pictures)] for step in (1, 2)]
        lists.append([[picture], [picture, others[0]], [], [picture, *others]][row % 4])
        questions.append("" if row % 4 == 3 else question)
    return lists, questions


LISTS, QUESTIONS = lists_of(MADE)


def labelled(encoders, vlms=NAMES, embeddings=False):
    queries = encode_queries(encoders, LISTS, QUESTIONS, CPU)
    if embeddings:
        queries = add_embeddings(queries, encoders, batch_size=16, device=CPU)
    return label(queries, MADE.outcomes[:, [NAMES.index(vlm) for vlm in vlms]], vlms)


def make_arms(**settings):
    router = make_router(**TUNED, **settings)
    return router.fit(labelled(router.encoders))


def make_cascade():
    phi, theta = (make_router(profiles, **TUNED) for profiles in (PROFILES[:2], PROFILES[2:]))
    return CascadeRouter(phi, [theta], theta=0.5).fit(labelled(phi.encoders))


def make_safe():
    net, untuned = make_router(PROFILES[:2], **TUNED), make_router(PROFILES[:2], **TUNED).encoders
    data = labelled(untuned, NAMES[:2], embeddings=True)
    fit, val = data.subset(np.arange(36)), data.subset(np.arange(36, 48))
    net.fit(fit, val)
    params, embedder = safe_params(num_folds=2, most_kinds=0), Embedder(untuned, 16, CPU)
    return SafeRouter.join(net, fit, val, params, embedder, seed=1)


def make_baseline(name):
    encoders = make_router(**TUNED).encoders
    data = labelled(encoders, embeddings=True)
    settings = {"knn": {"num_neighbours": [4], "weights": "uniform", "index": "flat"}, "best-single": {}}[name]
    settings |= {"features": "concat"} if name == "knn" else {}
    router = build_router(name, NAMES, settings, seed=3).fit(data, None)
    return SavedBaseline(name, settings, 3, PROFILES, router, data, None, Embedder(encoders, 16, CPU))


ROUTERS = {
    **{f"arms, {f}": lambda fusion=f: make_arms(router={"fusion": fusion}) for f in ("tokens", "pooled", "outer")},
    "arms, by image": lambda: make_arms(train={"group_by_image": True, "batch_size": 8}),
    "cascade": make_cascade,
    "safe": make_safe,
    "knn": lambda: make_baseline("knn"),
    "best-single": lambda: make_baseline("best-single"),
}


@pytest.mark.parametrize("name", ROUTERS)
def test_trained_saved_loaded_and_routed(name, tmp_path):
    router = ROUTERS[name]()
    router.save(tmp_path / "router")
    read = load_router(tmp_path / "router", device="cpu")
    scores = router.score(router.encode(LISTS, QUESTIONS))
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(read.score(read.encode(LISTS, QUESTIONS)), scores)
    routes = Router(read).route_batch(LISTS[:8], QUESTIONS[:8])
    for row, routed in enumerate(routes):
        found = {ranked.vlm: ranked.confidence for ranked in routed.ranking}
        np.testing.assert_allclose([found[vlm] for vlm in read.vlms], scores[row], atol=1e-5)


def test_what_stands_for_no_image_and_for_later_images_is_learned_and_saved(tmp_path):
    router = make_arms()
    router.save(tmp_path / "router")
    saved = read_weights(tmp_path / "router", read_description(tmp_path / "router"))["head"]
    assert saved.keys() >= OF_OTHER_COUNTS
    assert all(saved[name].abs().sum() > 0 for name in OF_OTHER_COUNTS)
    read = load_router(tmp_path / "router", device="cpu").net.state_dict()
    assert all(torch.equal(read[name], saved[name]) for name in OF_OTHER_COUNTS)


def test_one_image_each_leaves_them_zeros():
    router = make_router(**TUNED)
    router.fit(MADE.label(router.encoders))
    state = router.net.state_dict()
    assert not any(state[name].any() for name in OF_OTHER_COUNTS)


class TestOlderRouters:
    """Routers from before queries had any number of images."""

    @pytest.fixture
    def older(self, tmp_path):
        """Such a router, and what it was saved from."""
        router = make_router(**TUNED)
        router.fit(MADE.label(router.encoders))
        folder = tmp_path / "older"
        router.save(folder)
        description = read_description(folder)
        parts = read_weights(folder, description)
        parts["head"] = {name: tensor for name, tensor in parts["head"].items() if name not in OF_OTHER_COUNTS}
        del description["encoders"]["image"]["max_images"]
        write_checkpoint(folder, parts, description, files=list(description["files"]))
        return router, folder

    def test_they_give_the_scores_that_they_gave(self, older):
        router, folder = older
        read = load_router(folder, device="cpu")
        queries = MADE.encode(router.encoders)
        np.testing.assert_array_equal(read.score(queries), router.score(queries))
        np.testing.assert_array_equal(read.score(MADE.encode(read.encoders)), router.score(queries))

    def test_they_take_any_number_of_images_and_none(self, older):
        _, folder = older
        read = load_router(folder, device="cpu")
        assert read.encoders.image.max_images == 8
        assert np.isfinite(read.score(read.encode(LISTS, QUESTIONS))).all()

    def test_a_parameter_of_another_name_may_not_be_missing(self, older):
        _, folder = older
        description = read_description(folder)
        parts = read_weights(folder, description)
        parts["head"].pop("gate.project.weight")
        write_checkpoint(folder, parts, description, files=list(description["files"]))
        with pytest.raises(ArmsError, match="its weights do not fit its description"):
            load_router(folder)

    def test_the_starter(self):
        routes = Router.load(STARTER).route_batch(LISTS[:4], QUESTIONS[:4])
        assert [len(routed.ranking) for routed in routes] == [7] * 4


class TestRoute:
    """What one may ask."""

    @pytest.fixture
    def router(self):
        return Router(make_router(image={"max_images": 2}))

    def confidences(self, routed):
        return {ranked.vlm: ranked.confidence for ranked in routed.ranking}

    def test_paths_files_and_pictures_in_any_sequence(self, router, tmp_path):
        a, b = MADE.pictures[:2]
        for name, picture in (("a.png", a), ("b.png", b)):
            picture.save(tmp_path / name)
        expected = self.confidences(router.route([a, b], "What?"))
        with (tmp_path / "b.png").open("rb") as file:
            given = ([tmp_path / "a.png", str(tmp_path / "b.png")], (a, tmp_path / "b.png"), [a, file])
            assert [self.confidences(router.route(images, "What?")) for images in given] == [expected] * 3

    def test_one_image_alone_is_a_list_of_it(self, router):
        a = MADE.pictures[0]
        assert self.confidences(router.route(a, "What?")) == self.confidences(router.route([a], "What?"))

    def test_words_or_pictures_only(self, router):
        words = [router.route(question="What?"), router.route([], "What?"), router.route((), "What?")]
        assert self.confidences(words[0]) == self.confidences(words[1]) == self.confidences(words[2])
        assert self.confidences(router.route(MADE.pictures[0])) == self.confidences(router.route(MADE.pictures[0], ""))

    @pytest.mark.parametrize("question", ["", " \n\t"])
    def test_neither(self, router, question):
        with pytest.raises(ArmsError, match="query 1: expected a question, an image or both, got neither"):
            list(router.route_batch([MADE.pictures[0], []], ["", question]))

    def test_something_that_is_no_image(self, router):
        for images in (None, [None], [MADE.pictures[0], 5]):
            with pytest.raises(ArmsError, match="expected an image as a path, binary file or PIL image, got"):
                router.route(images, "What?")

    def test_as_many_questions_as_entries(self, router):
        message = "expected as many questions as entries of images, got 2 entries and 1 questions"
        with pytest.raises(ArmsError, match=message):
            router.route_batch([[], []], ["What?"])

    def test_of_too_many_the_first_count(self, router, caplog):
        with caplog.at_level("WARNING", logger="arms"):
            many = router.route(MADE.pictures[:5], "What?")
        assert [record.getMessage() for record in caplog.records] == [
            "1 of 1 queries have more than 2 images; the first 2 are read"
        ]
        assert self.confidences(many) == self.confidences(router.route(MADE.pictures[:2], "What?"))

    def test_the_order_counts_once_it_is_learned(self):
        router = make_arms()
        a, b = MADE.pictures[:2]
        one, other = (self.confidences(Router(router).route(images, "What?")) for images in ([a, b], [b, a]))
        assert one != other


def test_a_pool_that_grows_keeps_what_was_learned():
    router = make_arms()
    more = replace(PROFILES[0], name="newcomer")
    wider = router.continued([*PROFILES, more], router.training)
    old, new = router.net.state_dict(), wider.net.state_dict()
    assert all(torch.equal(old[name], new[name]) for name in OF_OTHER_COUNTS)
