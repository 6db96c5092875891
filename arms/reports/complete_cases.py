"""On which queries a pool was judged, in words: its complete cases, or only a partial replay."""

from collections.abc import Mapping
from typing import Any

from arms.evaluation.metrics import PARTIAL
from arms.reports.markdown import with_interval

Metrics = Mapping[str, Any]
NONE_COMPLETE = "no answerable query has an outcome of every VLM"


def partial_replay(metrics: Metrics) -> dict[str, Any] | None:
    """What a partial replay gave, under the names that the complete cases have; None if there is nothing of it."""
    if metrics.get("partial_em") is None:
        return None
    return {name: metrics[f"partial_{name}"] for name in PARTIAL if f"partial_{name}" in metrics}


def judged_or_replayed(metrics: Metrics) -> tuple[Metrics, bool]:
    """The metrics of the complete cases, and False; where there are none, those of a partial replay, and True."""
    replayed = partial_replay(metrics)
    return (metrics, False) if metrics["em"] is not None or replayed is None else (replayed, True)


def over_all(metrics: Metrics, em: float | None) -> float | None:
    """The EM over all queries that belongs to one over the answerable ones: no VLM is right on the others."""
    return None if em is None else em * metrics["queries"] / metrics["queries_all"]


def counts_text(metrics: Metrics) -> str:
    """Such as "90 answerable of 100 queries; 20 more lack an outcome of some VLM"."""
    text = f"{metrics['queries']:,} answerable of {metrics['queries_all']:,} queries"
    left_out = metrics.get("queries_incomplete", 0)
    return text + (f"; {left_out:,} more lack an outcome of some VLM" if left_out else "")


def replay_text(router: str, replayed: Metrics) -> str:
    """A sentence on what a partial replay gave for one router."""
    return (
        f"A partial replay, on {counts_text(replayed)}, each with the VLMs whose outcome is known there, gives "
        f"{router} an EM of {with_interval(replayed, 'em')} and a gain of {with_interval(replayed, 'gain', sign=True)}."
    )
