"""The matrix factorisation router (RouteLLM, Ong et al. 2024, arXiv:2406.18665)."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from arms.baselines.gradient import Centre, Count, Loss, NetRouter, Training
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind


class MatrixFactorisationRouter(NetRouter):
    """A VLM's score is a bilinear form of VLM and query, learned from pairs of a right and a wrong VLM.

    delta(m, q) = w . (v_m * (W q + b)), with VLM vectors v of unit norm. The loss is the binary cross-entropy of
    sigmoid(delta(winner, q) - delta(loser, q)) over pairs of a right VLM and a wrong one. Pairs with equal or unknown
    outcomes are left out. A VLM that is in no pair gets the lowest score of the others.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    dimension : list of int
        Candidates for the width of v, w and W q; the best on val is taken, the first without val.
    epochs, batch_size, learning_rate, weight_decay, seed
        See `NetRouter`; `batch_size` counts queries, each with all its pairs.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        dimension: Annotated[list[Count], Field(min_length=1)],
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        self.candidates = list(dimension)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Train a net for each dimension on the decided pairs and keep the best on val."""
        train = decided(train)
        vectors_ND, outcomes_NS = torch.tensor(train.vectors), torch.tensor(train.outcomes)

        def begin(dimension: int) -> tuple[nn.Module, Loss]:
            net = Factorisation(train.vectors, len(self.vlms), dimension)
            return net, lambda rows: pair_loss(net(vectors_ND[rows]), outcomes_NS[rows])

        self.dimension = self.fit_net(self.candidates, begin, train, val)


class Factorisation(nn.Module):
    """delta(m, q) for each VLM; 0 before training."""

    def __init__(self, vectors_ND: np.ndarray, num_vlms: int, dimension: int) -> None:
        super().__init__()
        self.project = nn.Sequential(Centre(vectors_ND), nn.Linear(vectors_ND.shape[1], dimension))
        self.vlms_SH = nn.Parameter(torch.randn(num_vlms, dimension))
        self.weights_H = nn.Parameter(torch.zeros(dimension))

    def forward(self, vectors_ND: Tensor) -> Tensor:
        """Shape (N, S)."""
        return (self.project(vectors_ND) * self.weights_H) @ F.normalize(self.vlms_SH, dim=1).T


def pair_loss(scores_NS: Tensor, outcomes_NS: Tensor) -> Tensor:
    """Mean binary cross-entropy, in nats, over the pairs of a right VLM and a wrong one; 0 without such a pair."""
    wins_NSS = (outcomes_NS[:, :, None] == 1) & (outcomes_NS[:, None, :] == 0)
    loss_NSS = F.softplus(scores_NS[:, None, :] - scores_NS[:, :, None])
    return (loss_NSS * wins_NSS).sum() / wins_NSS.sum().clamp(min=1)


def decided(examples: Labelled) -> Labelled:
    """Keep the queries with a pair to learn from: one VLM right, another wrong."""
    mixed_N = (examples.outcomes == 1).any(axis=1) & (examples.outcomes == 0).any(axis=1)
    return examples.subset(np.flatnonzero(mixed_N))
