"""ProxRouter: means over references, weighted by proximity (Patel et al. 2025, arXiv:2510.09852)."""

from collections.abc import Sequence
from itertools import product
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch.nn.functional import embedding_bag

from arms.baselines.embedding import EmbeddingRouter, best_on_val, share_correct
from arms.baselines.gradient import Count, NotNegative, Positive
from arms.baselines.neighbours import IndexKind, Neighbours
from arms.baselines.router_dc import find_clusters
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind, unit_norm

_LEAST_SPREAD = 0.1  # of a cluster, in mean spreads; without it a cluster of copies would outweigh all others


class References:
    """What is averaged for a query: vectors with the outcomes that they stand for.

    Parameters
    ----------
    neighbours : Neighbours
        Finds them.
    right_CS, known_CS : ndarray of shape (C, S)
        How many right and how many known outcomes each stands for, over the spread of a cluster.
    num_used : int
        How many, the nearest, count for a query.
    """

    def __init__(self, neighbours: Neighbours, right_CS: np.ndarray, known_CS: np.ndarray, num_used: int) -> None:
        self.neighbours = neighbours
        # float64: far references weigh next to nothing, but a query may have no others.
        self.told = torch.from_numpy(np.concatenate([right_CS, known_CS], axis=1).astype(np.float64))
        self.num_used = num_used

    @classmethod
    def clusters(cls, train: Labelled, num_clusters: int, seed: int) -> Self:
        """The K-means clusters of the training vectors, each in the direction of its mean.

        A mean of n outcomes has variance s / n if s is the cluster's spread, its mean distance from that direction. So
        the prior of least variance is n / s, where n is the number of known outcomes.
        """
        vectors_ND = unit_norm(train.vectors.astype(np.float64))
        cluster_N = find_clusters(vectors_ND, num_clusters, seed)
        member_CN = (np.arange(cluster_N.max() + 1)[:, None] == cluster_N).astype(np.float64)
        centres_CD = unit_norm(member_CN @ vectors_ND)
        distance_N = 1 - (vectors_ND * centres_CD[cluster_N]).sum(axis=1)
        spread_C1 = (member_CN @ distance_N / member_CN.sum(axis=1))[:, None]
        mean = distance_N.mean()
        spread_C1 = (spread_C1 / mean).clip(min=_LEAST_SPREAD) if mean > 1e-6 else np.ones_like(spread_C1)
        right_CS, known_CS = member_CN @ np.nan_to_num(train.outcomes), member_CN @ ~np.isnan(train.outcomes)
        index = Neighbours(centres_CD.astype(np.float32), "flat", num_neighbours=len(centres_CD))
        return cls(index, right_CS / spread_C1, known_CS / spread_C1, len(centres_CD))

    def search(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those that count for M queries: their cosines and their rows, -1 for none, both of shape (M, K)."""
        return self.neighbours.search(unit_norm(vectors), self.num_used)

    def sums(self, cosines_MK: np.ndarray, rows_MK: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
        """Sums of right and of known outcomes, each times exp(-(1 - cosine) / tau); both of shape (M, S), float64."""
        weights_MK = np.exp((cosines_MK.astype(np.float64) - 1) / temperature)
        weights_MK[rows_MK < 0] = 0
        rows, weights = torch.from_numpy(rows_MK.clip(min=0)), torch.from_numpy(weights_MK)
        sums = embedding_bag(rows, self.told, per_sample_weights=weights, mode="sum").numpy()
        right_MS, known_MS = np.split(sums, 2, axis=1)
        return right_MS, known_MS


class ProxRouter(EmbeddingRouter):
    """A VLM's confidence is a mean of its outcomes on references, which weigh less the farther they are.

    U_j(x) = sum_i w_i v_ij / sum_i w_i with w_i proportional to p_i exp(-d(x, i) / tau), where v_ij is VLM j's mean
    outcome on reference i. The prior p is that of least variance, and the factor tilts it towards near references: a
    large tau has less variance, a small one less bias. This is the paper's rule, as its abstract and summaries give it;
    we did not have the whole text. Its references are the K nearest training queries, all with the same prior, or
    K-means clusters, with a prior of size over spread. Its distance d is 1 minus the cosine. The paper sets
    1 / tau = 20, with 100 queries or 32 clusters.

    Our reading: the w_i are not scaled to sum 1, and the VLM's share of right outcomes over all of training counts as
    `pseudo_count` more outcomes. So the estimate of a query that is far from all references shrinks to that share. At
    0 nothing is added, as in the paper. We also choose tau on val, leave unknown outcomes out of a VLM's sums, and take
    spreads in units of the mean spread, so that a pseudo-count means about the same for queries and for clusters.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    references : "queries" or "clusters"
    num_references : list of int
        Candidates for the number of nearest queries, or of clusters, all of which count. Of this list and the next two
        the combination with the best EM on val is taken, without val the first of each.
    temperature : list of float
        Candidates for tau.
    pseudo_count : list of float
        Candidates for the weight of the share, in outcomes on copies of the query.
    index : "flat", "ivf" or "hnsw"
        How the nearest queries are searched; see `Neighbours`. The search among clusters is exact.
    seed : int
        Seed of the first centres of the clusters. Nearest queries need none.
    """

    scale = "probability"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        references: Literal["queries", "clusters"],
        num_references: Annotated[list[Count], Field(min_length=1)],
        temperature: Annotated[list[Positive], Field(min_length=1)],
        pseudo_count: Annotated[list[NotNegative], Field(min_length=1)],
        index: IndexKind,
        seed: int,
    ) -> None:
        super().__init__(vlms, features=features)
        self.kind = references
        self.num_references = list(num_references)
        self.candidates = list(product(temperature, pseudo_count))
        self.index: IndexKind = index
        self.seed = seed

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Make the references, and choose their number, tau and the pseudo-count on val."""
        self.prior_S = share_correct(train.outcomes)
        if val is None:
            self.references = self._make_references(train, self.num_references[:1])[0]
            self.temperature, self.pseudo_count = self.candidates[0]
            return
        made = self._make_references(train, self.num_references)
        found = [references.search(val.vectors) for references in made]
        choices = [(place, *candidate) for place in range(len(made)) for candidate in self.candidates]
        place, self.temperature, self.pseudo_count = best_on_val(
            choices, lambda choice: val.em(self._means(made[choice[0]], found[choice[0]], *choice[1:]))
        )
        self.references = made[place]

    def _make_references(self, train: Labelled, numbers: Sequence[int]) -> list[References]:
        if self.kind == "clusters":
            return [References.clusters(train, number, self.seed) for number in numbers]
        neighbours = Neighbours(unit_norm(train.vectors), self.index, num_neighbours=max(numbers))
        right_NS, known_NS = np.nan_to_num(train.outcomes), ~np.isnan(train.outcomes)
        return [References(neighbours, right_NS, known_NS, number) for number in numbers]

    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Weighted means over the references, shape (M, S)."""
        return self._means(self.references, self.references.search(vectors), self.temperature, self.pseudo_count)

    def _means(
        self, references: References, found: tuple[np.ndarray, np.ndarray], temperature: float, pseudo_count: float
    ) -> np.ndarray:
        """Means in which the share over all of training has this weight; that share where nothing else weighs."""
        right_MS, known_MS = references.sums(*found, temperature)
        weights_MS = known_MS + pseudo_count
        share_MS = np.broadcast_to(self.prior_S, weights_MS.shape)
        sums_MS = right_MS + pseudo_count * share_MS
        return np.divide(sums_MS, weights_MS, out=share_MS.astype(np.float64), where=weights_MS > 0)
