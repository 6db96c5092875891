"""The memory: the training queries with their outcomes, and what the nearest of them say about a new query."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import torch
from scipy.special import expit, logit
from torch.nn.functional import embedding_bag

from arms.baselines.neighbours import IndexKind, Neighbours
from arms.features.labelled import Labelled
from arms.features.pooled import Embeddings, unit_norm

# Neighbours weigh exp((cosine - 1) / bandwidth); `prior` of them agree with the base rate; so many are looked at.
KERNELS = ((0.03, 0.2, 64), (0.1, 0.5, 64), (0.25, 2.0, 128))
MOST_NEIGHBOURS = max(number for *_, number in KERNELS)
_NOVELTY_NEIGHBOURS = 8
_BATCH = 4096  # queries
_SWEEPS = 3  # Newton steps to a neighbourhood's level
_SURE = 0.002  # a local rate stays this far from 0 and 1
_HIGHEST_LEVEL = 4.0  # logits, either way


class Found(NamedTuple):
    """The K nearest training queries of M queries, nearest first: cosines and rows of the memory, (M, K)."""

    similarity: np.ndarray
    rows: np.ndarray


class LocalRates(NamedTuple):
    """What the neighbours say, once for each kernel: contrasts (M, S, C) and levels (M, C), in logits.

    `support` (M, S, C) is the weight of a VLM's outcomes among the neighbours, as a share of the best-known VLM's.
    """

    contrasts: np.ndarray
    support: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True, eq=False)
class Memory:
    """N training queries and the outcomes of S VLMs on them.

    Attributes
    ----------
    ids : tuple of N str
    vectors : ndarray of shape (N, D), float32
        Embeddings of question and picture, and with a joint encoder of the pair, each less its mean over the training
        queries and at unit norm, joined and divided by sqrt(2), or sqrt(3): an inner product is the mean of the
        cosines. Where training queries have no picture a last column is 1 / sqrt(2), or 1 / sqrt(3), for these, so that
        two of them count as alike in that, and as unlike all others. Rounded to float16.
    centres : tuple of two or three ndarrays
        The means of the embeddings of questions, pictures and pairs; of the latter two where there are any.
    outcomes : ndarray of shape (N, S), float32
        1 right, 0 wrong, NaN unknown.
    index : IndexKind
        How neighbours are searched; see `Neighbours`.
    """

    ids: tuple[str, ...]
    vectors: np.ndarray
    centres: tuple[np.ndarray, ...]
    outcomes: np.ndarray
    index: IndexKind

    @classmethod
    def of(cls, train: Labelled, index: IndexKind) -> Self:
        """Remember training queries; they need embeddings."""
        embeddings = train.queries.embeddings
        assert embeddings is not None, "memory: expected queries with embeddings"
        there = embeddings.has_image
        centres = (embeddings.text.mean(axis=0), *map(_mean_of_given, embeddings.sides[1:]))
        # As they are saved, so that a loaded router gives the same scores.
        vectors = _vectors(embeddings, centres, mark_blank=not there.all()).astype(np.float16).astype(np.float32)
        return cls(train.queries.ids, vectors, centres, train.outcomes, index)

    def with_outcomes(self, outcomes: np.ndarray) -> "Memory":
        """The same queries with the outcomes of another pool, shape (N, S')."""
        other = Memory(self.ids, self.vectors, self.centres, outcomes, self.index)
        other.__dict__["_neighbours"] = self._neighbours
        return other

    @cached_property
    def _neighbours(self) -> Neighbours:
        return Neighbours(self.vectors, self.index, num_neighbours=MOST_NEIGHBOURS)

    @cached_property
    def _told(self) -> torch.Tensor:
        """Right and known outcomes, shape (N, 2 S), to be added up over neighbours."""
        told = np.concatenate([np.nan_to_num(self.outcomes), ~np.isnan(self.outcomes)], axis=1)
        return torch.from_numpy(told.astype(np.float32))

    def search(self, embeddings: Embeddings) -> Found:
        """The nearest training queries of M queries."""
        mark_blank = self.vectors.shape[1] > sum(map(len, self.centres))
        return Found(*self._neighbours.search(_vectors(embeddings, self.centres, mark_blank), MOST_NEIGHBOURS))

    def local_rates(self, found: Found, base_S: np.ndarray) -> LocalRates:
        """What the neighbours' outcomes say beside the base rates.

        For each kernel, a neighbourhood's level is the shift of all base logits that its outcomes make likeliest. A
        VLM's local rate is (sum_k w_k y_kj + a p_j) / (sum_k w_k + a), with p_j its base rate at that level: it stays
        there where the VLM has no outcome nearby (the shrinkage of ProxRouter, arXiv:2510.09852, with a prior for each
        neighbourhood). Bandwidths differ, so copies of a training query and remote relatives are told apart later.

        Parameters
        ----------
        base_S : ndarray of shape (S,), logits
        """
        parts = [
            self._local_rates(found.similarity[start : start + _BATCH], found.rows[start : start + _BATCH], base_S)
            for start in range(0, max(1, len(found.rows)), _BATCH)
        ]
        return LocalRates(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _local_rates(self, similarity: np.ndarray, neighbours: np.ndarray, base_S: np.ndarray) -> LocalRates:
        contrasts, support, levels = [], [], []
        for bandwidth, prior, number in KERNELS:
            weights = np.exp((similarity[:, :number] - 1) / bandwidth)
            weights[neighbours[:, :number] < 0] = 0
            rows = torch.from_numpy(neighbours[:, :number].clip(min=0))
            sums = embedding_bag(rows, self._told, per_sample_weights=torch.from_numpy(weights), mode="sum")
            right_MS, known_MS = np.split(sums.numpy().astype(np.float64), 2, axis=1)
            level_M1 = _level(right_MS, known_MS, base_S, prior)
            expected_MS = expit(base_S + level_M1)
            rate_MS = (right_MS + prior * expected_MS) / (known_MS + prior)
            # What is expected without any outcome may be nearer to 0 or 1, and is no contrast.
            rate_MS = rate_MS.clip(np.minimum(_SURE, expected_MS), np.maximum(1 - _SURE, expected_MS))
            contrasts.append(logit(rate_MS) - base_S - level_M1)
            support.append(known_MS / known_MS.max(axis=1, keepdims=True).clip(min=1e-12))
            levels.append(level_M1[:, 0])
        return LocalRates(np.stack(contrasts, axis=2), np.stack(support, axis=2), np.stack(levels, axis=1))


def novelty(found: Found) -> np.ndarray:
    """How far M queries are from the training queries, shape (M,): 1 less the mean cosine of the nearest."""
    similarity = found.similarity[:, :_NOVELTY_NEIGHBOURS]
    far: np.ndarray = (1 - similarity.mean(axis=1)).clip(min=0) if similarity.shape[1] else np.ones(len(similarity))
    return far


def _level(right_MS: np.ndarray, known_MS: np.ndarray, base_S: np.ndarray, prior: float) -> np.ndarray:
    """The likeliest shift of all base logits, shape (M, 1), held near 0 as by `prior` outcomes."""
    level_M1 = np.zeros((len(right_MS), 1))
    held = prior / 4  # p (1 - p) is at most a quarter
    for _ in range(_SWEEPS):
        expected_MS = expit(base_S + level_M1)
        slope_M1 = (right_MS - known_MS * expected_MS).sum(axis=1, keepdims=True) - held * level_M1
        bend_M1 = (known_MS * expected_MS * (1 - expected_MS)).sum(axis=1, keepdims=True) + held
        level_M1 = (level_M1 + slope_M1 / bend_M1).clip(-_HIGHEST_LEVEL, _HIGHEST_LEVEL)
    return level_M1


def _vectors(embeddings: Embeddings, centres: Sequence[np.ndarray], mark_blank: bool) -> np.ndarray:
    text_ND, *others = embeddings.sides
    sides = [unit_norm(text_ND - centres[0])]
    for side_ND, centre_D in zip(others, centres[1:], strict=True):
        sides.append(unit_norm(side_ND - centre_D) * side_ND.any(axis=1, keepdims=True))
    num_sides = len(sides)
    if mark_blank:
        sides.append(~embeddings.has_image[:, None])
    return np.ascontiguousarray(np.concatenate(sides, axis=1) / np.sqrt(num_sides), dtype=np.float32)


def _mean_of_given(side_ND: np.ndarray) -> np.ndarray:
    """The mean of the rows that are not zeros, which stand for what a query has not got."""
    there = side_ND.any(axis=1)
    mean: np.ndarray = (side_ND if there.all() or not there.any() else side_ND[there]).mean(axis=0)
    return mean
