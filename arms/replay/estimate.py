"""EM and cost of a target on a log, with what one has to know beside the numbers."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from arms.errors import ArmsError
from arms.evaluation.off_policy.estimators import LEAST_SIZE, OffPolicy, estimate_cost, estimate_reward
from arms.evaluation.off_policy.logged import Logged
from arms.replay.decisions import Decisions, FloatArray
from arms.replay.targets import Target

_UNLIKELY = 0.01


@dataclass(frozen=True)
class Replayed:
    """What a target would have earned and cost.

    Attributes
    ----------
    judged : str
    reward : OffPolicy
        EM, or the mean score where only scores were given.
    cost : OffPolicy or None
        In USD; None without recorded costs, or where they support no estimate, as `no_cost` says.
    no_cost : str
    decisions, with_feedback : int
    left_out : dict of str to int
        Decisions that were left out, by reason.
    warnings : tuple of str
    """

    judged: str
    reward: OffPolicy
    cost: OffPolicy | None
    no_cost: str
    decisions: int
    with_feedback: int
    left_out: dict[str, int]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As `arms evaluate-log --json` prints it."""
        return asdict(self)


def replay(target: Target, least_size: float = LEAST_SIZE) -> Replayed:
    """Estimate a target's EM and mean cost.

    Raises
    ------
    ArmsError
        If there is no feedback, no support for the target, or too little.
    """
    decisions = target.decisions
    reward = estimate_reward(*_known(target, decisions.reward), least_size)
    cost, no_cost = None, "no costs were recorded"
    if not np.isnan(decisions.cost_usd).all():
        try:
            cost, no_cost = estimate_cost(*_known(target, decisions.cost_usd), least_size), ""
        except ArmsError as error:
            no_cost = str(error)
    not_kept = {"not kept": target.not_kept} if target.not_kept else {}
    return Replayed(
        judged=target.judged,
        reward=reward,
        cost=cost,
        no_cost=no_cost,
        decisions=len(decisions.chosen),
        with_feedback=int((~np.isnan(decisions.reward)).sum()),
        left_out=decisions.left_out | not_kept,
        warnings=_uneven_feedback(decisions),
    )


def _known(target: Target, value: FloatArray) -> tuple[Logged, FloatArray]:
    """The decisions whose value is known, and the target's chances there."""
    decisions, known = target.decisions, ~np.isnan(value)
    logged = Logged(
        vlms=decisions.vlms,
        chosen=decisions.chosen,
        propensity=decisions.propensity,
        possible=decisions.possible,
        value=np.where(known, value, 0.0),
        confidence=decisions.confidence,
        groups=decisions.groups,
        chance=decisions.chance,
    )
    return logged.where(known), target.chance_NS[known]


def _uneven_feedback(decisions: Decisions) -> tuple[str, ...]:
    """A warning if feedback came more often on some VLMs' answers: what it depends on may be what was answered."""
    said = ~np.isnan(decisions.reward)
    shares = {
        vlm: (int(said[of].sum()), int((~said[of]).sum()))
        for column, vlm in enumerate(decisions.vlms)
        if (of := decisions.answered == column).any()
    }
    table = np.array(list(shares.values())).T
    if len(shares) < 2 or not table.sum(axis=1).all():
        return ()
    if stats.chi2_contingency(table).pvalue >= _UNLIKELY:
        return ()
    rates = {vlm: with_it / (with_it + without) for vlm, (with_it, without) in shares.items()}
    least, most = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    return (
        f"feedback came on {rates[most]:.0%} of the answers of {most} and {rates[least]:.0%} of those of {least}: if "
        "it depends on how good an answer was, the estimates are biased",
    )
