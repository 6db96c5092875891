"""Batches of any length: the routes are those of the queries one by one, and what is held does not grow."""

import gc
import io
import threading
import weakref
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from arms.errors import ArmsError
from arms.features import online
from arms.routers import read_ahead
from arms.routers.batches import FeatureCache
from arms.routers.queries import QueryError
from arms.routers.router import Router
from arms.selection.select import select
from tests.fakes import NAMES, make_queries, make_router, watch_progress

MADE = make_queries(12)
QUESTIONS = ("Count the dots.", "Read the sign.", "What does it say?", "")


@pytest.fixture(scope="module", params=[0, 1, "all"])
def router(request):
    made = make_router(image={"tunable_layers": request.param}, text={"tunable_layers": request.param})
    return Router(made.fit(MADE.label(made.encoders)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve pictures, each in two files of the same bytes."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, picture in enumerate(MADE.pictures):
        picture.save(folder / f"{number}.png")
        (folder / f"copy-{number}.png").write_bytes((folder / f"{number}.png").read_bytes())
    return folder


def queries_of(folder, count, seed=1):
    """Queries of no picture to three, many of them repeated."""
    rng = np.random.default_rng(seed)
    images, questions = [], []
    for number in range(count):
        names = [f"{'copy-' * (number % 2)}{one}.png" for one in rng.integers(0, len(MADE.pictures), number % 4)]
        images.append([folder / name for name in names])
        questions.append(QUESTIONS[rng.integers(0, 4 if names else 3)])
    return images, questions


def check_same(routes, others):
    for route, other in zip(routes, others, strict=True):
        assert [ranked.vlm for ranked in route.ranking] == [ranked.vlm for ranked in other.ranking]
        confidences = [[ranked.confidence for ranked in one.ranking] for one in (route, other)]
        np.testing.assert_allclose(confidences[0], confidences[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("window_queries", "cache_mb"), [(1, 0), (1, 1), (3, 0), (7, 256), (256, 0), (256, 256)])
def test_the_routes_are_those_one_by_one(router, folder, window_queries, cache_mb):
    images, questions = queries_of(folder, 40)
    routes = list(router.route_batch(images, questions, window_queries=window_queries, cache_mb=cache_mb))
    check_same(routes, [router.route(*query) for query in zip(images, questions, strict=True)])
    assert len({route.ranking for route in routes}) > 10


class TestOnce:
    """A distinct picture or question is read and encoded once."""

    @pytest.fixture
    def counted(self, monkeypatch):
        """How often pictures were decoded, and images and texts encoded."""
        counts = Counter()
        decode, run_trunk = read_ahead.decode_picture, online.run_trunk

        def count_decoded(*arguments):
            counts["decoded"] += 1
            return decode(*arguments)

        def count_encoded(encoder, inputs, device):
            counts[encoder.fingerprint["modality"]] += len(inputs)
            return run_trunk(encoder, inputs, device)

        monkeypatch.setattr(read_ahead, "decode_picture", count_decoded)
        monkeypatch.setattr(online, "run_trunk", count_encoded)
        return counts

    def test_in_a_window_and_over_windows(self, folder, counted):
        router = Router(make_router())
        images, questions = queries_of(folder, 60)
        counted.clear()
        assert len(list(router.route_batch(images, questions, window_queries=5))) == 60
        assert counted == {"decoded": len(MADE.pictures), "image": len(MADE.pictures), "text": len(set(questions))}

    def test_without_memory_once_in_a_window(self, folder, counted):
        router = Router(make_router())
        images = [[folder / "0.png"], [folder / "copy-0.png"], [folder / "0.png"], [folder / "0.png"]]
        counted.clear()
        assert len(list(router.route_batch(images, ["Why?"] * 4, window_queries=2, cache_mb=0))) == 4
        # The second window may still find what the first one has read.
        assert 1 <= counted["image"] <= counted["decoded"] <= 2

    def test_over_batches_that_share_a_cache(self, folder, counted, monkeypatch):
        router, cache = Router(make_router()), FeatureCache(16)
        batch = [[folder / "0.png"], [folder / "1.png"]], ["Why?"] * 2

        def fail(*arguments):
            raise RuntimeError("out of memory")

        with monkeypatch.context() as broken:
            broken.setattr(online, "run_trunk", fail)
            with pytest.raises(RuntimeError):
                list(router.route_batch(*batch, cache=cache))
        counted.clear()
        once, again = (list(router.route_batch(*batch, cache=cache)) for _ in range(2))
        assert counted == {"decoded": 2, "image": 2, "text": 1}, "what the batch that failed had read is not kept"
        check_same(once, again)
        assert cache.pictures.nbytes > 0

    def test_a_picture_by_its_pixels(self, counted):
        router = Router(make_router())
        twins = [MADE.pictures[0], MADE.pictures[0].copy(), MADE.pictures[1]]
        counted.clear()
        assert len(list(router.route_batch(twins, ["Why?"] * 3, window_queries=1))) == 3
        assert counted["image"] == 2


class TestLazy:
    """Queries are asked for when they are needed, and no picture is kept."""

    def test_no_more_than_two_windows_ahead(self):
        router, taken = Router(make_router()), []

        def questions():
            for number in range(1000):
                taken.append(number)
                yield f"How many {number}?"

        routes = router.route_batch(iter([()] * 1000), questions(), window_queries=10)
        assert taken == []
        next(routes)
        assert len(taken) <= 21
        for _ in range(10):
            next(routes)
        assert len(taken) <= 31
        routes.close()

    def test_pictures_count_too(self, folder):
        router, taken = Router(make_router()), []

        def images():
            for number in range(100):
                taken.append(number)
                yield [folder / f"{one}.png" for one in range(5)]

        routes = router.route_batch(images(), ("Which?" for _ in range(100)), window_queries=10)
        next(routes)
        assert len(taken) == 5  # two to a window, and the first of the third
        routes.close()

    def test_pictures_and_routes_are_let_go(self):
        router, alive = Router(make_router()), []

        def images():
            for number in range(200):
                picture = Image.new("RGB", (32, 32), (number, 90, 60))
                alive.append(weakref.ref(picture))
                yield picture

        held = 0
        for _ in router.route_batch(images(), ("Which?" for _ in range(200)), window_queries=8):
            gc.collect(0)
            held = max(held, sum(reference() is not None for reference in alive))
        assert held <= 17

    def test_a_picture_may_be_closed_or_changed_once_the_next_is_asked_for(self, folder):
        router = Router(make_router())

        def closed():
            for number in range(6):
                with Image.open(folder / f"{number}.png") as picture:
                    yield picture
            for number in range(6):
                with (folder / f"{number}.png").open("rb") as file:
                    yield file
            buffer = io.BytesIO()
            for number in range(6):
                buffer.seek(0)
                buffer.truncate()
                buffer.write((folder / f"{number}.png").read_bytes())
                yield buffer

        expected = [router.route(folder / f"{number}.png", "Which?") for number in range(6)] * 3
        check_same(router.route_batch(closed(), ("Which?" for _ in range(18)), window_queries=4), expected)

    def test_the_threads_end_with_the_batch(self, folder):
        def reading():
            return [thread for thread in threading.enumerate() if thread.name.startswith("arms-pictures")]

        router, images = Router(make_router()), [folder / "0.png"] * 50
        routes = router.route_batch(images, ["Which?"] * 50, window_queries=2)
        next(routes)
        assert reading()
        routes.close()
        assert not reading()
        router.route(folder / "0.png", "Which?")
        assert not reading()


def routed(images, questions, **settings):
    """How many routes came before the error, and the error."""
    count = 0
    try:
        for _ in Router(make_router()).route_batch(images, questions, **settings):
            count += 1
    except Exception as error:
        return count, error
    pytest.fail("there was no error")


class TestErrors:
    """What cannot be routed is named by its number, after the routes of all queries before it."""

    @pytest.mark.parametrize("window_queries", [1, 4, 256])
    def test_a_picture(self, folder, tmp_path, window_queries):
        (tmp_path / "text.png").write_text("no picture")
        images = [[folder / "0.png"]] * 9 + [[folder / "1.png", tmp_path / "text.png"]] + [[folder / "2.png"]] * 9
        count, error = routed(images, ["Why?"] * 19, window_queries=window_queries)
        assert isinstance(error, QueryError)
        assert (count, error.number) == (9, 9)
        assert str(error) == (
            f"query 9: {tmp_path / 'text.png'} is of no known format; expected one of PNG, JPEG, WEBP, GIF, BMP, TIFF, "
            "AVIF; replace the picture, or leave the query out"
        )

    def test_a_broken_picture_is_an_error_each_time(self, tmp_path):
        (tmp_path / "a.png").write_text("no picture")
        for _ in range(2):
            with pytest.raises(QueryError, match=r"query 0: .*a\.png is of no known format"):
                list(Router(make_router()).route_batch([tmp_path / "a.png"] * 5, ["Why?"] * 5))

    @pytest.mark.parametrize(
        ("images", "question", "message"),
        [
            ([], " ", "query 3: expected a question, an image or both, got neither"),
            ([], None, "question 3: expected text, got None"),
            ([5], "Why?", "query 3: expected an image as a path, binary file or PIL image, got int"),
            (["gone.png"], "Why?", "query 3: gone.png: no such image; replace the picture, or leave the query out"),
        ],
    )
    def test_a_query(self, images, question, message):
        count, error = routed([[], [], [], images, []], [*"abc", question, "d"])
        assert isinstance(error, ArmsError)
        assert str(error).startswith(message)
        assert count == 3

    @pytest.mark.parametrize(("counts", "missing"), [((5, 4), "question"), ((4, 5), "entry of images")])
    def test_iterators_of_unequal_length(self, counts, missing):
        images, questions = iter([()] * counts[0]), iter(["Why?"] * counts[1])
        count, error = routed(images, questions)
        assert isinstance(error, QueryError)
        assert str(error) == f"query 4: expected as many questions as entries of images, got no {missing}"
        assert count == 4

    def test_an_error_of_the_iterator_comes_as_it_is_after_what_was_there(self):
        def questions():
            yield from "abc"
            raise RuntimeError("the source is gone")

        count, error = routed(([] for _ in range(9)), questions(), window_queries=2)
        assert (count, str(error)) == (3, "the source is gone")

    def test_of_the_call_at_once(self):
        router = Router(make_router())
        with pytest.raises(ValueError, match="expected window_queries >= 1 and cache_mb >= 0, got 0 and 256"):
            router.route_batch([], [], window_queries=0)
        with pytest.raises(ArmsError, match="unknown VLM 'nobody'"):
            router.route_batch(iter([]), iter([]), exclude=["nobody"])
        with pytest.raises(ValueError, match="policy: expected a mapping"):
            router.route_batch(iter([]), iter([]), policy="cheapest")


def test_a_mean_budget_is_over_all_queries_whatever_the_window():
    router = Router(make_router())
    questions = [question * (1 + number % 5) for number, question in enumerate(QUESTIONS[:3] * 8)]
    routes = list(router.route_batch([()] * 24, questions, policy={"name": "cheapest", "tau": 0.5, "of": "cost"}))
    costs = np.array([[{r.vlm: r.expected_cost_usd for r in one.ranking}[vlm] for vlm in NAMES] for one in routes])
    confidence = np.array([[{r.vlm: r.confidence for r in one.ranking}[vlm] for vlm in NAMES] for one in routes])
    policy = {"name": "mean_budget", "budget": float(costs.mean() / 3), "of": "cost"}
    expected = [NAMES[chosen] for chosen in select(confidence.astype(np.float32), policy, NAMES, costs=costs)]
    for window_queries in (1, 5, 256):
        routes = router.route_batch([()] * 24, questions, policy=policy, window_queries=window_queries)
        assert [route.vlm for route in routes] == expected
    assert list(router.route_batch([], [], policy=policy)) == []


def test_progress(monkeypatch):
    router, seen = Router(make_router()), watch_progress(monkeypatch)
    list(router.route_batch([()] * 5, ["Why?"] * 5, window_queries=2))
    assert seen == [("route", 2, 5), ("route", 4, 5), ("route", 5, 5)]
    seen.clear()
    list(router.route_batch((() for _ in range(3)), ("Why?" for _ in range(3)), window_queries=2))
    assert seen == [("route", 2, None), ("route", 3, None)]
    seen.clear()
    router.route(question="Why?")
    assert seen == []


def test_of_too_many_pictures_the_first_are_read_and_a_warning_comes_once(folder, tmp_path, caplog):
    router = Router(make_router(image={"max_images": 2}))
    few = [[folder / "0.png", folder / "1.png"], []] * 4
    many = [[*of, tmp_path / "never-opened.png"] if of else of for of in few]
    with caplog.at_level("WARNING", logger="arms"):
        routes = list(router.route_batch(many, ["Why?"] * 8, window_queries=2))
    assert [record.getMessage() for record in caplog.records] == [
        "query 0 has 3 images; of a query with more than 2 the first 2 are read"
    ]
    check_same(routes, router.route_batch(few, ["Why?"] * 8))
