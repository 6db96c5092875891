"""Routers on nearest neighbours, exact and approximate, against plain loops."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from arms.baselines.knn import KnnRouter, NeighbourRouter
from arms.baselines.neighbours import IndexKind
from arms.baselines.prknn import PrknnRouter
from arms.features.labelled import Labelled
from benchmarks.record import Line
from benchmarks.router_parts.plain import PlainNeighbours, ScikitLearnNeighbours
from benchmarks.router_parts.scoring import CPU, UNIT, batch_us, single_us, times_as_fast
from benchmarks.router_parts.setup import Setup
from benchmarks.timing import interleave, seconds

PART = "neighbours"
Routers = Mapping[IndexKind, NeighbourRouter]
Loops = Mapping[str, Callable[[np.ndarray], list[float]]]

_NAMES: Mapping[IndexKind, str] = {"flat": "exact", "ivf": "IVF", "hnsw": "HNSW"}
_LEAST_RECALL = 0.95
# How many times as fast in a batch as the loop.
_KNN_TARGETS: Mapping[IndexKind, float | None] = {"flat": 10, "ivf": 50, "hnsw": None}
_PRKNN_TARGETS: Mapping[IndexKind, float | None] = {"flat": 30, "ivf": None}


def measure_neighbours(setup: Setup) -> list[Line]:
    """Fit, recall, and times in a batch and alone, in turn with the loops."""
    train = setup.train
    assert train.costs is not None
    given = _vectors(train), train.outcomes, train.costs, setup.scale.neighbours
    plain, scikit_learn = PlainNeighbours(*given), ScikitLearnNeighbours(*given)
    knn = {index: _router(KnnRouter, setup, index) for index in _KNN_TARGETS}
    prknn = {index: _router(PrknnRouter, setup, index) for index in _PRKNN_TARGETS}
    return [
        *_fit(setup, "kNN", knn),
        *_recall(setup, knn),
        *_times(setup, "kNN", knn, _KNN_TARGETS, {"numpy": plain.knn, "scikit-learn": scikit_learn.knn}),
        *_fit(setup, "PRkNN", prknn),
        *_times(setup, "PRkNN", prknn, _PRKNN_TARGETS, {"numpy": plain.prknn}),
    ]


def _router(router_class: type[NeighbourRouter], setup: Setup, index: IndexKind) -> NeighbourRouter:
    num = [setup.scale.neighbours]
    return router_class(setup.train.vlms, features="normalised", num_neighbours=num, weights="distance", index=index)


def _fit(setup: Setup, kind: str, routers: Routers) -> list[Line]:
    lines = []
    for index, router in routers.items():
        work = partial(router.fit, setup.train, setup.val)
        lines.append(Line(part=PART, name=f"{kind}, {_NAMES[index]}: fit", unit="s", runs=(seconds(work, CPU),)))
    return lines


def _recall(setup: Setup, routers: Routers) -> list[Line]:
    """Share of the exact neighbours that each index finds."""
    vectors = _vectors(setup.scored)
    found = {index: router.neighbours.search(vectors, setup.scale.neighbours)[1] for index, router in routers.items()}
    exact = Line(part=PART, name="kNN, exact: neighbours found", unit="share", runs=(1.0,))
    lines = [exact]
    for index in ("ivf", "hnsw"):
        recall = np.mean([np.isin(*rows).mean() for rows in zip(found["flat"], found[index], strict=True)])
        line = Line(part=PART, name=f"kNN, {_NAMES[index]}: neighbours found", unit="share", runs=(float(recall),))
        lines.append(line.over(exact, at_least=_LEAST_RECALL))
    return lines


def _times(
    setup: Setup, kind: str, routers: Routers, targets: Mapping[IndexKind, float | None], loops: Loops
) -> list[Line]:
    scale, scored = setup.scale, setup.scored
    sample = _vectors(scored)[: scale.sample]
    for loop in loops.values():
        expected = [loop(vector) for vector in sample]
        np.testing.assert_allclose(routers["flat"].score_vectors(sample), expected, atol=1e-3)
    runs = interleave(
        scale.rounds,
        *(partial(_loop_us, loop, sample) for loop in loops.values()),
        *(partial(batch_us, router, scored) for router in routers.values()),
        *(partial(single_us, router, scored.queries, scale.singles) for router in routers.values()),
    )
    names = [
        *(f"{kind}, plain loop after a search by {name}" for name in loops),
        *(f"{kind}, {_NAMES[index]}, in a batch" for index in routers),
        *(f"{kind}, {_NAMES[index]}, alone" for index in routers),
    ]
    lines = [Line(part=PART, name=name, unit=UNIT, runs=taken) for name, taken in zip(names, runs, strict=True)]
    reference, own = lines[0], lines[len(loops) :]
    wanted = [*(targets[index] for index in routers), *(None for _ in routers)]
    compared = [times_as_fast(line, reference, at_least=least) for line, least in zip(own, wanted, strict=True)]
    return [*lines[: len(loops)], *compared]


def _loop_us(loop: Callable[[np.ndarray], list[float]], vectors: np.ndarray) -> float:
    return seconds(lambda: [loop(vector) for vector in vectors], CPU) / len(vectors) * 1e6


def _vectors(labelled: Labelled) -> np.ndarray:
    assert labelled.queries.embeddings is not None
    return labelled.queries.embeddings.matrix("normalised")
