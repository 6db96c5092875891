"""What a dataset holds, and how far its VLMs complement each other: which one is right where another one is wrong."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from arms.data.image_lists import distinct_images, num_images
from arms.data.prepared import Prepared
from arms.data.splits import SPLITS
from arms.evaluation.metrics import train_accuracy
from arms.evaluation.outcomes import FloatArray, checked_outcomes, is_answerable

Record = dict[str, Any]
ALL = "all"
# Kana and Han, which are written without spaces.
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def rescue_matrix(outcomes_NS: FloatArray) -> NDArray[np.float64]:
    """Return how often one VLM is right where another one is wrong, as the paper counts for two VLMs.

    Parameters
    ----------
    outcomes_NS : float array of shape (N, S), 1 right, 0 wrong, NaN unknown

    Returns
    -------
    float64 array of shape (S, S), in [0, 1]; [i, j] is the share of the queries that i got wrong, and where j's outcome
    is known, that j got right. NaN on the diagonal and where there is no such query.

    Raises
    ------
    ValueError
        If the array is not two-dimensional or holds anything but 0, 1 and NaN.
    """
    outcomes_NS = checked_outcomes(outcomes_NS)
    # Counts as float64, so that BLAS makes the products; they stay exact.
    wrong, right = (outcomes_NS == 0).astype(np.float64), (outcomes_NS == 1).astype(np.float64)
    rescued_SS = wrong.T @ right
    total_SS = wrong.T @ (wrong + right)
    np.fill_diagonal(total_SS, 0)
    return np.divide(rescued_SS, total_SS, out=np.full_like(total_SS, np.nan), where=total_SS > 0)


def dataset_statistics(prepared: Prepared) -> list[Record]:
    """Return what a prepared dataset holds, by split and benchmark.

    Parameters
    ----------
    prepared : Prepared

    Returns
    -------
    list of records that JSON can hold: for each split that has queries its benchmarks by name, then "all" of them;
    last "all" splits together. `images`, `languages` and `tasks` count distinct ones, `question_words` is the mean
    length of a question (a Chinese or Japanese character counts as a word), `answerable_base` and
    `answerable_extended` are queries that some VLM of the pool is known to answer, `known_outcomes` counts (query, VLM)
    pairs of the extended pool, and `accuracy` maps each VLM to its share of right among its known outcomes, None where
    it has none.
    """
    queries = prepared.queries
    outcomes = prepared.outcome_matrix(queries["query_id"], prepared.extended)
    words = queries["question"].map(_num_words).to_numpy()

    def record(split: str, benchmark: str, kept: NDArray[np.bool_]) -> Record:
        return {
            "split": split,
            "benchmark": benchmark,
            **_sizes(queries[kept], words[kept]),
            **_outcome_statistics(outcomes[kept], prepared),
        }

    split_of, benchmark_of = queries["split"].to_numpy(), queries["benchmark"].to_numpy()
    records: list[Record] = []
    for split in SPLITS:
        within = split_of == split
        for benchmark in sorted(set(benchmark_of[within])):
            records.append(record(split, benchmark, within & (benchmark_of == benchmark)))
        if within.any():
            records.append(record(split, ALL, within))
    return [*records, record(ALL, ALL, np.ones(len(queries), dtype=bool))] if len(queries) else []


def pool_statistics(prepared: Prepared) -> list[Record]:
    """Return how many queries each pool can be judged on, by split: Table 2 of arXiv:2606.08970.

    Parameters
    ----------
    prepared : Prepared

    Returns
    -------
    list of records that JSON can hold: for each pool and each split that has queries, then for "all" splits together,
    `vlms` counts the pool's VLMs, `queries` all queries, `complete` those on which every VLM of the pool has an
    outcome, and `answerable` the complete ones that some VLM of the pool answers. The paper keeps only these last ones.
    """
    split_of = prepared.queries["split"].to_numpy()
    records: list[Record] = []
    for pool, vlms in (("base", prepared.base), ("extended", prepared.extended)):
        outcomes = prepared.outcome_matrix(prepared.queries["query_id"], vlms)
        complete = ~np.isnan(outcomes).any(axis=1)
        answerable = complete & is_answerable(outcomes)
        for split in (*SPLITS, ALL):
            within = np.ones_like(complete) if split == ALL else split_of == split
            counts = {"queries": within, "complete": within & complete, "answerable": within & answerable}
            if within.any():
                sizes = {name: int(kept.sum()) for name, kept in counts.items()}
                records.append({"pool": pool, "vlms": len(vlms), "split": split, **sizes})
    return records


def comparison_record(prepared: Prepared) -> Record:
    """Return what Table 1 of arXiv:2606.08970 compares of a dataset.

    Returns
    -------
    dict that JSON can hold: `multimodal`, whether queries have images; `outputs`, whether what VLMs answered is
    recorded; `queries`, how many there are.
    """
    return {
        "multimodal": bool(num_images(prepared.queries["images_sha256"]).any()),
        "outputs": bool(prepared.recorded_outputs),
        "queries": len(prepared.queries),
    }


def _sizes(queries: pd.DataFrame, words: NDArray) -> Record:
    return {
        "queries": len(queries),
        "images": len(distinct_images(queries["images_sha256"])),
        "languages": int(queries["language"].nunique()),
        "tasks": int(queries["task"].nunique()),
        "question_words": float(words.mean()),
    }


def _outcome_statistics(outcomes: FloatArray, prepared: Prepared) -> Record:
    # A VLM's "train accuracy" is its share of right among known outcomes, whatever the split.
    accuracies = train_accuracy(outcomes).tolist()
    return {
        "answerable_base": int(is_answerable(outcomes[:, : len(prepared.base)]).sum()),
        "answerable_extended": int(is_answerable(outcomes).sum()),
        "known_outcomes": int((~np.isnan(outcomes)).sum()),
        "accuracy": {
            vlm: None if np.isnan(accuracy) else accuracy
            for vlm, accuracy in zip(prepared.extended, accuracies, strict=True)
        },
    }


def _num_words(question: str) -> int:
    """Count the words between spaces, and each unspaced character as a word; punctuation by itself does not count."""
    pieces = _UNSPACED.sub(r" \g<0> ", question).split()
    return sum(any(character.isalnum() for character in piece) for piece in pieces)
