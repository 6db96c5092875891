"""The pairwise answer ranker of LLM-Blender (Jiang et al. 2023, arXiv:2306.02561), on pooled embeddings."""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional as F

from arms.baselines.gradient import Count, Training, seeded, train_small_net
from arms.baselines.output_aware import OutputAwareRouter, ReadAnswers
from arms.features.pooled import FeatureKind
from arms.routers.base import Consulted

_LEAST = 1e-6  # lowest confidence in a VLM that was asked; 0 means that it was not


class PairRankerRouter(OutputAwareRouter):
    """Asks every VLM and takes the answer that is most likely better than the others.

    A net compares two answers to one query. A VLM's confidence is the mean probability that its answer wins against
    those of the others; 0.5 if no other VLM has answered. The published comparator is a cross-encoder of the three
    texts; this one reads their embeddings.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    hidden_width : int
    training
        See `Training`; a batch is so many queries, each with all its pairs of a right and a wrong answer.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        hidden_width: Count,
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features)
        self.hidden_width = hidden_width
        self.seed = training["seed"]
        self.training = training

    def fit_answers(self, train: ReadAnswers, val: ReadAnswers | None) -> None:
        """Train the comparator on pairs of a right and a wrong answer; keep the epoch with the best EM on val."""
        with seeded(self.seed):
            self.net = PairComparator(train.vectors_ND.shape[1], train.answer_width, self.hidden_width)
        outcomes_NS = torch.from_numpy(train.outcomes)
        comparable = np.flatnonzero((train.outcomes == 1).any(axis=1) & (train.outcomes == 0).any(axis=1))
        index_M = torch.from_numpy(comparable)
        train_small_net(
            self.net,
            lambda rows: pair_loss(self.net(*train.inputs(index_M[rows])), outcomes_NS[index_M[rows]]),
            len(index_M),
            **self.training,
            val_em=None if val is None else lambda: val.labelled.em(self.consult_answers(val).confidence),
        )

    def consult_answers(self, answers: ReadAnswers) -> Consulted:
        """Ask every VLM with a recorded answer; see `consult`."""
        recorded_NS = answers.recorded
        wins_NS = mean_wins(expit(answers.run(self.net)), recorded_NS)
        confidence_NS = np.where(recorded_NS, wins_NS.clip(_LEAST, 1), 0).astype(np.float32)
        return Consulted(confidence_NS, recorded_NS)


class PairComparator(nn.Module):
    """Logit that answer i is better than answer j: f(q, a_i, a_j) - f(q, a_j, a_i), f a net of one hidden layer.

    Swapping the answers flips the sign. Equal answers give 0; before training every pair does.

    Parameters
    ----------
    query_width, answer_width : int
        D and P of `ReadAnswers.inputs`.
    hidden_width : int
    """

    def __init__(self, query_width: int, answer_width: int, hidden_width: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_width, hidden_width)
        self.first = nn.Linear(answer_width, hidden_width, bias=False)
        self.second = nn.Linear(answer_width, hidden_width, bias=False)
        self.out = nn.Linear(hidden_width, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, query_ND: Tensor, answers_NSP: Tensor) -> Tensor:
        """Logits of shape (N, S, S): row i against column j."""
        first_NSH = self.query(query_ND)[:, None] + self.first(answers_NSP)
        hidden_NSSH = F.relu(first_NSH[:, :, None] + self.second(answers_NSP)[:, None])
        raw_NSS = self.out(hidden_NSSH).squeeze(-1)
        return raw_NSS - raw_NSS.transpose(1, 2)


def pair_loss(logits_NSS: Tensor, outcomes_NS: Tensor) -> Tensor:
    """Mean binary cross-entropy over the pairs of a right answer i and a wrong answer j; scalar, in nats.

    Pairs with equal or unknown outcomes are left out; if no pair remains, the loss is 0.
    """
    pairs_NSS = (outcomes_NS == 1)[:, :, None] & (outcomes_NS == 0)[:, None]
    return (F.softplus(-logits_NSS) * pairs_NSS).sum() / pairs_NSS.sum().clamp(min=1)


def mean_wins(wins_NSS: np.ndarray, recorded_NS: np.ndarray) -> np.ndarray:
    """Mean of each row over the other VLMs with an answer, shape (N, S); 0.5 if no other VLM has one."""
    rivals_NSS = recorded_NS[:, None] & ~np.eye(recorded_NS.shape[1], dtype=bool)
    count_NS = rivals_NSS.sum(axis=2)
    total_NS = np.where(rivals_NSS, wins_NSS, 0).sum(axis=2)
    return np.divide(total_NS, count_NS, out=np.full(count_NS.shape, 0.5), where=count_NS > 0)
