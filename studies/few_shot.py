"""Extend the pool with few outcomes of the new VLMs."""

import numpy as np

from arms.data.scores import Scores
from arms.data.splits import TEST_SPLITS
from arms.features.dataset import Dataset
from stages.workspace import stage
from studies.joined import joined_scores
from studies.knn import knn_scores
from studies.setup import Json, Setup, open_setup, write_part

COUNTS = (0, 8, 16, 64, 256, 1024)


def main() -> None:
    """Write studies/results/<data>/extension/few-shot.json."""
    setup = open_setup()
    write_part(setup, "few-shot", study_few_shot(setup))


def study_few_shot(setup: Setup) -> list[Json]:
    """EM of the extended pool after n outcomes of each new VLM, by strategy and draw."""
    records = []
    for seed in setup.seeds:
        for count in COUNTS:
            for strategy, scores in _few_shot(setup, draw_known(setup.dataset, count, seed)).items():
                for split in TEST_SPLITS:
                    metrics = setup.judge.metrics_on(split, scores)
                    ems = {name: metrics[name] for name in ("em", "em_all")}
                    records.append({"outcomes": count, "strategy": strategy, "split": split, "seed": seed, **ems})
    return records


def draw_known(dataset: Dataset, count: int, seed: int) -> np.ndarray:
    """Draw `count` of the training queries that have outcomes of the new VLMs: bool of shape (N,)."""
    candidates = np.flatnonzero(dataset.labelled("train", dataset.prepared.new).known.any(axis=1))
    known = np.zeros(len(dataset.prepared.split("train")), dtype=bool)
    known[np.random.default_rng(seed).permutation(candidates)[:count]] = True
    return known


def _few_shot(setup: Setup, known: np.ndarray) -> dict[str, Scores]:
    nets = {"incremental": setup.extended("incremental", setup.phi, known)}
    if known.any():
        nets["independent"] = setup.extended("independent", setup.phi, known)
    scores = {strategy: setup.scored(strategy, net) for strategy, net in nets.items()}
    scores["kNN"] = knn_scores(setup, known)
    params = setup.workspace.params
    if params.safe.use:  # without outcomes Theta has nothing to learn from
        scores["arms"] = joined_scores(setup, nets.get(params.extend.strategy, nets["incremental"]), known)
    return scores


if __name__ == "__main__":
    with stage("few_shot"):
        main()
