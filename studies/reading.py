"""Read the trained Phi: gates by task, a map of its fused vectors, and its confidences."""

import logging
from typing import Any

import numpy as np

from arms.data.atomic import atomic_folder
from arms.data.prepared import Prepared, write_json
from arms.data.splits import TEST_SPLITS
from arms.evaluation.tsne import tsne
from arms.features.loader import Queries
from arms.routers.arms import ArmsRouter
from stages.dataset import open_dataset
from stages.phi import load_phi
from stages.workspace import Stopwatch, open_workspace, stage
from studies.settings import RESULTS

NUM_MAPPED = 2000  # queries in the map of fused vectors: more would cover each other
NUM_BINS = 20

logger = logging.getLogger("studies.reading")


def main() -> None:
    """Write studies/results/<data>/reading: gates.json, confidences.json and map.json."""
    workspace, watch = open_workspace(), Stopwatch()
    dataset, encoders = open_dataset(workspace)
    phi, prepared = load_phi(workspace, encoders), dataset.prepared
    queries = dataset.queries(*TEST_SPLITS)
    reading = phi.read(queries)
    confidence_NS = phi.score(queries)
    with atomic_folder(RESULTS / workspace.params.data / "reading") as folder:
        write_json(gate_records(prepared, queries, reading.gate_NE), folder / "gates.json")
        write_json(confidence_records(prepared, queries, phi, confidence_NS), folder / "confidences.json")
        chosen = np.random.default_rng(workspace.params.seed).permutation(len(queries))[:NUM_MAPPED]
        points = tsne(reading.fused_ND[chosen], workspace.params.seed)
        write_json(map_records(prepared, queries, phi, chosen, points, confidence_NS), folder / "map.json")
    logger.info("read Phi on %s queries in %.1f s", f"{len(queries):,}", watch.elapsed_s)


def gate_records(prepared: Prepared, queries: Queries, gate_NE: np.ndarray) -> list[dict[str, Any]]:
    """Mean gate weights of each task, the task with the most queries first."""
    task_of = prepared.queries.set_index("query_id")["task"].loc[list(queries.ids)].to_numpy()
    tasks, counts = np.unique(task_of, return_counts=True)
    return [
        {"task": str(task), "queries": int(count), "weights": _rounded(gate_NE[task_of == task].mean(axis=0))}
        for count, task in sorted(zip(counts, tasks, strict=True), key=lambda pair: (-pair[0], pair[1]))
    ]


def confidence_records(
    prepared: Prepared, queries: Queries, phi: ArmsRouter, confidence_NS: np.ndarray
) -> list[dict[str, Any]]:
    """How many pairs of query and VLM are right and how many wrong, by confidence."""
    split_of = prepared.queries.set_index("query_id")["split"].loc[list(queries.ids)].to_numpy()
    outcomes_NS = prepared.outcome_matrix(queries.ids, phi.vlms)
    edges, records = np.linspace(0, 1, NUM_BINS + 1), []
    for split in TEST_SPLITS:
        rows = split_of == split
        counts = [np.histogram(confidence_NS[rows][outcomes_NS[rows] == value], edges)[0].tolist() for value in (1, 0)]
        records += [
            {"split": split, "low": round(float(low), 4), "high": round(float(high), 4), "right": right, "wrong": wrong}
            for low, high, right, wrong in zip(edges[:-1], edges[1:], *counts, strict=True)
        ]
    return records


def map_records(
    prepared: Prepared,
    queries: Queries,
    phi: ArmsRouter,
    chosen: np.ndarray,
    points: np.ndarray,
    confidence_NS: np.ndarray,
) -> list[dict[str, Any]]:
    """Where some queries' fused vectors are on the map, with the benchmark and the VLM that Phi chooses."""
    ids = [queries.ids[row] for row in chosen]
    benchmarks = prepared.queries.set_index("query_id")["benchmark"].loc[ids].tolist()
    best = confidence_NS[chosen].argmax(axis=1)
    return [
        {"x": round(float(x), 3), "y": round(float(y), 3), "benchmark": benchmark, "vlm": phi.vlms[vlm]}
        for (x, y), benchmark, vlm in zip(points, benchmarks, best, strict=True)
    ]


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


if __name__ == "__main__":
    with stage("reading"):
        main()
