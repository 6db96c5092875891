"""Zooter: a router distilled from normalised rewards (Lu et al. 2024, arXiv:2311.08692)."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from torch import nn

from arms.baselines.cosine_classifier import masked_cross_entropy
from arms.baselines.gradient import Count, Loss, NetRouter, Positive, Share, Training, make_mlp
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind


class ZooterRouter(NetRouter):
    """A VLM's score is its logit in a softmax trained on the VLMs' normalised rewards.

    A VLM's reward on a query is its outcome; the paper uses a reward model. Rewards are smoothed by the query's tag
    (`smooth_by_tag`; without `Labelled.tags` they stay as they are) and normalised over the known VLMs by
    softmax(r / temperature). The loss is the KL divergence of the net's softmax from them, over the known VLMs.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    hidden_width : int
    beta : list of float
        Candidates for the weight of a query's own reward; the best on val is taken, the first without val.
    temperature : float
        Divides the rewards.
    training
        See `Training`.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        hidden_width: Count,
        beta: Annotated[list[Share], Field(min_length=1)],
        temperature: Positive,
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        self.hidden_width = hidden_width
        self.candidates = list(beta)
        self.temperature = temperature

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Learn the normalised rewards, and choose on val how much they are smoothed."""
        vectors_ND = torch.tensor(train.vectors)
        known_NS = torch.tensor(~np.isnan(train.outcomes))

        def begin(beta: float) -> tuple[nn.Module, Loss]:
            rewards_NS = train.outcomes if train.tags is None else smooth_by_tag(train.outcomes, train.tags, beta)
            targets_NS = torch.tensor(known_softmax(rewards_NS / self.temperature))
            net = make_mlp(train.vectors, self.hidden_width, len(self.vlms))
            # The KL divergence is this minus the targets' entropy, which has no gradient.
            return net, lambda rows: masked_cross_entropy(net(vectors_ND[rows]), targets_NS[rows], known_NS[rows])

        # Without tags all candidates give the same net.
        self.beta = self.fit_net(self.candidates[: 1 if train.tags is None else None], begin, train, val)


def smooth_by_tag(rewards_NS: np.ndarray, tags_N: np.ndarray, beta: float) -> np.ndarray:
    """Pull rewards towards the VLM's mean known reward on queries of the same tag: r' = beta r + (1 - beta) mean.

    The tag-based label enhancement of arXiv:2311.08692, with one tag per query. Unknown rewards (NaN) stay unknown.
    """
    names, tag_N = np.unique(tags_N, return_inverse=True)
    tag_NT = (tag_N[:, None] == np.arange(len(names))).astype(np.float64)
    known_TS = tag_NT.T @ ~np.isnan(rewards_NS)
    mean_TS = tag_NT.T @ np.nan_to_num(rewards_NS) / known_TS.clip(min=1)
    smoothed_NS: np.ndarray = beta * rewards_NS + (1 - beta) * mean_TS[tag_N]
    return smoothed_NS


def known_softmax(values_NS: np.ndarray) -> np.ndarray:
    """Softmax of each row over its known values, shape (N, S), float32; NaN gives 0, in a row of only NaN too."""
    known_NS = ~np.isnan(values_NS)
    highest_N1 = np.where(known_NS, values_NS, -np.inf).max(axis=1, keepdims=True)
    weight_NS = np.exp(np.where(known_NS, values_NS - highest_N1, -np.inf))
    total_N1 = weight_NS.sum(axis=1, keepdims=True)
    shares_NS: np.ndarray = weight_NS / np.where(total_N1 > 0, total_N1, 1)
    return shares_NS.astype(np.float32)
