"""Scenes: queries that must stay on one side of a split, as their pictures are near-copies or their group is the same.

Two pictures are near-copies if the correlation of their thumbnails reaches a threshold. All pairs that do are found by
FAISS range search: exactly up to some ten thousand pictures; above, among the pictures of the nearest clusters.
"""

from collections.abc import Iterator, Mapping, Sequence

import faiss
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from arms.data.thumbnails import as_vectors
from arms.progress import progress_bar

_EXACT = 30_000  # pictures that are all compared with each other
_REDUCED = 64  # dimensions in which more pictures are compared first; projecting never moves two of them apart
_PROBED = 16  # clusters searched for each picture
_BATCH = 1024  # pictures searched at a time
_MOST_PAIRS = 10_000_000  # pairs held at a time


def near_copies(thumbnails: Sequence[bytes], similarity: float) -> np.ndarray:
    """Which pictures are near-copies of each other, directly or through others.

    Parameters
    ----------
    thumbnails : sequence of N bytes
        From `thumbnail_of`, all of one side.
    similarity : float in (0, 1]
        The correlation from which on two pictures are near-copies.

    Returns
    -------
    ndarray of shape (N,), int64
        A code per picture, equal where they are near-copies.
    """
    labels, held = np.arange(len(thumbnails)), list[np.ndarray]()
    for pairs in _similar_pairs(as_vectors(thumbnails), similarity):
        held.append(pairs[:, labels[pairs[0]] != labels[pairs[1]]])
        if sum(part.shape[1] for part in held) > _MOST_PAIRS:
            labels, held = _joined(labels, held), []
    return _joined(labels, held)


def find_scenes(queries: pd.DataFrame, copies: Mapping[str, int] | None = None) -> pd.Series:
    """The scene of each query: what hangs together by pictures, near-copies of pictures, or `group`.

    A query joins all its pictures. One without a picture is of one scene with those that ask the same.

    Parameters
    ----------
    queries : DataFrame
        Columns images_sha256 and question_sha256, and group where known (null: in no group).
    copies : mapping of str to int, optional
        For each hash of an image a code, equal for near-copies; by default only the same image is a copy.

    Returns
    -------
    Series of str, named scene, with the index of `queries`
        The smallest hash of an image, or of a question without one, in the scene; data added later rarely changes it.
    """
    lists = queries["images_sha256"].where(queries["images_sha256"].str.len() > 0, queries["question_sha256"])
    counts = lists.map(lambda of: len(of) if isinstance(of, tuple) else 1).to_numpy()
    # The nodes are images, and questions without one; each query has one or more of them, one after the other.
    nodes, keys = pd.factorize(lists.explode().astype("str"), sort=True)
    query_of = np.repeat(np.arange(len(queries)), counts)
    edges = [np.stack([nodes, query_of])] if (counts > 1).any() else []
    if copies is not None:
        pictures = np.flatnonzero([key in copies for key in keys])
        codes = np.unique([copies[keys[place]] for place in pictures], return_inverse=True)[1]
        edges.append(np.stack([pictures, codes]))
    if "group" in queries:
        groups = pd.factorize(queries["group"])[0][query_of]  # -1: in no group
        edges.append(np.stack([nodes, groups])[:, groups >= 0])
    labels = np.arange(len(keys))
    for joined, hubs in edges:
        labels = _through_hubs(labels, joined, hubs)
    # Keys are sorted, so the first one of a label is its smallest.
    _, first, scene_of = np.unique(labels, return_index=True, return_inverse=True)
    own = nodes[np.cumsum(counts) - counts]
    return pd.Series(keys.to_numpy()[first][scene_of][own], index=queries.index, name="scene", dtype="str")


def nearest_similarity(thumbnails: Sequence[bytes], others: Sequence[bytes]) -> np.ndarray:
    """The highest correlation of each picture with any of the others: float32 array of shape (N,); -1 without others.

    Beyond some ten thousand others only those of the nearest clusters are searched, so it may be too low.
    """
    if not thumbnails or not others:
        return np.full(len(thumbnails), -1.0, dtype=np.float32)
    vectors = as_vectors(others)
    if len(vectors) <= _EXACT:
        index = faiss.index_factory(vectors.shape[1], "Flat", faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.index_factory(
            vectors.shape[1], f"IVF{_num_clusters(len(vectors))},Flat", faiss.METRIC_INNER_PRODUCT
        )
        index.train(vectors)
        faiss.extract_index_ivf(index).nprobe = _PROBED
    index.add(vectors)
    return index.search(as_vectors(thumbnails), 1)[0][:, 0]


def _similar_pairs(vectors: np.ndarray, similarity: float) -> Iterator[np.ndarray]:
    """All pairs of rows whose dot product reaches `similarity`, batch by batch: int64 arrays of shape (2, P)."""
    index = _index_of(vectors)
    radius = 2 - 2 * similarity + 1e-5  # the squared distance of two unit vectors; rounding must lose no pair
    with progress_bar("compare images", "images") as progress:
        for start in range(0, len(vectors), _BATCH):
            found_until, _, found = index.range_search(vectors[start : start + _BATCH], radius)
            counts = np.diff(found_until.astype(np.int64)).astype(np.int64)
            rows = start + np.repeat(np.arange(len(counts)), counts)
            earlier = found < rows
            yield _checked(vectors, np.stack([rows[earlier], found[earlier]]), similarity)
            progress(min(start + _BATCH, len(vectors)), len(vectors))


def _checked(vectors: np.ndarray, pairs: np.ndarray, similarity: float) -> np.ndarray:
    """The pairs that are similar in full, not only as reduced vectors; blank pictures are similar to none."""
    kept = np.zeros(pairs.shape[1], dtype=bool)
    for start in range(0, len(kept), 2**16):
        part = slice(start, start + 2**16)
        products = np.einsum("pd,pd->p", vectors[pairs[0, part]], vectors[pairs[1, part]])
        kept[part] = products >= similarity - 1e-6  # so that a copy reaches 1
    return pairs[:, kept]


def _index_of(vectors: np.ndarray) -> faiss.Index:
    """An index by distance: of the vectors as they are, or reduced and in clusters if there are many."""
    reduced = f"PCA{min(_REDUCED, vectors.shape[1])},IVF{_num_clusters(len(vectors))},Flat"
    index = faiss.index_factory(vectors.shape[1], "Flat" if len(vectors) <= _EXACT else reduced)
    if len(vectors) > _EXACT:
        index.train(vectors)
        faiss.extract_index_ivf(index).nprobe = _PROBED
    index.add(vectors)
    return index


def _num_clusters(num_vectors: int) -> int:
    return round(4 * num_vectors**0.5)


def _joined(labels: np.ndarray, pairs: Sequence[np.ndarray]) -> np.ndarray:
    """The labels after the pairs have joined those of their two sides."""
    if not pairs:
        return labels
    rows, columns = labels[np.concatenate(pairs, axis=1)]
    size = len(labels)
    graph = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)[labels]


def _through_hubs(labels: np.ndarray, nodes: np.ndarray, hubs: np.ndarray) -> np.ndarray:
    """The labels after all nodes of one hub have been joined."""
    first = pd.Series(nodes).groupby(hubs).transform("first").to_numpy()
    return _joined(labels, [np.stack([nodes, first])]) if len(nodes) else labels
