"""A cosine classifier over VLMs on pooled embeddings (CosineCls)."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from arms.baselines.gradient import Centre, Count, Loss, NetRouter, Positive, Training
from arms.baselines.targets import target_shares
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind


class CosineRouter(NetRouter):
    """A VLM's score is the cosine of its learned vector with the projected query.

    s_ij = t cos(W x_i, k_j). W and the VLMs' vectors k are learned by the cross-entropy of softmax(s_i) with a target
    that the query's right VLMs share equally. Only VLMs with a known outcome enter the softmax. A query without a
    right VLM is not learned from.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    width : int
        Width of W x and of the VLMs' vectors.
    logit_scale : list of float
        Candidates for t; the best on val is taken, the first without val.
    training
        See `Training`.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        width: Count,
        logit_scale: Annotated[list[Positive], Field(min_length=1)],
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        self.width = width
        self.candidates = list(logit_scale)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Learn W and the VLMs' vectors, and choose the scale on val."""
        vectors_ND = torch.tensor(train.vectors)
        known_NS = torch.tensor(~np.isnan(train.outcomes))
        targets_NS = torch.tensor(target_shares(train.outcomes, None, "soft", 0.0))

        def begin(logit_scale: float) -> tuple[nn.Module, Loss]:
            net = CosineNet(train.vectors, len(self.vlms), self.width)
            return net, lambda rows: masked_cross_entropy(
                logit_scale * net(vectors_ND[rows]), targets_NS[rows], known_NS[rows]
            )

        self.logit_scale = self.fit_net(self.candidates, begin, train, val)


class CosineNet(nn.Module):
    """Cosines of a projected query with one learned vector per VLM."""

    def __init__(self, vectors_ND: np.ndarray, num_vlms: int, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(Centre(vectors_ND), nn.Linear(vectors_ND.shape[1], width))
        self.vlms_SH = nn.Parameter(torch.randn(num_vlms, width))

    def query(self, vectors_ND: Tensor) -> Tensor:
        """Projected queries at unit norm, shape (N, H)."""
        return F.normalize(self.project(vectors_ND), dim=1)

    def cosines(self, query_NH: Tensor) -> Tensor:
        """Cosines of projected queries with the VLMs, shape (N, S)."""
        return query_NH @ F.normalize(self.vlms_SH, dim=1).T

    def forward(self, vectors_ND: Tensor) -> Tensor:
        """Cosines of feature vectors with the VLMs, shape (N, S), in [-1, 1]."""
        return self.cosines(self.query(vectors_ND))


def masked_cross_entropy(logits_NS: Tensor, targets_NS: Tensor, known_NS: Tensor) -> Tensor:
    """Mean cross-entropy of targets with the softmax over each query's known VLMs, scalar, in nats.

    A row of targets sums to 1 over the known VLMs, or is zero and left out of the mean. The loss is 0 if all are zero.
    """
    log_share_NS = logits_NS.masked_fill(~known_NS, -1e9).log_softmax(dim=1)
    loss_N = -(targets_NS * log_share_NS).sum(dim=1)
    return loss_N.sum() / (targets_NS > 0).any(dim=1).sum().clamp(min=1)
