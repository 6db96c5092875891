from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.baselines.knn import KnnRouter
from arms.baselines.neighbours import Neighbours
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from arms.features.labelled import masked_em
from arms.features.loader import Features, Queries
from arms.features.pooled import Embeddings
from tests.fakes import label

NAN = np.nan
NOTHING = Features({}, {})
VLMS = ("a", "b", "c", "d")


def make(count, seed, width=6):
    """Queries with random embeddings, and outcomes a third of which are unknown, those of the last VLM all."""
    rng = np.random.default_rng(seed)
    halves = rng.normal(size=(2, count, width // 2)).astype(np.float32)
    halves /= np.linalg.norm(halves, axis=2, keepdims=True)
    rows = np.zeros(count, dtype=np.int64)
    queries = Queries(tuple(map(str, range(count))), NOTHING, NOTHING, rows, rows, Embeddings(*halves))
    outcomes = rng.choice([0, 1, NAN], size=(count, 4)).astype(np.float32)
    outcomes[:, 3] = NAN
    return label(queries, outcomes, VLMS)


def by_loop(train, queries, num_neighbours, weights):
    """The same in plain Python."""
    outcomes = train.outcomes
    scores = np.empty((len(queries), outcomes.shape[1]))
    known_vectors = train.queries.embeddings.matrix("normalised")
    for i, vector in enumerate(queries.embeddings.matrix("normalised")):
        cosines = known_vectors @ vector
        nearest = np.argsort(-cosines, kind="stable")[:num_neighbours]
        for j in range(outcomes.shape[1]):
            known = [k for k in nearest if not np.isnan(outcomes[k, j])]
            weight = [1.0 if weights == "uniform" else max(cosines[k], 1e-6) for k in known]
            column = outcomes[:, j][~np.isnan(outcomes[:, j])]
            if known:
                scores[i, j] = sum(w * outcomes[k, j] for w, k in zip(weight, known, strict=True)) / sum(weight)
            else:
                scores[i, j] = (column.sum() + 0.5) / (len(column) + 1)
    return scores


def knn(num_neighbours, weights="uniform", index="flat"):
    return KnnRouter(VLMS, features="normalised", num_neighbours=num_neighbours, weights=weights, index=index)


@pytest.mark.parametrize("num_neighbours", [1, 2, 7, 40, 1000])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_brute_force(weights, num_neighbours):
    train, queries = make(40, 0), make(15, 1).queries
    scores = knn([num_neighbours], weights).fit(train).score(queries)
    np.testing.assert_allclose(scores, by_loop(train, queries, num_neighbours, weights), atol=1e-5)
    assert scores[:, 3] == pytest.approx(0.5)  # nothing is known of it


def test_a_query_seen_in_training_is_its_own_nearest():
    train = make(40, 0)
    train.outcomes[:] = np.nan_to_num(train.outcomes)
    router = knn([1], "distance").fit(train)
    np.testing.assert_allclose(router.score(train.queries), train.outcomes, atol=1e-6)


def test_k_is_chosen_on_val():
    """The best of the candidates by EM on val; the first of equals, and the first one without val."""
    train, val = make(60, 0), make(40, 1)
    candidates = [3, 1, 15, 60]

    def em(num_neighbours):
        return masked_em(by_loop(train, val.queries, num_neighbours, "uniform"), val.outcomes)

    router = knn(candidates)
    assert router.fit(train, val).num_neighbours == max(candidates, key=em)
    assert len({em(k) for k in candidates}) > 1
    for nothing in (None, val.subset(np.arange(0)), val.forget(np.full(40, True), VLMS)):
        assert router.fit(train, nothing).num_neighbours == 3


def test_k_is_chosen_from_one_search(monkeypatch):
    searched = []
    search = Neighbours.search
    monkeypatch.setattr(Neighbours, "search", lambda self, *args: searched.append(args[1]) or search(self, *args))
    knn([3, 1, 15]).fit(make(60, 0), make(40, 1))
    assert searched == [15]


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_an_approximate_index_changes_little(index, weights):
    train, queries = make(2500, 0), make(300, 1).queries
    exact, approximate = (knn([20], weights, kind).fit(train).score(queries) for kind in ("flat", index))
    assert (exact.argmax(axis=1) == approximate.argmax(axis=1)).mean() > 0.9
    assert np.abs(exact - approximate).mean() < 0.02
    assert np.abs(exact - approximate).max() > 0


def test_what_no_neighbour_tells_is_the_share_in_training():
    """Neighbours that an approximate index did not find weigh nothing."""
    router = knn([3], "uniform").fit(make(40, 0))
    similarity, neighbours = np.array([[0.9, 0.5, 0], [0, 0, 0]], np.float32), np.array([[4, 7, -1], [-1, -1, -1]])
    router.told[4], router.told[7] = (torch.tensor([right, 0, 1, 0, 1, 0, 1, 0]) for right in (1, 0))
    scores = router._means(similarity, neighbours)
    np.testing.assert_allclose(scores, [[0.5, router.prior[1], 1, 0.5], router.prior], rtol=1e-6)


def test_it_learns_where_each_vlm_is_strong():
    """Each of three VLMs is right on one side of the space; K nearest neighbours tell which."""
    train, test = make(600, 0, width=4), make(200, 1, width=4)
    for part in (train, test):
        side = part.queries.embeddings.text[:, [0]] > np.array([-0.5, 0.0, 0.5])
        part.outcomes[:] = np.column_stack([side[:, 0], ~side[:, 1], side[:, 2], side[:, 1]])
    scores = knn([15], "distance").fit(train).score(test.queries)
    right = test.outcomes[np.arange(200), scores.argmax(axis=1)].mean()
    assert right > test.outcomes.mean(axis=0).max() + 0.15
    assert right > 0.95


def test_an_unknown_index_is_refused():
    settings = {"features": "normalised", "num_neighbours": [5], "weights": "distance", "index": "tree"}
    with pytest.raises(ArmsError, match=r"baselines\.knn\.index: expected 'flat', 'ivf' or 'hnsw', got 'tree'"):
        build_router("knn", ("a",), settings, seed=0)


def test_embeddings_are_needed():
    train = make(5, 0)
    with pytest.raises(ArmsError, match=r"no pooled embeddings; make them with arms\.features\.pooling"):
        knn([1]).fit(replace(train, queries=replace(train.queries, embeddings=None)))
