"""The prototype router on pooled embeddings: the form that K-means takes in VL-RouterBench."""

import numpy as np

from arms.baselines.embedding import EmbeddingRouter
from arms.features.labelled import Labelled
from arms.features.pooled import unit_norm


class PrototypeRouter(EmbeddingRouter):
    """A VLM's score is the query's cosine with its prototype, the mean vector of the queries that it answers right.

    A VLM without a known right outcome has no prototype and scores -1, the lowest cosine. Nothing is chosen on val.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    """

    scale = "rank"

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Average the vectors of the queries that each VLM answers right."""
        right_NS = train.outcomes == 1
        self.has_prototype_S = right_NS.any(axis=0)
        # The cosine ignores a prototype's length, so the sum serves as well as the mean.
        self.prototypes_SD = unit_norm(right_NS.T.astype(np.float64) @ train.vectors)

    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Cosines with the prototypes, shape (M, S), in [-1, 1]."""
        cosines_MS = unit_norm(vectors.astype(np.float64)) @ self.prototypes_SD.T
        return np.where(self.has_prototype_S, cosines_MS, -1.0)
