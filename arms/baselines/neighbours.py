"""Nearest neighbours among training queries, by FAISS (Johnson et al. 2019, arXiv:1702.08734)."""

import logging
import os
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch

from arms.errors import ArmsError

IndexKind = Literal["flat", "ivf", "hnsw"]

RECALL = 0.96  # share of held-out vectors' exact neighbours to find; new queries then find 95 % or more
FEWEST = 1690  # vectors for an approximate index: k-means wants 39 per cluster, without those held out
_SAMPLE = 1024  # vectors held out; a tenth if there are few
_BATCH = 8192  # queries searched at once
_FEW, _FEW_PRODUCTS = 256, 2**24  # queries and inner products; up to so many, a matrix product is faster than FAISS
_HNSW_LINKS, _HNSW_BUILD_EFFORT = 16, 100  # links per vector, candidates examined for them

logger = logging.getLogger(__name__)


class Neighbours:
    """Finds the training vectors that have the greatest inner product with a query's vector.

    `flat` is exact. `ivf` clusters the vectors by k-means and searches the clusters whose centres are most like the
    query. `hnsw` walks a graph of neighbours (Malkov and Yashunin 2018, arXiv:1603.09320). More clusters, or a wider
    walk, are tried until the index finds `RECALL` of the exact neighbours of training vectors that were held out; these
    are added afterwards. Vectors that form no clusters need so many that `flat` is faster. `flat` and `ivf` use the
    GPUs if faiss has any. The same vectors give the same index (`hnsw` before FAISS 1.15 only on one thread).

    Parameters
    ----------
    vectors : ndarray of shape (N, D), float32
    index : "flat", "ivf" or "hnsw"
        The search is exact, and the log says so, for fewer than `FEWEST` vectors, and if no effort reaches `RECALL`
        (`hnsw` on many copies of few vectors, for example).
    num_neighbours : int
        The largest K that `search` will be asked for.
    """

    def __init__(self, vectors: np.ndarray, index: IndexKind, *, num_neighbours: int) -> None:
        faiss = import_faiss()
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        approximate = None if index == "flat" else _build_approximate(faiss, vectors, index, num_neighbours)
        # The index numbers vectors in the order they were added; `_rows` gives each number's row in `vectors`.
        if approximate is None:
            index, self._rows = "flat", np.arange(len(vectors))
            self._index: Any = faiss.IndexFlatIP(vectors.shape[1])
            self._index.add(vectors)
        else:
            self._rows, self._index = np.concatenate(_hold_out(len(vectors))), approximate
        self._kind: IndexKind | None = index  # None on a GPU
        if index != "hnsw" and getattr(faiss, "get_num_gpus", lambda: 0)():
            self._index, self._kind = faiss.index_cpu_to_all_gpus(self._index), None

    def search(self, vectors: np.ndarray, num_neighbours: int) -> tuple[np.ndarray, np.ndarray]:
        """Find each query's neighbours, nearest first.

        Parameters
        ----------
        vectors : ndarray of shape (M, D), float32
        num_neighbours : int
            K; if it is more than N, all N are found.

        Returns
        -------
        similarity : ndarray of shape (M, K), float32
            Inner products; 0 without a neighbour.
        neighbours : ndarray of shape (M, K), int64
            Rows of the training vectors; -1 where an approximate index found fewer than K.
        """
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        shape = len(vectors), min(num_neighbours, len(self._rows))
        similarity, neighbours = np.zeros(shape, dtype=np.float32), np.full(shape, -1, dtype=np.int64)
        for start in range(0, len(vectors), _BATCH):
            batch = slice(start, start + _BATCH)
            found, places = _search(self._index, self._kind, vectors[batch], shape[1])
            there = places >= 0
            similarity[batch] = np.where(there, found, 0)
            neighbours[batch] = np.where(there, self._rows[places], -1)
        return similarity, neighbours


def _hold_out(num: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to build an approximate index from, and rows to test it on, which are added afterwards."""
    tried = np.arange(num) % max(num // _SAMPLE, 10) == 0
    return np.flatnonzero(~tried), np.flatnonzero(tried)


def _build_approximate(faiss: Any, vectors: np.ndarray, kind: IndexKind, num_neighbours: int) -> Any | None:
    """Build an index and set the search effort that these vectors need; None, with a line in the log, if none helps."""
    if len(vectors) < FEWEST:
        logger.info("index %s: exact, as %d vectors are fewer than %d", kind, len(vectors), FEWEST)
        return None
    built_from, tried_on = (vectors[rows] for rows in _hold_out(len(vectors)))
    width, inner_product = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    num_neighbours = min(num_neighbours, len(built_from))
    if kind == "ivf":
        tried, most = 1, round(len(built_from) ** 0.5)
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, most, inner_product)
        searched, effort = index, "nprobe"
    else:
        tried, most = num_neighbours, len(built_from) // 16  # a wider walk takes longer than looking at all vectors
        index = faiss.IndexHNSWFlat(width, _HNSW_LINKS, inner_product)
        index.hnsw.efConstruction = _HNSW_BUILD_EFFORT
        searched, effort = index.hnsw, "efSearch"
    index.train(built_from)
    index.add(built_from)
    exact, _ = faiss.knn(tried_on, built_from, num_neighbours, metric=inner_product)
    setattr(searched, effort, tried)
    while (recall := _recall(index, kind, tried_on, exact)) < RECALL and tried < most:
        tried = min(tried + max(1, tried // 4), most)
        setattr(searched, effort, tried)
    found = f"{effort} {tried} of {most} finds {recall:.1%} of the exact neighbours"
    if recall < RECALL:
        logger.info("index %s: exact, as %s", kind, found)
        return None
    logger.info("index %s: %s", kind, found)
    index.add(tried_on)
    return index


def _recall(index: Any, kind: IndexKind, queries: np.ndarray, exact: np.ndarray) -> float:
    """Share of the neighbours found that are as near as the exact ones, whose similarities are `exact`, (M, K)."""
    farthest = exact[:, -1:]
    found, _ = _search(index, kind, queries, exact.shape[1])
    return float((found >= farthest - 1e-5 * np.abs(farthest)).mean())


def _search(
    index: Any, kind: IndexKind | None, vectors: np.ndarray, num_neighbours: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `index.search`, but by matrix products where FAISS would compare vectors one by one."""
    num = len(vectors)
    if kind == "flat" and num <= _FEW and num * index.ntotal <= _FEW_PRODUCTS:
        return _search_few(index, vectors, num_neighbours)
    if kind == "ivf" and num * index.nprobe >= 2 * index.nlist:  # at least two queries per list
        return _search_by_list(index, vectors, num_neighbours)
    return index.search(vectors, num_neighbours)


def _search_few(index: Any, vectors: np.ndarray, num_neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Search a flat index by one matrix product."""
    import faiss

    stored = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
    products_MN = vectors @ stored.T
    found = np.argpartition(-products_MN, num_neighbours - 1, axis=1)[:, :num_neighbours]
    similarity = np.take_along_axis(products_MN, found, axis=1)
    order = np.argsort(-similarity, axis=1, kind="stable")
    return np.take_along_axis(similarity, order, axis=1), np.take_along_axis(found, order, axis=1)


def _search_by_list(index: Any, vectors: np.ndarray, num_neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Search an IVF index list by list: one matrix product with all queries that want the list."""
    import faiss

    _, lists_MP = index.quantizer.search(vectors, index.nprobe)
    order = np.argsort(lists_MP, axis=None, kind="stable")
    queries = order // index.nprobe
    ends = np.cumsum(np.bincount(lists_MP.ravel(), minlength=index.nlist))
    best = faiss.ResultHeap(len(vectors), num_neighbours, keep_max=True)
    for number, wanting in enumerate(np.split(queries, ends[:-1])):
        size = index.invlists.list_size(number)
        if size and len(wanting):
            codes = faiss.rev_swig_ptr(index.invlists.get_codes(number), size * index.code_size)
            ids = faiss.rev_swig_ptr(index.invlists.get_ids(number), size)
            stored = codes.view(np.float32).reshape(size, index.d)
            products = torch.mm(torch.from_numpy(np.take(vectors, wanting, axis=0)), torch.from_numpy(stored).T)
            best.add_result_subset(wanting, products.numpy(), ids)
    best.finalize()
    return best.D, best.I


def import_faiss() -> ModuleType:
    """Import faiss, with its OpenBLAS set for this processor.

    The OpenBLAS inside faiss-cpu mistakes recent Xeons for a processor of 2004, which makes exact search four to five
    times slower. It reads the variable when its library loads, so the variable is set before the import.
    """
    has = torch.cpu.get_capabilities()
    if has.get("avx512_f"):
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
    elif has.get("avx2"):
        os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    try:
        import faiss
    except ImportError as error:
        raise ArmsError("faiss is not installed; install arms[cpu], or arms[gpu] on a machine with a GPU") from error
    return faiss
