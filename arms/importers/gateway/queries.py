"""Which requests of a gateway's log ask the same, and what was learned of each VLM on it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from arms.traffic.reading import ROUTED


@dataclass(frozen=True)
class Asked:
    """What was asked, in one request or in several that are the same.

    Attributes
    ----------
    query_id : str
        The id of its first request.
    image_sha256 : tuple of str
    question_sha256 : str
    learned : tuple of dict
        A row for each VLM of which something was said: vlm, correct, score, and cost_usd, latency_s, output where it
        was the one that answered, and propensity where it was the one that was chosen, nothing else asked the same,
        and every VLM of the log could have been chosen.
    """

    query_id: str
    image_sha256: tuple[str, ...]
    question_sha256: str
    learned: tuple[dict[str, Any], ...]


def asked_queries(decisions: pd.DataFrame, feedback: pd.DataFrame) -> Iterator[Asked]:
    """What was asked and has feedback, the oldest first; requests of the same content are one query.

    Of several requests that had the same VLM answer, the latest with feedback counts. Where several requests are
    joined, no outcome keeps a propensity: that of one request is not the chance with which the joined query shows this
    VLM. Nor does a draw from a part of the pool, such as within a budget: tables do not say who was in it.
    """
    pool = {vlm for confidences in decisions["confidences"] for vlm in confidences}
    said = {key: rows.to_dict("records") for key, rows in feedback.groupby("request_id", sort=False)}
    by_content: dict[str, list[dict[str, Any]]] = {}
    for row in decisions.to_dict("records"):
        by_content.setdefault(_content_key(row), []).append(row)
    for requests in by_content.values():
        learned: dict[str, dict[str, Any]] = {}
        for request in requests:
            for told in said.get(request["request_id"], ()):
                if isinstance(told["vlm"], str):
                    learned[told["vlm"]] = _outcome(request, told, drawn=len(requests) == 1 and _is_draw(request, pool))
        if learned:
            first = requests[0]
            yield Asked(
                first["request_id"], tuple(first["image_sha256"]), first["question_sha256"], tuple(learned.values())
            )


def _content_key(request: Mapping[str, Any]) -> str:
    """The checksum of what was asked: the question's and those of the images, in their order."""
    return hashlib.sha256("\n".join([request["question_sha256"], *request["image_sha256"]]).encode()).hexdigest()


def _is_draw(request: Mapping[str, Any], pool: set[str]) -> bool:
    """Whether the router chose, for certain or by a draw from the whole pool."""
    return request["reason"] in ROUTED and (request["propensity"] == 1 or request["confidences"].keys() >= pool)


def _outcome(request: Mapping[str, Any], told: Mapping[str, Any], *, drawn: bool) -> dict[str, Any]:
    vlm = told["vlm"]
    outcome = {"vlm": vlm, "correct": _known(told["correct"]), "score": _known(told["score"])}
    if vlm == request["vlm"]:
        outcome |= {name: _known(request[name]) for name in ("cost_usd", "latency_s", "output")}
        if drawn and vlm == request["chosen"]:
            outcome["propensity"] = request["propensity"]
    return outcome


def _known(value: Any) -> Any:
    return None if pd.isna(value) else value
