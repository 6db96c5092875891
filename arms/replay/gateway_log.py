"""The decisions of a gateway's own log."""

import io
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from arms.errors import ArmsError
from arms.replay.decisions import Content, Decisions, numbered
from arms.traffic.reading import ROUTED, read_decisions, read_feedback, read_pictures, read_questions
from arms.traffic.store import Store


def decisions_of_log(store: Store, since: datetime | None = None) -> Decisions:
    """Read the decisions that the router made.

    The choice counts, whoever answered in the end: what its fallbacks earned and cost is part of what it earned. Left
    out are requests that named their VLM, stayed with a session's, or got the default as the router failed.

    Raises
    ------
    ArmsError
        If there is none.
    """
    log = read_decisions(store, since)
    routed = log["reason"].isin(ROUTED) & log["confidences"].map(bool)
    left_out = Counter(log["reason"][~routed])
    rows = log[routed].reset_index(drop=True)
    if rows.empty:
        raise ArmsError(
            f"{store.shown}: expected decisions of the router, got none of {len(log):,}; send it requests of model auto"
        )
    names: dict[str, None] = {}
    for confidences, chosen, greedy in zip(rows["confidences"], rows["chosen"], rows["greedy"], strict=True):
        names.update(dict.fromkeys((*confidences, chosen, greedy)))
    vlms = tuple(names)
    place = {vlm: number for number, vlm in enumerate(vlms)}
    confidence = np.array([[of.get(vlm, np.nan) for vlm in vlms] for of in rows["confidences"]], dtype=np.float64)

    def contents(of: Sequence[int]) -> list[Content | None]:
        return _contents(store, rows.iloc[list(of)])

    return Decisions(
        vlms=vlms,
        chosen=rows["chosen"].map(place).to_numpy(dtype=np.int64),
        propensity=rows["propensity"].to_numpy(dtype=np.float64),
        confidence=confidence,
        able=~np.isnan(confidence),
        reward=_rewards(rows, read_feedback(store)),
        cost_usd=rows["cost_usd"].to_numpy(dtype=np.float64),
        latency_s=rows["latency_s"].to_numpy(dtype=np.float64),
        answered=rows["vlm"].map(lambda vlm: place.get(vlm, -1)).to_numpy(dtype=np.int64),
        groups=numbered(_pictures_or_question(rows)),
        contents=contents,
        greedy=rows["greedy"].map(place).to_numpy(dtype=np.int64),
        left_out=dict(sorted(left_out.items())),
    )


def _rewards(rows: pd.DataFrame, feedback: pd.DataFrame) -> np.ndarray:
    """Right (1) or wrong (0), else the score; NaN where nothing was said of the answer that was given."""
    said = rows[["request_id", "vlm"]].merge(feedback, how="left", on=["request_id", "vlm"])
    said.loc[said["vlm"].isna(), ["correct", "score"]] = pd.NA
    correct = said["correct"].astype("Float64")
    return correct.fillna(said["score"].astype("Float64")).to_numpy(dtype=np.float64, na_value=np.nan)


def _pictures_or_question(rows: pd.DataFrame) -> list[Any]:
    return [tuple(of) or question for of, question in zip(rows["image_sha256"], rows["question_sha256"], strict=True)]


def _contents(store: Store, rows: pd.DataFrame) -> list[Content | None]:
    """The pictures and questions of some decisions; None where they were not kept."""
    questions = read_questions(store, list(rows["question_sha256"]))
    pictures = dict(read_pictures(store, [sha256 for of in rows["image_sha256"] for sha256 in of]))
    found: list[Content | None] = []
    for of, question in zip(rows["image_sha256"], rows["question_sha256"], strict=True):
        whole = question in questions and pictures.keys() >= set(of)
        found.append(([io.BytesIO(pictures[sha256]) for sha256 in of], questions[question]) if whole else None)
    return found
