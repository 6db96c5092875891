"""What is wanted of the routes of a call, and what they are ranked by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arms.params.costs import CostsParams

if TYPE_CHECKING:
    from arms.safe.why import Why


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is wanted for all queries of a call; `left` are the VLMs that are not excluded, bool of shape (S,)."""

    left: np.ndarray
    policy: Mapping[str, Any]
    costs: CostsParams | None
    why: bool
    tools: bool


@dataclass(frozen=True, eq=False)
class Scored:
    """What N queries are ranked by: arrays of shape (N, S), `expected` in USD; and what their routes say besides."""

    confidence: np.ndarray
    able: np.ndarray
    expected: np.ndarray | None
    unable: list[dict[str, str]]
    reasons: "list[Why | None]"


def join_scored(windows: Iterable[Scored]) -> list[Scored]:
    """Several windows as one; none if there is none."""
    parts = list(windows)
    if not parts:
        return []
    expected = [part.expected for part in parts if part.expected is not None]
    joined = Scored(
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.able for part in parts]),
        np.concatenate(expected) if expected else None,
        [unable for part in parts for unable in part.unable],
        [reason for part in parts for reason in part.reasons],
    )
    return [joined]
