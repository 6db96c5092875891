"""The MLP router: a softmax over VLMs by a net of one hidden layer on pooled embeddings."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from scipy.special import softmax
from torch import nn

from arms.baselines.cosine_classifier import masked_cross_entropy
from arms.baselines.gradient import Count, Loss, NetRouter, NotNegative, Training, make_mlp
from arms.baselines.targets import TargetKind, target_shares
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind


class MlpRouter(NetRouter):
    """A VLM's score is its share in a softmax over the VLMs, by a net of one hidden layer.

    It learns as `LinearRouter` does: from `target_shares`, where only VLMs with a known outcome compete for a query.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    targets : "cheapest" or "soft"
        Without `Labelled.costs` both give all right VLMs equal shares.
    penalty : float, >= 0
        Weight of the cost in soft targets.
    hidden_width : list of int
        Candidates; the best on val is taken, the first without val.
    training
        See `Training`.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        targets: TargetKind,
        penalty: NotNegative,
        hidden_width: Annotated[list[Count], Field(min_length=1)],
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        self.targets: TargetKind = targets
        self.penalty = penalty
        self.candidates = list(hidden_width)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Train a net for each width and keep the best on val."""
        vectors_ND = torch.tensor(train.vectors)
        known_NS = torch.tensor(~np.isnan(train.outcomes))
        targets_NS = torch.tensor(target_shares(train.outcomes, train.costs, self.targets, self.penalty))

        def begin(hidden_width: int) -> tuple[nn.Module, Loss]:
            net = make_mlp(train.vectors, hidden_width, len(self.vlms))
            return net, lambda rows: masked_cross_entropy(net(vectors_ND[rows]), targets_NS[rows], known_NS[rows])

        self.hidden_width = self.fit_net(self.candidates, begin, train, val)

    def net_scores(self, net: nn.Module, vectors: np.ndarray) -> np.ndarray:
        """Shares of the softmax, shape (M, S), rows sum to 1; see `NetRouter.net_scores`."""
        shares_MS: np.ndarray = softmax(super().net_scores(net, vectors), axis=1)
        return shares_MS
