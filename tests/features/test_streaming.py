"""Features on disk give what features in memory give: rows, windows, batches, and a trained router."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.errors import ArmsError
from arms.features.arrays import Ragged
from arms.features.loader import Queries, gather_queries, read_batches
from arms.features.store import FeatureStore
from arms.training.order import shuffled
from tests.fakes import label, make_queries, make_router

NUM_IMAGES, NUM_TEXTS, NUM_QUERIES = 23, 9, 60


def keys_of(kind, count):
    return [hashlib.sha256(f"{kind} {number}".encode()).hexdigest() for number in range(count)]


def write_store(path, name, keys, array, rows_per_shard=4):
    """A store of this array in several shards, its keys in an order of their own."""
    store = FeatureStore(path, {"arrays": [name]})
    with store.writing():
        for start in range(0, len(keys), rows_per_shard):
            rows = range(start, min(start + rows_per_shard, len(keys)))
            if isinstance(array, Ragged):
                part = Ragged.join([array.values[array.offsets[row] : array.offsets[row + 1]] for row in rows])
            else:
                part = array[rows.start : rows.stop]
            store.write_shard([keys[row] for row in rows], {name: part})
        store.finish()
    return store


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory):
    """The same queries with features in memory and on disk."""
    folder, rng = tmp_path_factory.mktemp("stores"), np.random.default_rng(0)
    states = rng.normal(size=(NUM_IMAGES, 5, 8)).astype(np.float16)
    tokens = Ragged.join([rng.normal(size=(length, 6)).astype(np.float16) for length in rng.integers(1, 12, NUM_TEXTS)])
    image_keys, text_keys = keys_of("image", NUM_IMAGES), keys_of("text", NUM_TEXTS)
    stores = (
        write_store(folder / "image.zarr", "states", image_keys, states),
        write_store(folder / "text.zarr", "states", text_keys, tokens),
    )
    ids = [str(number) for number in range(NUM_QUERIES)]
    asked = [image_keys[row] for row in rng.integers(0, NUM_IMAGES, NUM_QUERIES)]
    questions = [text_keys[row] for row in rng.integers(0, NUM_TEXTS, NUM_QUERIES)]
    loaded = gather_queries(ids, asked, questions, *(store.load() for store in stores))
    opened = gather_queries(ids, asked, questions, *(store.open() for store in stores))
    assert (loaded.in_memory, opened.in_memory) == (True, False)
    return loaded, opened


def assert_same_batch(got, expected):
    for name in ("image_NP", "question_N"):
        assert torch.equal(getattr(got, name), getattr(expected, name))
    for name in ("images", "questions"):
        one, other = getattr(got, name), getattr(expected, name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def assert_same_batches(loaded, opened, index):
    """From disk, and from a part of it that was loaded."""
    assert_same_batch(opened.batch(index), loaded.batch(index))
    part = opened.subset(index).load()
    assert part.in_memory
    assert_same_batch(part.batch(np.arange(len(index))), loaded.batch(index))


@settings(deadline=None, max_examples=50)
@given(index=st.lists(st.integers(0, NUM_QUERIES - 1), min_size=1, max_size=30))
def test_batches_are_the_same(both_ways, index):
    assert_same_batches(*both_ways, np.array(index))


@settings(deadline=None, max_examples=50)
@given(num_bytes=st.integers(1, 4000))
def test_windows(both_ways, num_bytes):
    loaded, opened = both_ways
    windows = loaded.windows(num_bytes)
    for one, other in zip(windows, opened.windows(num_bytes), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sorted(np.concatenate(windows)) == list(range(NUM_QUERIES))
    images = [set(loaded.first_images[window]) for window in windows]
    assert sum(map(len, images)) == len(set(loaded.first_images))  # none in two windows
    rank = loaded.images.key_rank
    for before, after in pairwise(images):
        assert max(rank[list(before)]) < min(rank[list(after)])
    largest = max(_bytes_by_image(loaded).values())
    for window in windows:
        part = loaded.subset(window)
        assert sum(_bytes_by_image(part).values()) <= num_bytes + largest


def _bytes_by_image(queries):
    """Bytes of each image's features together with its questions' features."""
    total = {row: int(queries.images.row_bytes(np.array([row]))[0]) for row in set(queries.first_images)}
    for image, text in zip(queries.first_images, queries.text_rows, strict=True):
        total[image] += int(queries.texts.row_bytes(np.array([text]))[0])
    return total


def test_one_window_where_all_fits(both_ways):
    loaded, _ = both_ways
    (window,) = loaded.windows(10**6)
    np.testing.assert_array_equal(window, np.arange(NUM_QUERIES))
    assert [len(window) for window in loaded.subset(np.array([], dtype=np.int64)).windows(1)] == [0]


def test_windows_do_not_depend_on_the_order_in_which_a_store_was_written(tmp_path):
    keys = keys_of("image", NUM_IMAGES)
    states = np.arange(NUM_IMAGES, dtype=np.float32).reshape(-1, 1)
    texts = write_store(tmp_path / "t.zarr", "pooled", keys_of("text", 1), states[:1]).load()
    found = []
    for order in (np.arange(NUM_IMAGES), np.random.default_rng(1).permutation(NUM_IMAGES)):
        store = write_store(tmp_path / f"{order[0]}.zarr", "pooled", [keys[row] for row in order], states[order])
        queries = gather_queries(keys, keys, keys_of("text", 1) * NUM_IMAGES, store.load(), texts)
        found.append([window.tolist() for window in queries.windows(40)])
    assert found[0] == found[1]
    assert len(found[0]) > 2


def test_reading_window_by_window(both_ways):
    loaded, opened = both_ways
    rng = np.random.default_rng(2)
    orders = [rng.permutation(window) for window in loaded.windows(1500)]
    assert len(orders) > 2
    expected = list(read_batches(loaded, orders, 7))
    got = list(read_batches(opened, iter(orders), 7))
    np.testing.assert_array_equal(np.concatenate([index for index, _ in got]), np.concatenate(orders))
    for (index, batch), (same_index, same_batch) in zip(got, expected, strict=True):
        np.testing.assert_array_equal(index, same_index)
        assert len(index) <= 7
        assert_same_batch(batch, same_batch)
    assert list(read_batches(opened, [], 7)) == []


def test_damage_met_on_the_way_ends_the_reading(tmp_path):
    keys = keys_of("image", 8)
    store = write_store(tmp_path / "x.zarr", "pooled", keys, np.ones((8, 4), np.float32))
    chunk = store.folder / "shard-00001" / "pooled" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[3] ^= 4
    chunk.write_bytes(content)
    features = store.open()
    queries = gather_queries(keys, keys, keys, features, features)
    reading = read_batches(queries, [np.arange(4), np.arange(4, 8)], 4)
    next(reading)
    with pytest.raises(ArmsError, match="shard-00001 is damaged: pooled/c/0/0: its bytes do not match their checksum"):
        next(reading)


@pytest.mark.parametrize("group_by_image", [False, True])
def test_a_router_trained_either_way_is_the_same(tmp_path, group_by_image):
    made = make_queries(150)
    cut = {"image": {"tunable_layers": 1}, "text": {"tunable_layers": 1}}
    trained = []
    for way in ("load", "open"):
        router = make_router(**cut, epochs=2, train={"group_by_image": group_by_image, "shuffle_window_mb": 1})
        queries = made.encode(router.encoders)
        stores = [
            _stored(tmp_path / way / f"{modality}.zarr", features, encoder)
            for modality, features, encoder in (
                ("image", queries.images, router.encoders.image),
                ("text", queries.texts, router.encoders.text),
            )
        ]
        features = [getattr(store, way)() for store in stores]
        keys = [list(one.row_of) for one in features]
        queries = gather_queries(
            queries.ids,
            [keys[0][row] for row in queries.first_images],
            [keys[1][row] for row in queries.text_rows],
            *features,
        )
        assert queries.in_memory == (way == "load")
        # The smallest window that can be set holds all of these: divide it as larger features would be.
        queries = _Divided(**vars(queries))
        assert len(queries.windows(2**20)) > 3
        train = label(queries, made.outcomes, router.vlms)
        router.fit(train, train)
        trained.append((router.net.state_dict(), router.score(queries)))
    (weights, scores), (same_weights, same_scores) = trained
    assert all(torch.equal(weights[name], same_weights[name]) for name in weights)
    np.testing.assert_array_equal(scores, same_scores)


class _Divided(Queries):
    """Queries in windows a thousand times smaller than asked for."""

    def windows(self, num_bytes):
        return super().windows(num_bytes // 1000)


def _stored(path, features, encoder):
    ((name, array),) = features.arrays.items()
    keys = [hashlib.sha256(key.encode()).hexdigest() for key in features.row_of]
    store = FeatureStore(path, encoder.fingerprint)
    with store.writing():
        store.write_shard(keys, {name: array})
        store.finish()
    return store


@pytest.fixture(scope="module", params=["mixed", "several", "none"])
def any_number(request, tmp_path_factory):
    """Queries of any number of images, or of two at least, or without any, in memory and on disk."""
    folder, rng = tmp_path_factory.mktemp("stores"), np.random.default_rng(1)
    states = rng.normal(size=(NUM_IMAGES, 5, 8)).astype(np.float16)
    image_keys, text_keys = keys_of("image", NUM_IMAGES), keys_of("text", NUM_TEXTS)
    stores = (
        write_store(folder / "image.zarr", "states", image_keys, states),
        write_store(folder / "text.zarr", "states", text_keys, states[:NUM_TEXTS]),
    )
    ids = [str(number) for number in range(NUM_QUERIES)]
    fewest, most = {"mixed": (0, 4), "several": (2, 4), "none": (0, 0)}[request.param]
    counts = rng.integers(fewest, most + 1, NUM_QUERIES)
    lists = [[image_keys[row] for row in rng.integers(0, NUM_IMAGES, count)] for count in counts]
    questions = [text_keys[row] for row in rng.integers(0, NUM_TEXTS, NUM_QUERIES)]
    return [
        gather_queries(ids, lists, questions, *features)
        for features in ([store.load() for store in stores], [store.open() for store in stores])
    ]


@settings(deadline=None, max_examples=30)
@given(index=st.lists(st.integers(0, NUM_QUERIES - 1), min_size=1, max_size=20))
def test_batches_of_any_number_of_images_are_the_same(any_number, index):
    assert_same_batches(*any_number, np.array(index))


@pytest.mark.parametrize("num_bytes", [1, 300, 1500, 10**7])
def test_windows_keep_queries_of_one_first_image_together(any_number, num_bytes):
    loaded, opened = any_number
    windows = loaded.windows(num_bytes)
    for one, other in zip(windows, opened.windows(num_bytes), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sorted(np.concatenate(windows)) == list(range(NUM_QUERIES))
    firsts = [set(loaded.first_images[window]) - {-1} for window in windows]
    assert sum(map(len, firsts)) == len(set(loaded.first_images) - {-1})
    assert (len(windows) > 2) == (num_bytes < 10**7)


def test_reading_any_number_of_images_window_by_window(any_number):
    loaded, opened = any_number
    orders = loaded.windows(1500)
    pairs = zip(read_batches(opened, orders, 7), read_batches(loaded, orders, 7), strict=True)
    for (index, batch), (same_index, same_batch) in pairs:
        np.testing.assert_array_equal(index, same_index)
        assert_same_batch(batch, same_batch)


def test_queries_of_one_image_stay_together_and_those_without_are_shuffled(any_number):
    loaded, _ = any_number
    (order,) = shuffled(loaded, loaded.windows(10**7), np.random.default_rng(3), group_by_image=True)
    assert sorted(order) == list(range(NUM_QUERIES))
    firsts = loaded.first_images[order]
    seen = [first for before, first in pairwise([None, *firsts]) if first != before and first >= 0]
    assert len(seen) == len(set(seen)), "each image comes in one piece"
    if 0 < (firsts < 0).sum() < NUM_QUERIES:
        assert np.ptp(np.flatnonzero(firsts < 0)) >= (firsts < 0).sum(), "those without are between the others"
