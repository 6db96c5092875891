import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.features.loader import Features, Queries
from arms.routers import knn
from arms.routers.knn import KnnRouter
from arms.training.losses import masked_em

NAN = np.nan
NOTHING = Features({}, {})


def make(count, seed, width=6):
    """Queries with random embeddings, and outcomes a third of which are unknown, those of the last VLM all."""
    rng = np.random.default_rng(seed)
    halves = rng.normal(size=(2, count, width // 2)).astype(np.float32)
    halves /= np.linalg.norm(halves, axis=2, keepdims=True)
    rows = np.zeros(count, dtype=np.int64)
    queries = Queries(tuple(map(str, range(count))), NOTHING, NOTHING, rows, rows, np.concatenate(halves, axis=1))
    outcomes = rng.choice([0, 1, NAN], size=(count, 4)).astype(np.float32)
    outcomes[:, 3] = NAN
    return queries, outcomes


def by_loop(train, outcomes, queries, num_neighbours, weights):
    """The same in plain Python."""
    scores = np.empty((len(queries), outcomes.shape[1]))
    for i, embedding in enumerate(queries.embeddings):
        cosines = train.embeddings @ embedding / 2
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


@pytest.mark.parametrize("num_neighbours", [1, 2, 7, 40, 1000])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_brute_force(weights, num_neighbours):
    (train, outcomes), (queries, _) = make(40, 0), make(15, 1)
    router = KnnRouter(("a", "b", "c", "d"), num_neighbours=[num_neighbours], weights=weights).fit(train, outcomes)
    expected = by_loop(train, outcomes, queries, num_neighbours, weights)
    np.testing.assert_allclose(router.score(queries), expected, atol=1e-5)
    assert router.score(queries)[:, 3] == pytest.approx(0.5)  # nothing is known of it


def test_a_query_seen_in_training_is_its_own_nearest():
    train, outcomes = make(40, 0)
    known = np.nan_to_num(outcomes)
    router = KnnRouter(("a", "b", "c", "d"), num_neighbours=[1], weights="distance").fit(train, known)
    np.testing.assert_allclose(router.score(train), known, atol=1e-6)


def test_k_is_chosen_on_val():
    """The best of the candidates by EM on val; the first of equals, and the first one without val."""
    (train, outcomes), (val, val_outcomes) = make(60, 0), make(40, 1)
    candidates = [3, 1, 15, 60]

    def em(num_neighbours):
        return masked_em(by_loop(train, outcomes, val, num_neighbours, "uniform"), val_outcomes)

    router = KnnRouter(("a", "b", "c", "d"), num_neighbours=candidates, weights="uniform")
    assert router.fit(train, outcomes, val, val_outcomes).num_neighbours == max(candidates, key=em)
    assert len({em(k) for k in candidates}) > 1
    assert router.fit(train, outcomes).num_neighbours == 3
    nobody = val.subset(np.arange(0))
    assert router.fit(train, outcomes, nobody, val_outcomes[:0]).num_neighbours == 3
    assert router.fit(train, outcomes, val, np.full_like(val_outcomes, NAN)).num_neighbours == 3


def test_embeddings_are_needed():
    train, outcomes = make(5, 0)
    with pytest.raises(ArmsError, match=r"no pooled embeddings; make them with arms\.features\.embeddings"):
        KnnRouter(("a", "b", "c", "d"), num_neighbours=[1], weights="uniform").fit(
            replace(train, embeddings=None), outcomes
        )


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("flags : fpu avx2 avx512f", "SkylakeX"), ("flags\t: fpu avx2", "Haswell"), ("flags : fpu", None), ("", None)],
)
def test_openblas_is_told_of_the_processor(monkeypatch, tmp_path, flags, expected):
    knn.import_faiss()  # as this processor is; what follows would mislead it
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\n{flags}\n")
    monkeypatch.setattr(knn, "Path", lambda _: cpuinfo)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert knn.import_faiss().__name__ == "faiss"
    assert os.environ.get("OPENBLAS_CORETYPE") == expected
    monkeypatch.setenv("OPENBLAS_CORETYPE", "mine")
    knn.import_faiss()
    assert os.environ["OPENBLAS_CORETYPE"] == "mine"


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ArmsError, match=r"faiss is not installed; install arms\[cpu\], or arms\[gpu\]"):
        knn.import_faiss()
