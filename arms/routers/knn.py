"""The nearest-neighbour router on pooled embeddings, by FAISS (Shnitzer et al. 2024, arXiv:2309.15789)."""

import os
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Self

import numpy as np

from arms.errors import ArmsError
from arms.features.loader import Queries
from arms.routers.base import Router
from arms.training.losses import masked_em


class KnnRouter(Router):
    """A VLM's confidence is the mean outcome on the K training queries most like this one.

    Parameters
    ----------
    vlms : sequence of str
    num_neighbours : sequence of int
        Candidates for K; the one with the best EM on val is taken, the first without val.
    weights : "uniform" or "distance"
        Whether neighbours count alike, or by cosine similarity.
    """

    def __init__(
        self, vlms: tuple[str, ...], *, num_neighbours: list[int], weights: Literal["uniform", "distance"]
    ) -> None:
        self.vlms = tuple(vlms)
        self.candidates = list(num_neighbours)
        self.weights = weights

    def fit(
        self,
        queries: Queries,
        outcomes: np.ndarray,
        val_queries: Queries | None = None,
        val_outcomes: np.ndarray | None = None,
    ) -> Self:
        """Index the training queries' embeddings and choose K on val; see `Router.fit`."""
        embeddings = _embeddings(queries)
        self.outcomes = np.asarray(outcomes, dtype=np.float32)
        # Where no neighbour's outcome is known: the VLM's mean over all of training, drawn to 0.5 where few are known.
        known = ~np.isnan(self.outcomes)
        self.prior = (np.nansum(self.outcomes, axis=0) + 0.5) / (known.sum(axis=0) + 1)
        self.index = build_index(embeddings)
        self.num_neighbours = self.candidates[0]
        if val_queries is not None and val_outcomes is not None and len(val_queries):
            self.num_neighbours = max(self.candidates, key=lambda k: self._em(k, val_queries, val_outcomes))
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """Weighted mean outcome among the neighbours, unknown ones left out; see `Router.score`."""
        return self._score(self.num_neighbours, queries)

    def _score(self, num_neighbours: int, queries: Queries) -> np.ndarray:
        similarity, neighbours = self.index.search(_embeddings(queries), min(num_neighbours, len(self.outcomes)))
        weights_NK = np.ones_like(similarity) if self.weights == "uniform" else similarity.clip(min=1e-6)
        outcomes_NKS = self.outcomes[neighbours]
        known_NKS = ~np.isnan(outcomes_NKS)
        total_NS = np.einsum("nk,nks->ns", weights_NK, known_NKS)
        right_NS = np.einsum("nk,nks->ns", weights_NK, np.nan_to_num(outcomes_NKS))
        mean_NS = np.divide(right_NS, total_NS, out=np.zeros_like(right_NS), where=total_NS > 0)
        return np.where(total_NS > 0, mean_NS, self.prior).astype(np.float32).clip(0, 1)

    def _em(self, num_neighbours: int, queries: Queries, outcomes: np.ndarray) -> float:
        return masked_em(self._score(num_neighbours, queries), outcomes) or 0.0


def build_index(embeddings: np.ndarray) -> Any:
    """An exact inner-product index, on the GPUs where faiss has any."""
    faiss = import_faiss()
    index = faiss.IndexFlatIP(embeddings.shape[1])
    if getattr(faiss, "get_num_gpus", lambda: 0)():
        index = faiss.index_cpu_to_all_gpus(index)
    index.add(np.ascontiguousarray(embeddings, dtype=np.float32))
    return index


def import_faiss() -> ModuleType:
    """Import faiss, with OpenBLAS told what this processor can do.

    The OpenBLAS inside faiss-cpu takes recent Xeons for a processor of 2004, which makes exact search four to five
    times slower; the variable is read when its library loads.
    """
    flags = _cpu_flags()
    if "avx512f" in flags:
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
    elif "avx2" in flags:
        os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    try:
        import faiss
    except ImportError as error:
        raise ArmsError("faiss is not installed; install arms[cpu], or arms[gpu] on a machine with a GPU") from error
    return faiss


def _cpu_flags() -> set[str]:
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return set()
    line = next((line for line in file.read_text().splitlines() if line.startswith("flags")), "")
    return set(line.split())


def _embeddings(queries: Queries) -> np.ndarray:
    if queries.embeddings is None:
        raise ArmsError("these queries have no pooled embeddings; make them with arms.features.embeddings")
    # Both halves have unit norm: scaled so that the whole has, an inner product is a cosine.
    return np.ascontiguousarray(queries.embeddings / np.sqrt(2), dtype=np.float32)
