"""One-versus-rest on pooled embeddings: a logistic regression per VLM."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from arms.baselines.embedding import EmbeddingRouter, best_on_val, share_correct
from arms.baselines.gradient import Positive
from arms.baselines.threads import one_blas_thread
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind

MAX_ITERATIONS = 5000  # far more than any fit has needed; scikit-learn's 100 are too few at weak regularisation


class OvrRouter(EmbeddingRouter):
    """A VLM's score is the log odds that it is right, by a logistic regression on its known outcomes.

    With balanced classes, as published, a VLM's right outcomes weigh as much in total as its wrong ones. This removes
    its share of right outcomes from the log odds: they are not chances any more, and strong VLMs lose some of their
    lead. With `class_weights: none` they keep it. A VLM whose known outcomes are all equal, or that has none, scores
    the log odds of its `share_correct`. Vectors are standardised first.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    class_weights : "balanced" or "none"
    c : list of float, > 0
        Candidates for the inverse strength of the L2 penalty; the one with the best EM on val is taken for all VLMs,
        the first without val.
    """

    scale = "rank"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        class_weights: Literal["balanced", "none"],
        c: Annotated[list[Positive], Field(min_length=1)],
    ) -> None:
        super().__init__(vlms, features=features)
        self.balanced = class_weights == "balanced"
        self.candidates = list(c)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Fit the regressions and choose C on val."""
        self.scaler = StandardScaler().fit(train.vectors)
        train = replace(train, vectors=self.scaler.transform(train.vectors))
        candidates = self.candidates[: 1 if val is None else None]
        with one_blas_thread():
            fitted = [Regressions.of(train, c, self.balanced) for c in candidates]
        self.regressions = best_on_val(
            fitted, None if val is None else lambda each: val.em(each.log_odds(self.scaler.transform(val.vectors)))
        )

    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Log odds of being right, shape (M, S)."""
        return self.regressions.log_odds(self.scaler.transform(vectors))


@dataclass(frozen=True, eq=False)
class Regressions:
    """S logistic regressions on D features.

    Attributes
    ----------
    c : float
    weights_DS : ndarray of shape (D, S), float64
    intercepts_S : ndarray of shape (S,), float64
    """

    c: float
    weights_DS: np.ndarray
    intercepts_S: np.ndarray

    @classmethod
    def of(cls, train: Labelled, c: float, balanced: bool) -> Self:
        """Fit each VLM on its known outcomes; a constant if those are all equal."""
        weights_DS = np.zeros((train.vectors.shape[1], train.outcomes.shape[1]))
        intercepts_S = logit(share_correct(train.outcomes).astype(np.float64))
        for j, outcomes_N in enumerate(train.outcomes.T):
            known_N = ~np.isnan(outcomes_N)
            right = outcomes_N[known_N] == 1
            if 0 < right.sum() < len(right):
                fitted = LogisticRegression(
                    C=c, class_weight="balanced" if balanced else None, max_iter=MAX_ITERATIONS
                ).fit(train.vectors[known_N], right)
                weights_DS[:, j], intercepts_S[j] = fitted.coef_[0], fitted.intercept_[0]
        return cls(c, weights_DS, intercepts_S)

    def log_odds(self, vectors: np.ndarray) -> np.ndarray:
        """Shape (M, S)."""
        log_odds_MS: np.ndarray = vectors @ self.weights_DS + self.intercepts_S
        return log_odds_MS
