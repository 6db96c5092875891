"""The base of routers on pooled embeddings: feature vectors, choices on val, and confidences from any score."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import ClassVar, Literal, Self, TypeVar

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from arms.baselines.threads import one_blas_thread
from arms.errors import ArmsError
from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.features.pooled import FeatureKind
from arms.routers.base import BaseRouter

CandidateT = TypeVar("CandidateT")
_FEW = 16  # queries; up to so many, one thread is faster than several


class EmbeddingRouter(BaseRouter):
    """A router on pooled embeddings; a subclass says how to fit and how to score feature vectors.

    Attributes
    ----------
    scale : "probability" or "rank"
        What `score_vectors` returns: chances of being right, or numbers that only rank the VLMs of one query. Ranks
        become confidences by one rising logistic curve for all VLMs (Platt 1999), which changes no choice.
    """

    scale: ClassVar[Literal["probability", "rank"]]

    def __init__(self, vlms: Sequence[str], *, features: FeatureKind) -> None:
        self.vlms = tuple(vlms)
        self.features = features

    @abstractmethod
    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Learn from `train`; use `val` only to choose settings. It is None if no outcome is known there."""

    @abstractmethod
    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Score each VLM on M feature vectors: shape (M, S); see `scale`."""

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Learn from the queries' embeddings; see `BaseRouter.fit`."""
        train = self._with_vectors(train)
        val = None if val is None or not val.known.any() else self._with_vectors(val)
        self.fit_vectors(train, val)
        if self.scale == "rank":
            self.confidence_map = fit_confidence_map(self.score_vectors, val or train)
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """Confidence of each VLM; see `BaseRouter.score`."""
        if not len(queries):
            return np.empty((0, len(self.vlms)), dtype=np.float32)
        with one_blas_thread() if len(queries) <= _FEW else nullcontext():
            scores = self.score_vectors(self.vectors_of(queries))
        if self.scale == "rank":
            slope, offset = self.confidence_map
            scores = expit(slope * np.asarray(scores, dtype=np.float64) + offset)
        return np.clip(scores, 0, 1).astype(np.float32)

    def _with_vectors(self, labelled: Labelled) -> Labelled:
        return replace(labelled, vectors=self.vectors_of(labelled.queries))

    def vectors_of(self, queries: Queries) -> np.ndarray:
        """The queries' feature vectors, shape (N, D), float32; an ArmsError if they have no embeddings."""
        if queries.embeddings is None:
            raise ArmsError("these queries have no pooled embeddings; make them with arms.features.pooling")
        return queries.embeddings.matrix(self.features)


def best_on_val(candidates: Sequence[CandidateT], em_of: Callable[[CandidateT], float] | None) -> CandidateT:
    """The candidate with the best EM on val, of equals the first; without val (`em_of` is None) the first of all."""
    if em_of is None or len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=em_of)


def share_correct(outcomes: np.ndarray) -> np.ndarray:
    """Each VLM's share of right outcomes, (right + 0.5) / (known + 1), so near 0.5 where few are known; shape (S,)."""
    known_S = (~np.isnan(outcomes)).sum(axis=0)
    return (np.nansum(outcomes, axis=0) + 0.5) / (known_S + 1)


def fit_confidence_map(score_vectors: Callable[[np.ndarray], np.ndarray], examples: Labelled) -> tuple[float, float]:
    """Fit slope (> 0) and offset of the logistic curve from scores to chances of being right, on the known pairs.

    If all known outcomes are equal, or a higher score does not mean a better chance, the slope is nearly 0 and the
    offset gives the share of right outcomes.
    """
    known = examples.known
    right = examples.outcomes[known] == 1
    scores = np.asarray(score_vectors(examples.vectors), dtype=np.float64)[known] if len(known) else np.empty(0)
    spread = scores.std() if len(scores) else 0.0
    flattest = 1e-3 / spread if spread > 0 else 1e-3
    share = (right.sum() + 0.5) / (len(right) + 1)
    if 0 < right.sum() < len(right) and spread > 0:
        centre = scores.mean()
        fitted = LogisticRegression(C=np.inf).fit(((scores - centre) / spread)[:, None], right)
        slope = float(fitted.coef_[0, 0]) / spread
        if slope > flattest:
            return slope, float(fitted.intercept_[0]) - slope * centre
    centre = scores.mean() if len(scores) else 0.0
    return flattest, float(np.log(share / (1 - share))) - flattest * centre
