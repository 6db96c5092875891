"""The similarity-weighted Elo router (RouteLLM, Ong et al. 2024, arXiv:2406.18665)."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import expit

from arms.baselines.embedding import EmbeddingRouter, best_on_val
from arms.baselines.gradient import Positive
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind, unit_norm

CHUNK_NUMBERS = 2**24  # float32 numbers (weights and battles) held at once
MAX_STEPS = 200
TOLERANCE = 1e-9  # the fit stops when two players' steps differ by less


class EloRouter(EmbeddingRouter):
    """A VLM's score is its Bradley-Terry strength in the training queries' battles; similar queries weigh more.

    Two VLMs with known outcomes on a training query have a battle there: the right one beats the wrong one, and equal
    outcomes are a tie, half a win each. A query's battles weigh 10 * 10^(s / (t max s)): s is its cosine with the
    query to be routed, max s the largest such cosine, and t the temperature, 1 as published. For each query to be
    routed, the strengths maximise the likelihood of the weighted battles.

    Only the ratios of the weights matter there, and a VLM that never loses would have no finite strength. So the
    weights are scaled to sum to the effective number of training queries, (sum w)^2 / sum w^2, and each pair of VLMs
    gets one more tie. A VLM without a known outcome thus ends up in the middle of the others.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    temperature : list of float, > 0
        Candidates; the one with the best EM on val is taken, the first without val.
    """

    scale = "rank"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        temperature: Annotated[list[Positive], Field(min_length=1)],
    ) -> None:
        super().__init__(vlms, features=features)
        self.candidates = list(temperature)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Keep the training queries that have battles, and choose the temperature on val."""
        battle_N = (~np.isnan(train.outcomes)).sum(axis=1) > 1
        self.vectors_ND = unit_norm(train.vectors[battle_N])
        self.wins_NSS = count_wins(train.outcomes[battle_N])
        self.temperature = best_on_val(
            self.candidates, None if val is None else lambda each: val.em(self._strengths(val.vectors, each))
        )

    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Strengths in natural log odds, shape (M, S); rows sum to 0."""
        return self._strengths(vectors, self.temperature)

    def _strengths(self, vectors: np.ndarray, temperature: float) -> np.ndarray:
        num_battles, pool, _ = self.wins_NSS.shape
        if not num_battles:
            return np.zeros((len(vectors), pool))
        rows = max(1, CHUNK_NUMBERS // (num_battles + 8 * pool**2))
        parts = []
        for start in range(0, len(vectors), rows):
            weights_MN = similarity_weights(unit_norm(vectors[start : start + rows]) @ self.vectors_ND.T, temperature)
            wins_MSS = (weights_MN @ self.wins_NSS.reshape(num_battles, -1)).reshape(-1, pool, pool)
            parts.append(bradley_terry(wins_MSS.astype(np.float64) + 0.5))
        return np.concatenate(parts)


def count_wins(outcomes_NS: np.ndarray) -> np.ndarray:
    """Wins of VLM i over VLM j on each query: 1, 0, 1/2 for a tie, 0 if one is unknown; shape (N, S, S), float32."""
    lead_NSS = outcomes_NS[:, :, None] - outcomes_NS[:, None, :]
    wins_NSS: np.ndarray = np.nan_to_num((1 + np.sign(lead_NSS)) / 2).astype(np.float32)
    return wins_NSS


def similarity_weights(cosines_MN: np.ndarray, temperature: float) -> np.ndarray:
    """10 * 10^(s / (t max s)), scaled to sum to the effective number of training queries; shape (M, N), float32."""
    relative_MN = cosines_MN / cosines_MN.max(axis=1, keepdims=True).clip(min=1e-6)
    weights_MN = 10 ** ((relative_MN - relative_MN.max(axis=1, keepdims=True)) / temperature)
    scale_M1 = weights_MN.sum(axis=1, keepdims=True) / np.square(weights_MN).sum(axis=1, keepdims=True)
    scaled_MN: np.ndarray = (weights_MN * scale_M1).astype(np.float32)
    return scaled_MN


def bradley_terry(wins_MSS: np.ndarray) -> np.ndarray:
    """Maximum-likelihood strengths of S players, for M tables of wins at once.

    P(i beats j) = sigmoid(a_i - a_j). Newton's method with steps shortened by log(1 + d) / d, where d is the largest
    difference between two players' steps. With such steps it converges from any start (Sun and Tran-Dinh 2019,
    arXiv:1703.04599), because the third derivative of the loss along a step is at most d times the second.

    Parameters
    ----------
    wins_MSS : ndarray of shape (M, S, S), float64
        Wins of row i over column j, > 0 off the diagonal; the diagonal is ignored.

    Returns
    -------
    ndarray of shape (M, S), float64; rows sum to 0
    """
    pool = wins_MSS.shape[1]
    battles_MSS = wins_MSS + wins_MSS.swapaxes(1, 2)
    strengths_MS = np.zeros(wins_MSS.shape[:2])
    for _ in range(MAX_STEPS):
        chances_MSS = expit(strengths_MS[:, :, None] - strengths_MS[:, None, :])
        gradient_MS = (wins_MSS - battles_MSS * chances_MSS).sum(axis=2)
        spread_MSS = battles_MSS * chances_MSS * (1 - chances_MSS)
        # Strengths are defined up to a constant; adding 1 to every entry makes the steps sum to 0.
        hessian_MSS = spread_MSS.sum(axis=2)[:, :, None] * np.eye(pool) - spread_MSS + 1
        step_MS = np.linalg.solve(hessian_MSS, gradient_MS[:, :, None])[:, :, 0]
        reach_M1 = np.ptp(step_MS, axis=1, keepdims=True).clip(min=1e-12)
        strengths_MS += step_MS * np.log1p(reach_M1) / reach_M1
        if reach_M1.max() < TOLERANCE:
            break
    return strengths_MS
