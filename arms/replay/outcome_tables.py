"""The decisions that outcome tables hold: outcomes with a propensity."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arms.data.tables import read_dataset
from arms.errors import ArmsError
from arms.replay.decisions import Content, Decisions, numbered


def decisions_of_tables(folder: Path) -> Decisions:
    """Read a dataset's outcomes that have a propensity, each as one decision; they hold no confidences.

    A propensity below 1 says that every VLM of the tables could have been drawn; the importer of a gateway's log
    leaves out others.

    Raises
    ------
    ArmsError
        If the folder is no dataset, or no outcome has a propensity.
    """
    dataset = read_dataset(folder)
    outcomes = dataset.outcomes
    drawn = outcomes["propensity"].notna() if "propensity" in outcomes else np.zeros(len(outcomes), dtype=bool)
    rows = outcomes[drawn].merge(dataset.queries, on="query_id").reset_index(drop=True)
    if rows.empty:
        raise ArmsError(
            f"{folder}: expected outcomes with a propensity, the chance with which their VLM was asked, got none of "
            f"{len(outcomes):,}; import a gateway's log, or read it itself"
        )
    vlms = tuple(dict.fromkeys(rows["vlm"]))
    chosen = rows["vlm"].map({vlm: number for number, vlm in enumerate(vlms)}).to_numpy(dtype=np.int64)
    shape = len(rows), len(vlms)
    correct = rows["correct"].astype("Float64")
    score = rows["score"].astype("Float64") if "score" in rows else correct

    def contents(of: Sequence[int]) -> list[Content | None]:
        some = rows.iloc[list(of)]
        return [
            ([folder / image for image in images], question)
            for images, question in zip(some["images"], some["question"], strict=True)
        ]

    def numbers(column: str) -> np.ndarray:
        return rows[column].to_numpy(dtype=np.float64) if column in rows else np.full(len(rows), np.nan)

    return Decisions(
        vlms=vlms,
        chosen=chosen,
        propensity=rows["propensity"].to_numpy(dtype=np.float64),
        confidence=np.full(shape, np.nan),
        able=np.ones(shape, dtype=bool),
        reward=correct.fillna(score).to_numpy(dtype=np.float64, na_value=np.nan),
        cost_usd=numbers("cost_usd"),
        latency_s=numbers("latency_s"),
        answered=chosen,
        groups=numbered(
            [images or question for images, question in zip(rows["images"], rows["question"], strict=True)]
        ),
        contents=contents,
    )
