"""The cascade of FrugalGPT (Chen et al. 2024, arXiv:2305.05176), on pooled embeddings."""

import logging
from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional as F

from arms.baselines.embedding import share_correct
from arms.baselines.frugal_search import Plan, search_plan, shortlist
from arms.baselines.gradient import Count, Positive, Training, seeded, train_small_net
from arms.baselines.output_aware import OutputAwareRouter, ReadAnswers
from arms.features.pooled import FeatureKind
from arms.routers.base import Consulted
from arms.training.losses import masked_loss

logger = logging.getLogger(__name__)

_LEAST = np.float32(1e-6)  # lowest confidence in a VLM that was asked; 0 means that it was not


class FrugalGptRouter(OutputAwareRouter):
    """Asks a few VLMs in turn and takes the first answer that a scorer trusts.

    The scorer g(query, answer) is the chance that the answer is right, whichever VLM gave it. The paper uses a
    DistilBERT on the two texts; here it is a net of one hidden layer on their embeddings. The list of VLMs and their
    thresholds are those with the most right answers within a budget; see `search_plan`. The search uses val if its
    answers are recorded, otherwise training queries that the scorer does not see.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    length : int
        Most VLMs in the list.
    budget : float
        Highest mean cost of a query, as a multiple of the cost of the VLM that is right most often in training. A
        VLM's cost is its mean over the training queries, or 1 per answer without `Labelled.costs`.
    max_pool : int
        Most VLMs to search among; see `shortlist`.
    num_thresholds : int
        How many quantiles of a VLM's scores are tried as its threshold.
    search_share : float
        Share of the training queries that is kept for the search if val has no answers.
    hidden_width : int
        Of the scorer.
    training
        Of the scorer, see `Training`; a batch is so many queries, each with all its answers.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        length: Annotated[int, Field(ge=1, le=3)],
        budget: Positive,
        max_pool: Annotated[int, Field(ge=1, le=10)],
        num_thresholds: Count,
        search_share: Annotated[float, Field(gt=0, lt=1)],
        hidden_width: Count,
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features)
        self.length = length
        self.budget = budget
        self.max_pool = max_pool
        self.num_thresholds = num_thresholds
        self.search_share = search_share
        self.hidden_width = hidden_width
        self.seed = training["seed"]
        self.training = training

    def fit_answers(self, train: ReadAnswers, val: ReadAnswers | None) -> None:
        """Train the scorer, then search for the list and its thresholds."""
        share_S = share_correct(train.outcomes)
        self.cost_S = (
            np.ones(len(self.vlms))
            if train.labelled.costs is None
            else train.labelled.costs.mean(axis=0, dtype=np.float64)
        )
        self.preference = np.argsort(-share_S, kind="stable")
        if val is None:
            order = np.random.default_rng(self.seed).permutation(len(train))
            count = round(self.search_share * len(train))
            train, val = train.subset(np.sort(order[count:])), train.subset(np.sort(order[:count]))
        self._fit_scorer(train, val)
        self.plan = self._search(val, share_S)

    def _fit_scorer(self, train: ReadAnswers, val: ReadAnswers) -> None:
        """Train g on the judged answers; keep the epoch whose best-scored answers have the best EM on val."""
        with seeded(self.seed):
            self.scorer = AnswerScorer(train.vectors_ND.shape[1], train.answer_width, self.hidden_width)
        outcomes_NS = torch.from_numpy(train.outcomes)
        train_small_net(
            self.scorer,
            lambda rows: masked_loss(self.scorer(*train.inputs(rows)), outcomes_NS[rows]),
            len(train),
            **self.training,
            val_em=lambda: val.labelled.em(val.run(self.scorer)),
        )

    def _search(self, answers: ReadAnswers, share_S: np.ndarray) -> Plan:
        max_cost = self.budget * float(self.cost_S[self.preference[0]])
        plan, cost = search_plan(
            self._scores(answers),
            answers.outcomes,
            self.cost_S,
            pool=shortlist(share_S, self.cost_S, self.max_pool),
            preference=self.preference,
            length=self.length,
            num_thresholds=self.num_thresholds,
            max_cost=max_cost,
        )
        if cost > max_cost * (1 + 1e-9):
            logger.warning(
                "frugal-gpt: no list of VLMs keeps to a budget of %g a query; the cheapest, at %g, is taken",
                max_cost,
                cost,
            )
        return plan

    def _scores(self, answers: ReadAnswers) -> np.ndarray:
        """g of each answer, shape (N, S), float64: in float32 a threshold could round to the other side of a score."""
        return expit(answers.run(self.scorer).astype(np.float64))

    def consult_answers(self, answers: ReadAnswers) -> Consulted:
        """Follow the list; answers that were not taken get a lower confidence than the one taken; see `consult`."""
        scores_NS = self._scores(answers)
        taken_N, asked_NS = self.plan.follow(scores_NS, answers.recorded, self.preference)
        sure_NS = scores_NS.clip(_LEAST, 1).astype(np.float32)
        taken_NS = np.arange(len(self.vlms)) == taken_N[:, None]
        top_N1 = np.take_along_axis(sure_NS, taken_N[:, None].clip(min=0), axis=1)
        passed_NS = np.minimum(sure_NS, np.nextafter(top_N1, np.float32(0)))
        return Consulted(np.where(asked_NS, np.where(taken_NS, sure_NS, passed_NS), np.float32(0)), asked_NS)


class AnswerScorer(nn.Module):
    """Logit that an answer is right, by a net of one hidden layer on query and answer; 0 before training.

    Parameters
    ----------
    query_width, answer_width : int
        D and P of `ReadAnswers.inputs`.
    hidden_width : int
    """

    def __init__(self, query_width: int, answer_width: int, hidden_width: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_width, hidden_width)
        self.answer = nn.Linear(answer_width, hidden_width, bias=False)
        self.out = nn.Linear(hidden_width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, query_ND: Tensor, answers_NSP: Tensor) -> Tensor:
        """Logits of shape (N, S)."""
        hidden_NSH = F.relu(self.query(query_ND)[:, None] + self.answer(answers_NSP))
        return self.out(hidden_NSH).squeeze(-1)
