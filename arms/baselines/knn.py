"""The nearest-neighbour router on pooled embeddings (Shnitzer et al. 2024, arXiv:2309.15789)."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn.functional import embedding_bag

from arms.baselines.embedding import EmbeddingRouter, best_on_val, share_correct
from arms.baselines.neighbours import IndexKind, Neighbours
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind

NeighbourCounts = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class NeighbourRouter(EmbeddingRouter):
    """A router whose scores are weighted means over the nearest training queries; see `tell`.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    num_neighbours : list of int
        Candidates for K; the one with the best EM on val is taken, the first without val.
    weights : "uniform" or "distance"
        Whether all neighbours count the same, or each by its inner product (the cosine, except for `concat`).
    index : "flat", "ivf" or "hnsw"
        How they are searched; see `Neighbours`.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        num_neighbours: NeighbourCounts,
        weights: Literal["uniform", "distance"],
        index: IndexKind,
    ) -> None:
        super().__init__(vlms, features=features)
        self.candidates = list(num_neighbours)
        self.weights = weights
        self.index = index

    @abstractmethod
    def tell(self, train: Labelled) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What each of the N training queries adds to a VLM's score.

        The score is the weighted sum of the neighbours' `values` over the weighted sum of their `counts`.

        Returns
        -------
        values : ndarray of shape (N, S)
        counts : ndarray of shape (N, S), at least 0
            How many numbers each value is the sum of; 0 where nothing is known.
        prior : ndarray of shape (S,)
            The score if all neighbours' counts are 0.
        """

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Index the training vectors and choose K on val; one search serves all candidates."""
        values, counts, self.prior = self.tell(train)
        self.told = torch.from_numpy(np.concatenate([values, counts], axis=1).astype(np.float32))
        most = max(self.candidates)
        self.neighbours = Neighbours(train.vectors, self.index, num_neighbours=most)
        if val is None:
            self.num_neighbours = self.candidates[0]
        else:
            found = self.neighbours.search(val.vectors, most)
            self.num_neighbours = best_on_val(
                self.candidates, lambda k: val.em(self._means(*(array[:, :k] for array in found)))
            )

    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Weighted means over the neighbours, shape (M, S), float32."""
        return self._means(*self.neighbours.search(vectors, self.num_neighbours))

    def _means(self, similarity: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        weights = np.ones_like(similarity) if self.weights == "uniform" else similarity.clip(min=1e-6)
        weights[neighbours < 0] = 0
        rows_MK, weights_MK = torch.from_numpy(neighbours.clip(min=0)), torch.from_numpy(weights)
        sums = embedding_bag(rows_MK, self.told, per_sample_weights=weights_MK, mode="sum").numpy()
        values_MS, counts_MS = np.split(sums, 2, axis=1)
        means_MS = np.divide(values_MS, counts_MS, out=np.zeros_like(values_MS), where=counts_MS > 0)
        return np.where(counts_MS > 0, means_MS, self.prior).astype(np.float32)


class KnnRouter(NeighbourRouter):
    """A VLM's confidence is its mean known outcome on the K training queries most like this one.

    For the settings see `NeighbourRouter`.
    """

    scale = "probability"

    def tell(self, train: Labelled) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The outcomes; the prior is a VLM's share of right outcomes over all of training."""
        return np.nan_to_num(train.outcomes), ~np.isnan(train.outcomes), share_correct(train.outcomes)
