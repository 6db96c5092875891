"""What a target policy would have chosen: the log's own without exploration, another policy, or another router."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.errors import ArmsError
from arms.progress import progress_bar
from arms.replay.decisions import Decisions
from arms.routers.router import Router
from arms.selection.policies import EXPENSES
from arms.selection.select import check_is_mapping, select

FloatArray = NDArray[np.float64]
_AT_ONCE = 32  # queries that a router scores together


@dataclass(frozen=True, eq=False)
class Target:
    """A target policy on the decisions that it can be asked about.

    Attributes
    ----------
    decisions : Decisions
        Those; their confidences are the target's router's.
    chance_NS : float array of shape (N, S); rows sum to 1
    judged : str
        What is judged, in words.
    not_kept : int
        Decisions left out as what was asked was not kept.
    """

    decisions: Decisions
    chance_NS: FloatArray
    judged: str
    not_kept: int = 0


def own_target(decisions: Decisions) -> Target:
    """What the log's own policy chose before exploration; an ArmsError if the log does not say."""
    if decisions.greedy is None:
        raise ArmsError("expected --router: outcome tables hold no confidences, only a router can choose")
    return Target(decisions, _certain(decisions.greedy, decisions), "the router and policy of the log, not exploring")


def policy_target(decisions: Decisions, policy: Mapping[str, Any]) -> Target:
    """What another policy chooses by the log's confidences; expenses are those that the log shows on average."""
    check_is_mapping(policy)
    if decisions.greedy is None:
        raise ArmsError("expected --router: outcome tables hold no confidences, only a router can choose")
    known = ~np.isnan(decisions.confidence)
    expense = {name: _mean_expense(decisions, name, policy) for name in ("costs", "latencies")}
    choice = select(np.where(known, decisions.confidence, 0.0), policy, decisions.vlms, known, **expense)
    return Target(decisions, _certain(choice, decisions), f"the router of the log by the policy {dict(policy)}")


def router_target(decisions: Decisions, router: Router, policy: Mapping[str, Any] | None, name: str) -> Target:
    """What another router chooses; an ArmsError if nothing of what was asked was kept."""
    decisions = decisions.with_vlms(router.vlms)
    number = len(decisions.chosen)
    place = {vlm: column for column, vlm in enumerate(decisions.vlms)}
    confidence = np.full((number, len(place)), np.nan)
    choice = np.full(number, -1)
    with progress_bar("score", "decisions") as progress:
        for start in range(0, number, _AT_ONCE):
            rows = range(start, min(start + _AT_ONCE, number))
            kept = [(row, of) for row, of in zip(rows, decisions.contents(rows), strict=True) if of is not None]
            pictures, questions = [of[0] for _, of in kept], [of[1] for _, of in kept]
            for (row, _), route in zip(kept, router.route_batch(pictures, questions, policy=policy), strict=True):
                choice[row] = place[route.vlm]
                for ranked in route.ranking:
                    confidence[row, place[ranked.vlm]] = ranked.confidence
            progress(rows.stop, number)
    scored = choice >= 0
    if not scored.any():
        raise ArmsError(
            "expected questions and pictures for the router to score, none was kept; set keep.questions and "
            "keep.images: true in the gateway's settings for what is to come"
        )
    decisions = replace(decisions, confidence=confidence).where(scored)
    chosen = _certain(choice[scored], decisions)
    judged = f"the router {name}" + ("" if policy is None else f" by the policy {dict(policy)}")
    return Target(decisions, chosen, judged, number - int(scored.sum()))


def _certain(choice: NDArray[np.int64], decisions: Decisions) -> FloatArray:
    """The chances of a policy that draws nothing."""
    chance = np.zeros(decisions.able.shape)
    chance[np.arange(len(choice)), choice] = 1.0
    return chance


def _mean_expense(decisions: Decisions, name: str, policy: Mapping[str, Any]) -> FloatArray | None:
    """The mean cost or latency of each VLM's answers, shape (N, S), if the policy weighs it."""
    if policy.get("of") not in EXPENSES or (policy["of"] == "cost") != (name == "costs"):
        return None
    values = decisions.cost_usd if name == "costs" else decisions.latency_s
    known = ~np.isnan(values)
    of_vlm = [values[known & (decisions.answered == column)] for column in range(len(decisions.vlms))]
    without = [vlm for vlm, some in zip(decisions.vlms, of_vlm, strict=True) if not len(some)]
    if without:
        raise ArmsError(
            f"policy {policy.get('name')}: expected {name} of every VLM in the log, got none of {', '.join(without)}; "
            "set price_in and price_out in the gateway's settings, or let it explore"
        )
    return np.broadcast_to([float(some.mean()) for some in of_vlm], decisions.able.shape)
