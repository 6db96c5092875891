"""Hybrid-LLM: the weak VLM where it is as good as the strong one (Ding et al. 2024, arXiv:2404.14618)."""

from collections.abc import Sequence
from typing import Annotated, Literal, Unpack

import numpy as np
import torch
from pydantic import Field
from scipy.special import expit, logit
from torch import nn

from arms.baselines.embedding import best_on_val, share_correct
from arms.baselines.gradient import Count, Loss, NetRouter, Share, Training, make_mlp, net_outputs
from arms.baselines.neighbours import Neighbours
from arms.errors import ArmsError
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind, unit_norm
from arms.training.losses import masked_loss

Label = Literal["deterministic", "probabilistic", "transformed"]


class HybridLlmRouter(NetRouter):
    """Chooses the weak VLM where p, the chance that it does as well as the strong one, reaches a threshold.

    A net learns p by the binary cross-entropy with `as_good_labels`. p is shifted in log odds so that the threshold
    becomes 0.5; then the weak VLM scores p and the strong one 1 - p. All other VLMs score below both, in order of
    their accuracy in training, and are chosen only if both are left out. If no training query has both outcomes, the
    strong VLM is always chosen.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    weak, strong : str or None
        Names in the pool. By default strong is the VLM that was right most often in training, and weak is the cheapest
        of the others (without `Labelled.costs`, the one that was right least often).
    label : "deterministic", "probabilistic" or "transformed"
    num_neighbours : int
        How many nearest training queries replace repeated answers to one query; the deterministic label ignores it.
    hidden_width : int
    threshold : list of float
        Candidates in [0, 1]; the one with the best EM on val is taken, the first without val. 0 always chooses weak,
        1 always strong.
    training
        See `Training`.

    Raises
    ------
    ArmsError
        If weak or strong is not in the pool, or both name one VLM.
    """

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        weak: str | None,
        strong: str | None,
        label: Label,
        num_neighbours: Count,
        hidden_width: Count,
        threshold: Annotated[list[Share], Field(min_length=1)],
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        for key, name in (("weak", weak), ("strong", strong)):
            if name is not None and name not in self.vlms:
                raise ArmsError(f"hybrid-llm.{key}: unknown VLM {name!r}; known: {', '.join(self.vlms)}")
        if weak is not None and weak == strong:
            raise ArmsError(f"hybrid-llm: expected weak and strong to be two VLMs, got {weak!r} for both")
        self.named = {"weak": weak, "strong": strong}
        self.label: Label = label
        self.num_neighbours = num_neighbours
        self.hidden_width = hidden_width
        self.candidates = list(threshold)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Pick the two VLMs, learn p, and choose the threshold on val."""
        self.shares_S = share_correct(train.outcomes)
        self.weak, self.strong = self._choose_pair(train.outcomes, train.costs)
        pair_N2 = train.outcomes[:, [self.weak, self.strong]]
        labels_N = as_good_labels(pair_N2, train.vectors, self.label, self.num_neighbours)
        vectors_ND = torch.tensor(train.vectors)
        labels_N1 = torch.tensor(labels_N[:, None])

        def begin(hidden_width: int) -> tuple[nn.Module, Loss]:
            net = make_mlp(train.vectors, hidden_width, 1)
            return net, lambda rows: masked_loss(net(vectors_ND[rows]), labels_N1[rows])

        self.threshold = self.candidates[0]
        self.fit_net([self.hidden_width], begin, train, val)
        if np.isnan(labels_N).all():
            self.threshold = 1.0
        elif val is not None:
            logits_M = net_outputs(self.net, val.vectors)[:, 0]
            self.threshold = best_on_val(self.candidates, lambda t: val.em(self._pool_scores(logits_M, t)))

    def net_scores(self, net: nn.Module, vectors: np.ndarray) -> np.ndarray:
        """Scores over the whole pool, shape (M, S)."""
        return self._pool_scores(net_outputs(net, vectors)[:, 0], self.threshold)

    def _pool_scores(self, logits_M: np.ndarray, threshold: float) -> np.ndarray:
        chance_M = expit(logits_M.astype(np.float64) - logit(threshold))
        scores_MS = np.tile(self.shares_S - 1, (len(logits_M), 1))
        scores_MS[:, self.weak] = chance_M
        scores_MS[:, self.strong] = 1 - chance_M
        return scores_MS

    def _choose_pair(self, outcomes_NS: np.ndarray, costs_NS: np.ndarray | None) -> tuple[int, int]:
        """Positions of the weak and the strong VLM; in a pool of one that VLM is both."""
        known_NS = ~np.isnan(outcomes_NS)
        right_S = np.nansum(outcomes_NS, axis=0) / known_NS.sum(axis=0).clip(min=1)
        weak, strong = (None if name is None else self.vlms.index(name) for name in self.named.values())
        everyone = range(len(self.vlms))
        if strong is None:
            strong = max((j for j in everyone if j != weak), key=lambda j: right_S[j], default=0)
        if weak is None:
            # Without a query that both answered, nothing could be learned about the two.
            together_S = (known_NS & known_NS[:, [strong]]).any(axis=0)
            price_S = right_S if costs_NS is None else costs_NS.mean(axis=0)
            weak = min(
                (j for j in everyone if j != strong),
                key=lambda j: (not together_S[j], price_S[j], -right_S[j]),
                default=0,
            )
        return weak, strong


def as_good_labels(pair_N2: np.ndarray, vectors_ND: np.ndarray, label: Label, num_neighbours: int) -> np.ndarray:
    """Whether the weak VLM does as well as the strong one on each query: shape (N,), float32; NaN if unknown.

    - deterministic: 1[q_S >= q_L], from the recorded outcomes.
    - probabilistic: P(q_S >= q_L). The paper asks each VLM ten times. Here each was asked once, so the label is the
      mean deterministic label of the nearest training queries.
    - transformed: 1[q_S >= q_L - t], with q the mean outcome on those neighbours, and t from `spreading_relaxation`.

    Parameters
    ----------
    pair_N2 : ndarray
        Outcomes of the weak and of the strong VLM.
    vectors_ND : ndarray
        Feature vectors; neighbours are those with the highest cosine, a query itself among them.
    """
    weak_N, strong_N = pair_N2.T
    known_N = ~np.isnan(pair_N2).any(axis=1)
    as_good_N = np.where(known_N, weak_N >= strong_N, np.nan)
    if label == "deterministic":
        return as_good_N.astype(np.float32)
    neighbours_NK = _nearest(vectors_ND, num_neighbours)
    if label == "probabilistic":
        return _known_mean(as_good_N[neighbours_NK]).astype(np.float32)
    gap_N = _known_mean(weak_N[neighbours_NK]) - _known_mean(strong_N[neighbours_NK])
    relaxation = spreading_relaxation(gap_N[~np.isnan(gap_N)])
    return np.where(np.isnan(gap_N), np.nan, gap_N >= -relaxation).astype(np.float32)


def spreading_relaxation(gap_N: np.ndarray) -> float:
    """The smallest t >= 0 at which the labels 1[gap >= -t] differ most, by the mean of |y_i - y_j| over all pairs.

    If the strong VLM is much better, nearly all labels are 0 at t = 0; a larger t evens them out.
    """
    candidates = np.unique(np.append(0.0, -gap_N[gap_N < 0]))
    share = 1 - np.searchsorted(np.sort(gap_N), -candidates) / max(len(gap_N), 1)
    return float(candidates[np.argmax(share * (1 - share))])


def _nearest(vectors_ND: np.ndarray, num_neighbours: int) -> np.ndarray:
    unit_ND = unit_norm(vectors_ND)
    return Neighbours(unit_ND, "flat", num_neighbours=num_neighbours).search(unit_ND, num_neighbours)[1]


def _known_mean(values_NK: np.ndarray) -> np.ndarray:
    """Mean of each row's known values, shape (N,); NaN if none is known."""
    known_N = (~np.isnan(values_NK)).sum(axis=1)
    return np.where(known_N > 0, np.nansum(values_NK, axis=1) / known_N.clip(min=1), np.nan)
