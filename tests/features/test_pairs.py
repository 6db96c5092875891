"""Pairs of pictures and question among the features of queries: in memory and on disk."""

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.features.loader import Features, Pairs, gather_queries, read_batches
from arms.features.pooled import Embeddings
from tests.stores import keys, write_store

NUM, WIDTH = 12, 5
VECTORS = np.random.default_rng(0).random((NUM, WIDTH)).astype(np.float32)
KEYS = keys(*range(NUM))
WANTED = [KEYS[3], None, KEYS[0], KEYS[3], KEYS[11], None]
EXPECTED = np.stack([np.zeros(WIDTH, dtype=np.float32) if key is None else VECTORS[KEYS.index(key)] for key in WANTED])


@pytest.fixture(params=["memory", "disk"])
def queries(request, tmp_path):
    store = write_store(tmp_path / "pair.zarr", {"pooled": VECTORS[:7]}, {"pooled": VECTORS[7:]})
    features = store.load() if request.param == "memory" else store.open()
    names = [str(row) for row in range(len(WANTED))]
    both = Features({"pooled": np.zeros((6, 2), dtype=np.float32)}, {name: row for row, name in enumerate(names)})
    return gather_queries(names, names, names, both, both, Pairs.gather(features, WANTED, WIDTH))


def test_vectors(queries):
    np.testing.assert_array_equal(queries.pairs.vectors().numpy(), EXPECTED)
    np.testing.assert_array_equal(queries.batch(np.array([4, 1, 0])).pair_ND.numpy(), EXPECTED[[4, 1, 0]])
    np.testing.assert_array_equal(queries.subset(np.array([5, 2])).pairs.vectors().numpy(), EXPECTED[[5, 2]])


def test_loaded(queries):
    loaded = queries.subset(np.array([1, 4, 3])).load()
    assert loaded.in_memory
    np.testing.assert_array_equal(loaded.pairs.vectors().numpy(), EXPECTED[[1, 4, 3]])


def test_window_by_window(queries):
    windows = queries.windows(3 * (2 * 2 * 4 + WIDTH * 4))
    assert len(windows) > 1
    found = np.empty_like(EXPECTED)
    for index, batch in read_batches(queries, windows, 2):
        found[index] = batch.pair_ND.numpy()
    np.testing.assert_array_equal(found, EXPECTED)


def test_of_no_pair():
    pairs = Pairs.gather(Features({}, {}), [None, None], WIDTH)
    assert not pairs.vectors().any()
    assert pairs.vectors().shape == (2, WIDTH)
    assert Pairs.gather(Features({}, {}), [], WIDTH).vectors().shape == (0, WIDTH)


def test_a_pair_that_was_never_encoded():
    features = Features({"pooled": VECTORS}, dict(zip(KEYS, range(NUM), strict=True)))
    with pytest.raises(ArmsError, match="1 of 2 keys have no features, such as other; run: dvc repro encode"):
        Pairs.gather(features, ["other", None, KEYS[0]], WIDTH)


def test_among_the_features_of_routers():
    rng = np.random.default_rng(1)
    text, image, pair = (rng.random((4, width)).astype(np.float32) for width in (3, 2, WIDTH))
    both, three = Embeddings(text, image), Embeddings(text, image, pair)
    np.testing.assert_array_equal(three.matrix("concat"), np.concatenate([text, image, pair], axis=1))
    np.testing.assert_array_equal(both.matrix("concat"), np.concatenate([text, image], axis=1))
    for embeddings in (both, three):
        np.testing.assert_allclose(np.linalg.norm(embeddings.matrix("normalised"), axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(three.matrix("pair"), axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(three.subset(np.array([2, 0])).pair, pair[[2, 0]])
    with pytest.raises(ArmsError, match="features: pair needs a joint encoder: set `pair` in conf/encoders"):
        both.matrix("pair")
