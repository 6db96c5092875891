"""The clustering router on pooled embeddings (K-means, as in VL-RouterBench's baselines)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field
from sklearn.cluster import KMeans

from arms.baselines.embedding import EmbeddingRouter, best_on_val, share_correct
from arms.baselines.gradient import Count
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind


class KMeansRouter(EmbeddingRouter):
    """A VLM's confidence is its mean outcome on the training queries of the query's cluster.

    Clusters come from Euclidean K-means. The VLM's share over all of training counts as one more outcome in each mean,
    so a cluster without a known outcome of the VLM gives that share.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    num_clusters : list of int
        Candidates; the one with the best EM on val is taken, the first without val. There are never more clusters than
        distinct training vectors.
    seed : int
        Seed of the first centres.
    """

    scale = "probability"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        num_clusters: Annotated[list[Count], Field(min_length=1)],
        seed: int,
    ) -> None:
        super().__init__(vlms, features=features)
        self.candidates = list(num_clusters)
        self.seed = seed

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Cluster the training vectors, and choose the number of clusters on val."""
        candidates = self.candidates[: 1 if val is None else None]
        clusterings = [Clustering.of(train, count, self.seed) for count in candidates]
        self.clustering = best_on_val(
            clusterings, None if val is None else lambda clustering: val.em(clustering.means(val.vectors))
        )

    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Mean outcomes in the vectors' clusters, shape (M, S)."""
        return self.clustering.means(vectors)


@dataclass(frozen=True, eq=False)
class Clustering:
    """C clusters and each VLM's mean outcome there.

    Attributes
    ----------
    assign : KMeans
        Fitted; it says which cluster a vector belongs to.
    means_CS : ndarray of shape (C, S), float64
    """

    assign: KMeans
    means_CS: np.ndarray

    @classmethod
    def of(cls, train: Labelled, num_clusters: int, seed: int) -> Self:
        """Cluster training vectors and average the known outcomes in each cluster."""
        count = min(num_clusters, len(np.unique(train.vectors, axis=0)))
        assign = KMeans(count, random_state=seed).fit(train.vectors)
        member_CN = np.arange(count)[:, None] == assign.labels_
        right_CS = member_CN @ np.nan_to_num(train.outcomes).astype(np.float64)
        known_CS = member_CN @ (~np.isnan(train.outcomes)).astype(np.float64)
        return cls(assign, (right_CS + share_correct(train.outcomes)) / (known_CS + 1))

    def means(self, vectors: np.ndarray) -> np.ndarray:
        """The means of the nearest centres, shape (M, S)."""
        means_MS: np.ndarray = self.means_CS[self.assign.predict(vectors)]
        return means_MS
