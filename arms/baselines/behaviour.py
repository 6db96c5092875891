"""VLMs described by what they got right and wrong, so that a net can read a new VLM without training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from arms.errors import ArmsError

_PRIOR_COUNT = 5.0  # average queries that are added to a VLM's right ones, and as many to its wrong ones


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What S VLMs did on C queries.

    Attributes
    ----------
    vectors_SH : Tensor of shape (S, H), float32
    log_odds_S : Tensor of shape (S,), float32
        Log odds of the share of right outcomes; near 0 where few are known.
    mean_H : Tensor of shape (H,), float32
        Mean state of the C queries.
    """

    vectors_SH: Tensor
    log_odds_S: Tensor
    mean_H: Tensor


def behaviour_on(states_CH: Tensor, outcomes_CS: Tensor) -> Behaviour:
    """For each VLM, the mean state of the queries that it got right minus that of those it got wrong.

    Both means are pulled towards the mean of all C queries, more strongly where there are few. A VLM of unknown
    behaviour has zeros. Linear discriminant analysis separates right from wrong by this difference. It is linear in
    the states, so it means the same for a new VLM as for those that a net was trained on.

    Parameters
    ----------
    states_CH : Tensor of shape (C, H), float32
    outcomes_CS : Tensor of shape (C, S), float32
        1 right, 0 wrong, NaN unknown.
    """
    mean_H = states_CH.sum(dim=0) / max(len(states_CH), 1)
    right_SC, wrong_SC = ((outcomes_CS == value).T.float() for value in (1, 0))
    num_right_S1, num_wrong_S1 = right_SC.sum(dim=1, keepdim=True), wrong_SC.sum(dim=1, keepdim=True)
    mean_right_SH = (right_SC @ states_CH + _PRIOR_COUNT * mean_H) / (num_right_S1 + _PRIOR_COUNT)
    mean_wrong_SH = (wrong_SC @ states_CH + _PRIOR_COUNT * mean_H) / (num_wrong_S1 + _PRIOR_COUNT)
    log_odds_S1 = torch.log((num_right_S1 + 0.5) / (num_wrong_S1 + 0.5))
    return Behaviour(mean_right_SH - mean_wrong_SH, log_odds_S1[:, 0], mean_H)


class BehaviourReadout(nn.Module):
    """Logit that a VLM is right on a query, from its behaviour and the query's state z.

    scale <A (z - mean) + b, v> + a log_odds + c + g . (z - mean). This is the inner product of the query's vector
    [scale (A (z - mean) + b), 1, g . (z - mean)] and the VLM's vector [v, a log_odds + c, 1]. A starts as the
    identity, so the net starts as linear discriminant analysis on the states.

    Parameters
    ----------
    width : int
        H.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = linear_from_identity(width, bias=True)
        self.level = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.level.weight)
        self.odds = nn.Parameter(torch.tensor([1.0, 0.0]))
        self.log_scale = nn.Parameter(torch.tensor(0.0))

    def forward(self, states_MH: Tensor, behaviour: Behaviour) -> Tensor:
        """Logits of shape (M, S)."""
        away_MH = states_MH - behaviour.mean_H
        level_S = self.odds[0] * behaviour.log_odds_S + self.odds[1]
        return self.log_scale.exp() * self.query(away_MH) @ behaviour.vectors_SH.T + level_S + self.level(away_MH)


def linear_from_identity(width: int, *, bias: bool) -> nn.Linear:
    """A linear layer that starts as the identity."""
    linear = nn.Linear(width, width, bias=bias)
    nn.init.eye_(linear.weight)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear


def check_new_vlm(name: str, vlms: Sequence[str], outcomes: np.ndarray, num_queries: int, what: str) -> None:
    """Raise an ArmsError if the name is taken, or if there is not one outcome (1, 0 or NaN) for each query."""
    if name in vlms:
        raise ArmsError(f"with_vlm: {name!r} is in the pool already; the pool: {', '.join(vlms)}")
    if outcomes.shape != (num_queries,):
        raise ArmsError(
            f"with_vlm: expected an outcome for each of the {num_queries} {what}, shape ({num_queries},), "
            f"got shape {outcomes.shape}"
        )
    odd = outcomes[~(np.isnan(outcomes) | (outcomes == 0) | (outcomes == 1))]
    if len(odd):
        raise ArmsError(f"with_vlm: expected outcomes of 1, 0 or NaN, got {odd[0]:g}")
