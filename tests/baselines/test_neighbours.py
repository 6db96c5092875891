import logging
import os
import sys

import numpy as np
import pytest
import torch

from arms.baselines import neighbours
from arms.baselines.neighbours import FEWEST, Neighbours
from arms.errors import ArmsError
from arms.features.pooled import unit_norm

WIDTH = 24


def clustered(count, seed, centres=40):
    """Vectors around centres that are the same for every seed."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(size=(centres, WIDTH))
    vectors = means[rng.integers(0, centres, count)] + 0.5 * rng.normal(size=(count, WIDTH))
    return unit_norm(vectors).astype(np.float32)


def spread(count, seed):
    """Vectors without clusters."""
    return unit_norm(np.random.default_rng(seed).normal(size=(count, WIDTH))).astype(np.float32)


@pytest.fixture
def settings_found(caplog):
    """What the log says of the effort."""
    caplog.set_level(logging.INFO, logger="arms.baselines.neighbours")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_the_exact_index_sorts_all_inner_products(count):
    vectors, queries = 3 * spread(count, 0), clustered(7, 1)
    similarity, found = Neighbours(vectors, "flat", num_neighbours=20).search(queries, 20)
    products = queries @ vectors.T
    expected = np.argsort(-products, axis=1)[:, :20]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(similarity, np.take_along_axis(products, expected, axis=1), atol=1e-5)


@pytest.mark.parametrize("make", [clustered, spread])
@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_an_approximate_index_finds_95_percent_whatever_the_vectors(index, make, settings_found):
    vectors, queries = make(3000, 0), make(400, 1)
    _, exact = Neighbours(vectors, "flat", num_neighbours=50).search(queries, 50)
    similarity, found = Neighbours(vectors, index, num_neighbours=50).search(queries, 50)
    recall = np.mean([np.isin(*pair).mean() for pair in zip(exact, found, strict=True)])
    assert recall >= 0.95
    products = np.where(found >= 0, np.einsum("md,mkd->mk", queries, vectors[found]), 0)
    np.testing.assert_allclose(similarity, products, atol=1e-5)
    assert all((np.diff(row[row != 0]) <= 0).all() for row in similarity)
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in found)
    (message,) = settings_found()
    assert message.startswith(f"index {index}: ")


def test_vectors_without_clusters_take_more_effort(settings_found):
    for make in (clustered, spread):
        Neighbours(make(3000, 0), "ivf", num_neighbours=50)
    clusters, none = (int(message.split("nprobe ")[1].split(" ")[0]) for message in settings_found())
    assert clusters < none <= 53


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_the_same_vectors_give_the_same_index(index):
    vectors, queries = clustered(2500, 0), clustered(60, 1)
    one, other = (Neighbours(vectors, index, num_neighbours=20).search(queries, 20) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_a_list_at_a_time_finds_what_a_query_at_a_time_does():
    vectors, queries = clustered(3000, 0), clustered(400, 1)
    index = Neighbours(vectors, "ivf", num_neighbours=20)
    similarity, found = index.search(queries, 20)
    alone = [index.search(query[None], 20) for query in queries]
    np.testing.assert_array_equal(found, np.concatenate([row for _, row in alone]))
    np.testing.assert_allclose(similarity, np.concatenate([row for row, _ in alone]), atol=1e-6)


def test_few_queries_are_searched_as_many_are(monkeypatch):
    vectors, queries = clustered(2000, 0), clustered(200, 1)
    index = Neighbours(vectors, "flat", num_neighbours=20)
    similarity, found = index.search(queries, 20)
    monkeypatch.setattr(neighbours, "_search_few", None)
    for name in ("_FEW", "_FEW_PRODUCTS"):
        monkeypatch.setattr(neighbours, name, 100)
        same, rows = index.search(queries, 20)
        np.testing.assert_array_equal(found, rows)
        np.testing.assert_allclose(similarity, same, atol=1e-6)
        monkeypatch.undo()


def test_there_is_nothing_where_too_few_are_found():
    """More neighbours than the lists hold that are looked at, by query and by list alike."""
    vectors = clustered(3000, 0)
    index = Neighbours(vectors, "ivf", num_neighbours=1)
    for queries in (vectors[:1], vectors[:500]):
        similarity, found = index.search(queries, 2900)
        there = found >= 0
        assert not there.all()
        assert (there.sum(axis=1) > 0).all()
        assert (similarity[~there] == 0).all()
        assert np.isfinite(similarity).all()
        np.testing.assert_array_equal(found[:, 0], np.arange(len(queries)))


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_few_vectors_are_searched_exactly(index, settings_found):
    vectors, queries = clustered(FEWEST - 1, 0), clustered(9, 1)
    found = Neighbours(vectors, index, num_neighbours=30).search(queries, 30)
    np.testing.assert_array_equal(found, Neighbours(vectors, "flat", num_neighbours=30).search(queries, 30))
    assert settings_found() == [f"index {index}: exact, as 1689 vectors are fewer than 1690"]


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_the_fewest_vectors_are_enough_for_k_means(index, capfd):
    """FAISS writes a warning past Python where they are not."""
    Neighbours(clustered(FEWEST, 0), index, num_neighbours=5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("index", "message"), [("ivf", "index ivf: nprobe "), ("hnsw", "index hnsw: exact, as ")])
def test_many_copies_of_few_vectors(index, message, settings_found):
    """Which copies are found is left open, not how near they are; the graph falls to pieces."""
    vectors = spread(40, 0)[np.arange(4000) % 40]
    similarity, _ = Neighbours(vectors, index, num_neighbours=60).search(vectors[:40], 60)
    np.testing.assert_allclose(similarity, 1, atol=1e-5)
    assert settings_found()[0].startswith(message)


@pytest.mark.parametrize("index", ["flat", "ivf"])
def test_queries_are_searched_in_batches(index, monkeypatch):
    vectors, queries = clustered(2000, 0), clustered(70, 1)
    built = Neighbours(vectors, index, num_neighbours=10)
    whole = built.search(queries, 10)
    monkeypatch.setattr(neighbours, "_BATCH", 32)
    np.testing.assert_array_equal(built.search(queries, 10)[1], whole[1])
    assert [array.shape for array in built.search(queries[:0], 10)] == [(0, 10)] * 2


@pytest.mark.parametrize(("index", "moved"), [("flat", 1), ("ivf", 1), ("hnsw", 0)])
def test_gpus_are_used_where_faiss_has_any(index, moved, monkeypatch):
    faiss = neighbours.import_faiss()
    vectors, queries, seen = clustered(2000, 0), clustered(50, 1), []
    expected = Neighbours(vectors, index, num_neighbours=10).search(queries, 10)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_all_gpus", lambda index: seen.append(index) or index, raising=False)
    found = Neighbours(vectors, index, num_neighbours=10).search(queries, 10)
    assert len(seen) == moved
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize(
    ("has", "expected"),
    [({"avx2": True, "avx512_f": True}, "SkylakeX"), ({"avx2": True, "avx512_f": False}, "Haswell"), ({}, None)],
)
def test_openblas_knows_the_processor(monkeypatch, has, expected):
    neighbours.import_faiss()  # as this processor is; what follows would mislead it
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert neighbours.import_faiss().__name__ == "faiss"
    assert os.environ.get("OPENBLAS_CORETYPE") == expected
    monkeypatch.setenv("OPENBLAS_CORETYPE", "mine")
    neighbours.import_faiss()
    assert os.environ["OPENBLAS_CORETYPE"] == "mine"


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ArmsError, match=r"faiss is not installed; install arms\[cpu\], or arms\[gpu\]"):
        neighbours.import_faiss()
