"""LatentRouter: capsules of the query and capability tokens of the VLMs (Cheng and Dong 2026, arXiv:2605.11301)."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from scipy.special import expit
from torch import nn

from arms.baselines.gradient import Count, Loss, NetRouter, Positive, Training
from arms.baselines.latent_net import Capabilities, LatentNet
from arms.baselines.router_dc import find_clusters
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind
from arms.training.losses import masked_loss


class LatentRouter(NetRouter):
    """A VLM's confidence is its share of right outcomes, corrected for the query by no more than a bound.

    From the paper: capsules that are learned from image and question, one capability token for each VLM, some rounds
    of communication between both, a prediction of each VLM's quality by weights that all VLMs share, a bounded
    correction, and a mask of the VLMs that are available.

    The rest is our reading, since we had the abstract and not the whole text. The capsules are linear in the query's
    feature vector. A token is a linear map of the VLM's log odds of being right, over all of training and in each
    K-means cluster of the training queries. In a round the capsules attend to the tokens and then the tokens to the
    capsules. The paper predicts a distribution of the quality; of a right or wrong answer that is one chance. Its
    logit is the VLM's log odds over all of training plus bound * tanh of a linear map of the VLM's last token, so a
    net that has learned nothing, or too much, stays near the shares. In the paper the correction refines a learned
    prediction. The loss is the binary cross-entropy over the known pairs, and a VLM without a known outcome is masked.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    num_clusters : int
    num_capsules : int
    num_rounds : int
    width : int
        Of capsules and tokens.
    bound : list of float
        Candidates for the largest correction, in log odds; the best on val is taken, the first without val.
    training
        See `Training`.
    """

    scale = "probability"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        num_clusters: Count,
        num_capsules: Count,
        num_rounds: Count,
        width: Count,
        bound: Annotated[list[Positive], Field(min_length=1)],
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        self.num_clusters = num_clusters
        self.num_capsules, self.num_rounds, self.width = num_capsules, num_rounds, width
        self.candidates = list(bound)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Describe the VLMs, train a net for each bound and keep the best on val."""
        vectors_ND, outcomes_NS = torch.tensor(train.vectors), torch.tensor(train.outcomes)
        cluster_N = find_clusters(train.vectors, self.num_clusters, self.training["seed"])
        capabilities = Capabilities.of(train.outcomes, cluster_N)

        def begin(bound: float) -> tuple[nn.Module, Loss]:
            net = LatentNet(
                train.vectors,
                capabilities,
                num_capsules=self.num_capsules,
                width=self.width,
                num_rounds=self.num_rounds,
                bound=bound,
            )
            return net, lambda rows: masked_loss(net(vectors_ND[rows]), outcomes_NS[rows])

        self.bound = self.fit_net(self.candidates, begin, train, val)

    def net_scores(self, net: nn.Module, vectors: np.ndarray) -> np.ndarray:
        """Chances of being right, shape (M, S); see `NetRouter.net_scores`."""
        chances_MS: np.ndarray = expit(super().net_scores(net, vectors))
        return chances_MS
