"""RouterDC: a router trained by two contrastive losses (Chen et al. 2024, arXiv:2409.19886)."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

from arms.baselines.cosine_classifier import CosineNet
from arms.baselines.gradient import Count, Loss, NetRouter, NotNegative, Positive, Training
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind


class RouterDcRouter(NetRouter):
    """A VLM's score is the cosine of its learned vector with the projected query, cos(E(q), k_m).

    The loss has two parts, both by `contrast` at one temperature. The first contrasts a query's right VLMs with its
    wrong ones. The second, times lambda, contrasts a query of the same cluster with queries of other clusters, all of
    one batch. E is linear because the encoder below it is frozen. Clusters come from K-means on the training vectors;
    the paper runs t-SNE before it.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    width : int
        Width of E(q) and of the VLMs' vectors.
    top_k, bottom_k : int
        Most right VLMs that a query is pulled towards, and most wrong ones that it is pushed away from.
    num_clusters : int
    num_negatives : int
        Most queries of other clusters that a query is pushed away from.
    cluster_weight : list of float
        Candidates for lambda; the best on val is taken, the first without val.
    temperature : float
        Divides the cosines.
    training
        See `Training`.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        width: Count,
        top_k: Count,
        bottom_k: Count,
        num_clusters: Count,
        num_negatives: Count,
        cluster_weight: Annotated[list[NotNegative], Field(min_length=1)],
        temperature: Positive,
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        self.width = width
        self.top_k, self.bottom_k = top_k, bottom_k
        self.num_clusters, self.num_negatives = num_clusters, num_negatives
        self.candidates = list(cluster_weight)
        self.temperature = temperature

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Learn the projection and the VLMs' vectors, and choose lambda on val."""
        vectors_ND, outcomes_NS = torch.tensor(train.vectors), torch.tensor(train.outcomes)
        clusters_N = torch.tensor(find_clusters(train.vectors, self.num_clusters, self.training["seed"]))

        def begin(cluster_weight: float) -> tuple[nn.Module, Loss]:
            net = CosineNet(train.vectors, len(self.vlms), self.width)
            draw = torch.Generator().manual_seed(self.training["seed"])

            def loss_on(rows: Tensor) -> Tensor:
                query_BH = net.query(vectors_ND[rows])
                loss = self.vlm_contrast(net.cosines(query_BH), outcomes_NS[rows], draw)
                if cluster_weight:
                    loss = loss + cluster_weight * self.query_contrast(query_BH @ query_BH.T, clusters_N[rows], draw)
                return loss

            return net, loss_on

        self.cluster_weight = self.fit_net(self.candidates, begin, train, val)

    def vlm_contrast(self, cosines_BS: Tensor, outcomes_BS: Tensor, draw: torch.Generator) -> Tensor:
        """Loss of a batch on the VLMs: right ones are positives, wrong ones negatives, unknown ones left out."""
        return contrast(
            cosines_BS / self.temperature,
            draw_among(outcomes_BS == 1, self.top_k, draw),
            draw_among(outcomes_BS == 0, self.bottom_k, draw),
        )

    def query_contrast(self, cosines_BB: Tensor, clusters_B: Tensor, draw: torch.Generator) -> Tensor:
        """Loss of a batch on itself: the positive is a query of the same cluster, negatives are of other clusters."""
        alike_BB = clusters_B[:, None] == clusters_B[None]
        itself_BB = torch.eye(len(clusters_B), dtype=torch.bool)
        return contrast(
            cosines_BB / self.temperature,
            draw_among(alike_BB & ~itself_BB, 1, draw),
            draw_among(~alike_BB, self.num_negatives, draw),
        )


def contrast(logits_NM: Tensor, positive_NM: Tensor, negative_NM: Tensor) -> Tensor:
    """InfoNCE of each positive against the negatives of its row, summed per row, averaged over the rows.

    Both losses of arXiv:2409.19886: sum_p -log(exp(l_p) / (exp(l_p) + sum_n exp(l_n))) over positives p, negatives n.

    Parameters
    ----------
    logits_NM : Tensor of shape (N, M), float32
    positive_NM, negative_NM : Tensor of shape (N, M), bool

    Returns
    -------
    Tensor, scalar, in nats; a row without a positive or without a negative counts 0
    """
    negatives_N1 = logits_NM.masked_fill(~negative_NM, -1e9).logsumexp(dim=1, keepdim=True)
    loss_NM = F.softplus(negatives_N1 - logits_NM)
    return (loss_NM * positive_NM).sum() / len(logits_NM)


def draw_among(allowed_NM: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw at most `count` of each row's allowed places at random; bool of the same shape.

    The paper takes VLMs in order of their scores. Here they are only right or wrong, so it is a draw among equals.
    """
    chance_NM = torch.rand(allowed_NM.shape, generator=generator).masked_fill(~allowed_NM, -1)
    highest_NK = chance_NM.topk(min(count, allowed_NM.shape[1]), dim=1).indices
    return torch.zeros_like(allowed_NM).scatter(1, highest_NK, True) & allowed_NM


def find_clusters(vectors_ND: np.ndarray, num_clusters: int, seed: int) -> np.ndarray:
    """Each vector's cluster by K-means, shape (N,), int64; never more clusters than distinct vectors."""
    num_distinct = len(np.unique(vectors_ND, axis=0))
    found = KMeans(min(num_clusters, num_distinct), n_init=1, random_state=seed).fit(vectors_ND)
    return found.labels_.astype(np.int64)
