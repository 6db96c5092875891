"""The linear router: multinomial logistic regression over VLMs on pooled embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.preprocessing import StandardScaler

from arms.baselines.embedding import EmbeddingRouter, best_on_val
from arms.baselines.gradient import NotNegative, Positive
from arms.baselines.targets import TargetKind, target_shares
from arms.baselines.threads import one_blas_thread
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind


class LinearRouter(EmbeddingRouter):
    """A VLM's score is its share in a softmax over the VLMs, linear in the query's vector.

    The softmax learns where queries should go (`target_shares`); a query without a right VLM is not learned from. Only
    VLMs with a known outcome compete for a training query, so an unknown outcome never counts as wrong.
    scikit-learn's own regression supports neither this nor shared targets. Vectors are standardised first. A VLM that
    never competes has share 0.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    targets : "cheapest" or "soft"
        Without `Labelled.costs` both give all right VLMs equal shares.
    penalty : float, >= 0
        Weight of the cost in soft targets.
    c : list of float, > 0
        Candidates for the inverse strength of the L2 penalty; the one with the best EM on val is taken, the first
        without val.
    """

    scale = "rank"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        targets: TargetKind,
        penalty: NotNegative,
        c: Annotated[list[Positive], Field(min_length=1)],
    ) -> None:
        super().__init__(vlms, features=features)
        self.targets: TargetKind = targets
        self.penalty = penalty
        self.candidates = list(c)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Fit the softmax and choose C on val."""
        self.scaler = StandardScaler().fit(train.vectors)
        vectors_ND = self.scaler.transform(train.vectors)
        targets_NS = target_shares(train.outcomes, train.costs, self.targets, self.penalty)
        known_NS = ~np.isnan(train.outcomes)
        candidates = self.candidates[: 1 if val is None else None]
        fitted = [SoftmaxRegression.of(vectors_ND, targets_NS, known_NS, c) for c in candidates]
        self.regression = best_on_val(
            fitted, None if val is None else lambda each: val.em(each.shares(self.scaler.transform(val.vectors)))
        )

    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Shares of the softmax, shape (M, S), rows sum to 1."""
        return self.regression.shares(self.scaler.transform(vectors))


@dataclass(frozen=True, eq=False)
class SoftmaxRegression:
    """Multinomial logistic regression from D features to S VLMs.

    Attributes
    ----------
    c : float
    weights_DS : ndarray of shape (D, S), float64
    intercepts_S : ndarray of shape (S,), float64
        -inf for a VLM that never competed.
    """

    c: float
    weights_DS: np.ndarray
    intercepts_S: np.ndarray

    @classmethod
    def of(cls, vectors_ND: np.ndarray, targets_NS: np.ndarray, known_NS: np.ndarray, c: float) -> Self:
        """Minimise C times the summed cross-entropy plus half the squared weights, by L-BFGS.

        This is scikit-learn's objective, except that a query's softmax covers only its known VLMs.
        """
        taught_N = targets_NS.any(axis=1)
        X_ND, T_NS, known = vectors_ND[taught_N].astype(np.float64), targets_NS[taught_N], known_NS[taught_N]
        (count, width), pool = X_ND.shape, known_NS.shape[1]
        penalty = 1 / (c * max(count, 1))

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            """Loss per query, and its gradient."""
            weights_DS, intercepts_S = flat[pool:].reshape(width, pool), flat[:pool]
            logits_NS = np.where(known, X_ND @ weights_DS + intercepts_S, -np.inf)
            highest_N1 = logits_NS.max(axis=1, keepdims=True)
            exp_NS = np.exp(logits_NS - highest_N1)
            total_N1 = exp_NS.sum(axis=1, keepdims=True)
            log_share_NS = np.where(known, logits_NS - highest_N1 - np.log(total_N1), 0.0)
            loss = -(T_NS * log_share_NS).sum() / count + penalty / 2 * np.square(weights_DS).sum()
            slope_NS = (exp_NS / total_N1 - T_NS) / count
            slope_DS = X_ND.T @ slope_NS + penalty * weights_DS
            return loss, np.concatenate([slope_NS.sum(axis=0), slope_DS.ravel()])

        flat = np.zeros(pool * (1 + width))
        if count:
            options = {"gtol": 1e-5, "maxiter": 5000}
            with one_blas_thread():
                flat = minimize(objective, flat, jac=True, method="L-BFGS-B", options=options).x
        competed_S = known.any(axis=0) if count else np.ones(pool, dtype=bool)
        return cls(c, flat[pool:].reshape(width, pool), np.where(competed_S, flat[:pool], -np.inf))

    def shares(self, vectors: np.ndarray) -> np.ndarray:
        """Shape (M, S), rows sum to 1."""
        shares_MS: np.ndarray = softmax(vectors @ self.weights_DS + self.intercepts_S, axis=1)
        return shares_MS
