"""The net of `LatentRouter`: attention between a query's capsules and the VLMs' capability tokens."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from scipy.special import logit
from torch import Tensor, nn
from torch.nn import functional as F

from arms.baselines.embedding import share_correct
from arms.baselines.gradient import Centre


@dataclass(frozen=True, eq=False)
class Capabilities:
    """What S VLMs can do, by their outcomes on the training queries of each of C clusters.

    Attributes
    ----------
    base_S : ndarray of shape (S,), float32
        Log odds of each VLM's share of right outcomes.
    above_SC : ndarray of shape (S, C), float32
        By how much the log odds in a cluster are above those; 0 where no outcome is known.
    seen_S : ndarray of shape (S,), bool
        The VLMs with a known outcome.
    """

    base_S: np.ndarray
    above_SC: np.ndarray
    seen_S: np.ndarray

    @classmethod
    def of(cls, outcomes_NS: np.ndarray, cluster_N: np.ndarray) -> Self:
        """Count outcomes; a VLM's share over all of training counts as one more outcome in each cluster."""
        share_S, known_NS = share_correct(outcomes_NS), ~np.isnan(outcomes_NS)
        member_CN = (np.arange(cluster_N.max() + 1)[:, None] == cluster_N).astype(np.float64)
        share_CS = (member_CN @ np.nan_to_num(outcomes_NS) + share_S) / (member_CN @ known_NS + 1)
        base_S, logit_CS = logit(share_S), logit(share_CS)
        return cls(base_S.astype(np.float32), (logit_CS - base_S).T.astype(np.float32), known_NS.any(axis=0))


class LatentNet(nn.Module):
    """Logits: a VLM's log odds over all of training, plus at most `bound` in either direction.

    All weights are shared by the VLMs, which differ only in their tokens. Before training the logits are the log odds.

    Parameters
    ----------
    vectors_ND : ndarray of shape (N, D)
        Training vectors, to centre on.
    capabilities : Capabilities
    num_capsules : int
    width : int
        H, of capsules and tokens.
    num_rounds : int
    bound : float
    """

    def __init__(
        self,
        vectors_ND: np.ndarray,
        capabilities: Capabilities,
        *,
        num_capsules: int,
        width: int,
        num_rounds: int,
        bound: float,
    ) -> None:
        super().__init__()
        self.bound = bound
        base_S, seen_S = torch.tensor(capabilities.base_S), torch.tensor(capabilities.seen_S)
        told_SP = torch.cat([base_S[:, None], torch.tensor(capabilities.above_SC)], dim=1)
        self.register_buffer("base_S", base_S)
        self.register_buffer("told_SP", told_SP)
        # A VLM of which nothing is known tells the query nothing, unless that holds for all.
        self.register_buffer("heard_S", seen_S if seen_S.any() else ~seen_S)
        self.capsules = nn.Sequential(
            Centre(vectors_ND),
            nn.Linear(vectors_ND.shape[1], num_capsules * width),
            nn.Unflatten(1, (num_capsules, width)),
        )
        self.tokens = nn.Linear(told_SP.shape[1], width)
        self.rounds = nn.ModuleList(_Round(width) for _ in range(num_rounds))
        self.norm = nn.LayerNorm(width)
        self.correction = nn.Linear(width, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, vectors_ND: Tensor) -> Tensor:
        """Logits of shape (N, S)."""
        capsules_NKH = self.capsules(vectors_ND)
        tokens_NSH = self.tokens(self.get_buffer("told_SP")).expand(len(vectors_ND), -1, -1)
        for exchange in self.rounds:
            capsules_NKH, tokens_NSH = exchange(capsules_NKH, tokens_NSH, self.get_buffer("heard_S"))
        correction_NS = self.correction(self.norm(tokens_NSH))[:, :, 0]
        return self.get_buffer("base_S") + self.bound * torch.tanh(correction_NS)


class _Round(nn.Module):
    """The capsules hear the tokens, then the tokens hear the capsules."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_capsules = _Hear(width)
        self.to_tokens = _Hear(width)

    def forward(self, capsules_NKH: Tensor, tokens_NSH: Tensor, heard_S: Tensor) -> tuple[Tensor, Tensor]:
        capsules_NKH = self.to_capsules(capsules_NKH, tokens_NSH, heard_S)
        return capsules_NKH, self.to_tokens(tokens_NSH, capsules_NKH)


class _Hear(nn.Module):
    """Attention of one set of vectors to another, and a hidden layer, both added to the first set."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.norm_others, self.norm_hidden = (nn.LayerNorm(width) for _ in range(3))
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.hidden = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, states_NAH: Tensor, others_NBH: Tensor, heard_B: Tensor | None = None) -> Tensor:
        others_NBH = self.norm_others(others_NBH)
        states_NAH = states_NAH + F.scaled_dot_product_attention(
            self.query(self.norm(states_NAH)), self.key(others_NBH), self.value(others_NBH), attn_mask=heard_B
        )
        return states_NAH + self.hidden(self.norm_hidden(states_NAH))
