"""Features of many images or texts, queries as routers see them, and batches of queries.

Features are in memory if they fit, else on disk. Training and scoring go through queries window by window. A window's
features are loaded into memory whole; while they are used, those of the next window are loaded. Windows do not depend
on where the features are, so both cases give the same batches.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch

from arms.data.query_forms import forms_of
from arms.encoders.batch import Batch, QueryBatch
from arms.errors import ArmsError
from arms.features.arrays import Array, Ragged
from arms.features.chunks import DiskArray, DiskRagged
from arms.features.pooled import Embeddings

_EMPTY_TEXT = ("", hashlib.sha256(b"").hexdigest())  # its key where texts are keyed by themselves, and in stores


@dataclass(frozen=True)
class Features:
    """What crosses an encoder's cut, for many images or texts.

    Attributes
    ----------
    arrays : mapping of str to ndarray, Ragged, DiskArray or DiskRagged
        By the names under which the encoder's tail takes them.
    row_of : dict of str to int
        Row of each content key (sha256 of the image's bytes or of the text), in the order of the rows.
    """

    arrays: Mapping[str, Array | DiskArray | DiskRagged]
    row_of: dict[str, int]

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """Rows of content keys, int64; raise ArmsError for a key that was never encoded."""
        missing = [key for key in keys if key not in self.row_of]
        if missing:
            raise ArmsError(
                f"{len(missing)} of {len(keys)} keys have no features, such as {missing[0]}; run: dvc repro encode"
            )
        return np.fromiter((self.row_of[key] for key in keys), dtype=np.int64, count=len(keys))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def in_memory(self) -> bool:
        """Whether no array is on disk."""
        return not any(isinstance(array, DiskArray | DiskRagged) for array in self.arrays.values())

    @cached_property
    def key_rank(self) -> np.ndarray:
        """Each row's place among the sorted content keys: a random order, whatever order the store was written in."""
        rank = np.empty(len(self.row_of), dtype=np.int64)
        rank[[self.row_of[key] for key in sorted(self.row_of)]] = np.arange(len(rank))
        return rank

    def row_bytes(self, rows: np.ndarray) -> np.ndarray:
        """Bytes that each of these rows takes in memory, int64."""
        total = np.zeros(len(rows), dtype=np.int64)
        for array in self.arrays.values():
            if isinstance(array, Ragged | DiskRagged):
                value_bytes = array.values.nbytes // max(1, len(array.values))
                total += (array.offsets[rows + 1] - array.offsets[rows]) * value_bytes
            else:
                total += array.nbytes // max(1, len(array))
        return total

    def load(self) -> Self:
        """The same features in memory, checksums verified."""
        return replace(self, arrays={name: _load(array) for name, array in self.arrays.items()})

    def gather(self, rows: np.ndarray) -> Self:
        """Some rows, in memory; `rows` must be ascending."""
        keys = list(self.row_of)
        return type(self)(
            {name: _gather(array, rows) for name, array in self.arrays.items()},
            {keys[row]: place for place, row in enumerate(rows)},
        )

    def take(self, rows: np.ndarray) -> Batch:
        """Rows as tensors; ragged arrays are padded to the longest of these rows and get a mask."""
        if not self.in_memory:
            distinct, inverse = np.unique(rows, return_inverse=True)
            return self.gather(distinct).take(inverse)
        batch: Batch = {}
        for name, array in self.arrays.items():
            if isinstance(array, Ragged):
                padded, mask = array.pad(rows)
                batch |= {name: torch.from_numpy(padded), "mask": torch.from_numpy(mask)}
            elif isinstance(array, np.ndarray):
                batch[name] = torch.from_numpy(array[rows])
        return batch


def _load(array: Array | DiskArray | DiskRagged) -> Array:
    return array.load() if isinstance(array, DiskArray | DiskRagged) else array


def _gather(array: Array | DiskArray | DiskRagged, rows: np.ndarray) -> Array:
    if isinstance(array, Ragged):
        return Ragged.join([array.values[array.offsets[row] : array.offsets[row + 1]] for row in rows])
    return array[rows] if isinstance(array, np.ndarray) else array.gather(rows)


@dataclass(frozen=True)
class Pairs:
    """What the joint encoder says of N queries, each a pair of pictures and question.

    Attributes
    ----------
    features : Features
        Vectors of shape (D_p,), by the keys of `JointEncoder.key`.
    rows : ndarray of shape (N,), int64
        Each query's row; -1 where the encoder cannot take it.
    """

    features: Features
    rows: np.ndarray

    @classmethod
    def gather(cls, features: Features, keys: Sequence[str | None], width: int) -> Self:
        """The pairs of these keys, None for a query that has no vector; ArmsError for a key without features."""
        if not features.arrays:  # of no pair, whose width is not known
            features = Features({"pooled": np.empty((0, width), dtype=np.float32)}, {})
        rows = np.full(len(keys), -1, dtype=np.int64)
        there = np.array([key is not None for key in keys], dtype=bool)
        rows[there] = features.rows([key for key in keys if key is not None])
        return cls(features, rows)

    def subset(self, index: np.ndarray) -> Self:
        """The pairs at these positions, in this order."""
        return replace(self, rows=self.rows[index])

    def load(self) -> Self:
        """The same pairs with only the features that they need, in memory."""
        return type(self)(*_load_rows(self.features, self.rows))

    def vectors(self) -> torch.Tensor:
        """Vectors of shape (N, D_p), float32; zeros where there is none."""
        there = self.rows >= 0
        found = self.features.take(self.rows[there])["pooled"]
        vectors = torch.zeros(len(self.rows), found.shape[1])
        vectors[torch.from_numpy(there)] = found
        return vectors


@dataclass(frozen=True)
class Queries:
    """N queries as routers see them: rows of image and text features, never outcomes.

    Attributes
    ----------
    ids : tuple of str
    images, texts : Features
    image_rows : ndarray of shape (N, P), int64
        The rows in `images` of each query's images, in their order; -1 beyond them. P is at least 1. Given as (N,), it
        is of one image each.
    text_rows : ndarray of shape (N,), int64
        Each query's row in `texts`.
    embeddings : Embeddings of the N queries, or None
        For routers that train no encoder.
    pairs : Pairs of the N queries, or None
        With a joint encoder.
    """

    ids: tuple[str, ...]
    images: Features
    texts: Features
    image_rows: np.ndarray
    text_rows: np.ndarray
    embeddings: Embeddings | None = None
    pairs: Pairs | None = None

    def __post_init__(self) -> None:
        if self.image_rows.ndim == 1:
            object.__setattr__(self, "image_rows", self.image_rows[:, None])

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def first_images(self) -> np.ndarray:
        """The row of each query's first image, shape (N,), int64; -1 without one."""
        return self.image_rows[:, 0]

    @property
    def forms(self) -> np.ndarray:
        """The form of each query, shape (N,), each a `QueryForm`."""
        images_N = (self.image_rows >= 0).sum(axis=1)
        empty = [row for key in _EMPTY_TEXT if (row := self.texts.row_of.get(key)) is not None]
        return forms_of(images_N, np.isin(self.text_rows, empty))

    def subset(self, index: np.ndarray) -> Self:
        """The queries at these positions, in this order."""
        return replace(
            self,
            ids=tuple(self.ids[i] for i in index),
            image_rows=self.image_rows[index],
            text_rows=self.text_rows[index],
            embeddings=None if self.embeddings is None else self.embeddings.subset(index),
            pairs=None if self.pairs is None else self.pairs.subset(index),
        )

    def batch(self, index: np.ndarray) -> QueryBatch:
        """The queries at these positions as tensors, each distinct image and question once."""
        rows_NP = self.image_rows[index]
        most = max(1, int((rows_NP >= 0).sum(axis=1).max(initial=1)))
        image_rows, image_NP = _distinct(rows_NP[:, :most])
        text_rows, question_N = np.unique(self.text_rows[index], return_inverse=True)
        return QueryBatch(
            self.images.take(image_rows) if len(image_rows) else {},
            self.texts.take(text_rows),
            torch.from_numpy(image_NP),
            torch.from_numpy(question_N),
            has_blank=bool((image_NP[:, 0] < 0).any()),
            pair_ND=None if self.pairs is None else self.pairs.subset(index).vectors(),
        )

    @property
    def in_memory(self) -> bool:
        """Whether no features are on disk."""
        return all(features.in_memory for features in (self.images, self.texts, *self._of_pairs()))

    def _of_pairs(self) -> list[Features]:
        return [] if self.pairs is None else [self.pairs.features]

    def load(self) -> Self:
        """The same queries with only the features that they need, in memory."""
        images, image_rows = _load_rows(self.images, self.image_rows)
        texts, text_rows = _load_rows(self.texts, self.text_rows)
        pairs = None if self.pairs is None else self.pairs.load()
        return replace(self, images=images, texts=texts, image_rows=image_rows, text_rows=text_rows, pairs=pairs)

    def windows(self, num_bytes: int) -> list[np.ndarray]:
        """Divide the positions of all queries into windows whose features take about `num_bytes` at most.

        Queries about one image stay together, or about one first image where they have several, and images are taken in
        the order of their content keys. The keys are hashes, so a window is a random sample of the images. A store
        written in that order reads a window in one piece.
        """
        distinct, first = np.unique(self.image_rows, return_index=True)
        first = first[distinct >= 0] // self.image_rows.shape[1]
        bytes_N = self.texts.row_bytes(self.text_rows)
        if self.pairs is not None:
            bytes_N = bytes_N + self.pairs.features.row_bytes(self.pairs.rows)
        np.add.at(bytes_N, first, self.images.row_bytes(distinct[distinct >= 0]))
        if bytes_N.sum() <= num_bytes:
            return [np.arange(len(self))]
        image_N = self.first_images
        rank_N = np.full(len(self), -1)
        rank_N[image_N >= 0] = self.images.key_rank[image_N[image_N >= 0]]
        order = np.argsort(rank_N, kind="stable")
        bytes_before = np.cumsum(bytes_N[order]) - bytes_N[order]
        image_starts = np.flatnonzero(np.diff(rank_N[order], prepend=-2) | (rank_N[order] < 0))
        cuts = image_starts[1:][np.diff(bytes_before[image_starts] // num_bytes) > 0]
        return [np.sort(window) for window in np.split(order, cuts)]


def _load_rows(features: Features, rows: np.ndarray) -> tuple[Features, np.ndarray]:
    if features.in_memory:
        return features, rows
    distinct, places = _distinct(rows)
    return features.gather(distinct), places


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows, ascending, and the place of each of `rows` among them; -1, which is no row, stays -1."""
    distinct, places = np.unique(rows, return_inverse=True)
    has_none = int(len(distinct) > 0 and distinct[0] < 0)
    return distinct[has_none:], places.reshape(rows.shape) - has_none


def read_batches(
    queries: Queries,
    orders: Iterable[np.ndarray],
    batch_size: int,
    part: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Iterator[tuple[np.ndarray, QueryBatch]]:
    """Yield the positions and the tensors of each batch, window by window.

    Parameters
    ----------
    orders : iterable of ndarray
        Positions of each window's queries, in the order wanted; no batch spans two windows.
    part : callable, optional
        Takes a batch's positions to the part of them that is wanted; nothing else is loaded. Where that part is empty,
        so are the positions yielded; the tensors are those of the batch's first query, as a net cannot take none.
    """
    for pieces, window in _load_ahead(queries, (_cut(order, batch_size, part) for order in orders)):
        start = 0
        for index, read in pieces:
            yield index, window.batch(np.arange(start, start + len(read)))
            start += len(read)


_Pieces = list[tuple[np.ndarray, np.ndarray]]  # of each batch: the positions wanted, and those to read


def _cut(order: np.ndarray, batch_size: int, part: Callable[[np.ndarray], np.ndarray] | None) -> _Pieces:
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    wanted = batches if part is None else list(map(part, batches))
    return [(index, index if len(index) else batch[:1]) for index, batch in zip(wanted, batches, strict=True)]


def _load_ahead(queries: Queries, windows: Iterable[_Pieces]) -> Iterator[tuple[_Pieces, Queries]]:
    """Yield each window's queries with their features in memory; the next window is read while this one is used."""
    subsets = ((pieces, queries.subset(_joined([read for _, read in pieces]))) for pieces in windows)
    if queries.in_memory:
        yield from subsets
        return
    with ThreadPoolExecutor(1) as reader:
        ahead = None
        for pieces, subset in subsets:
            loading = pieces, reader.submit(subset.load)
            if ahead is not None:
                yield ahead[0], ahead[1].result()
            ahead = loading
        if ahead is not None:
            yield ahead[0], ahead[1].result()


def _joined(positions: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(positions) if positions else np.empty(0, dtype=np.int64)


def gather_queries(
    ids: Sequence[str],
    image_keys: Sequence[str | Sequence[str]],
    text_keys: Sequence[str],
    images: Features,
    texts: Features,
    pairs: Pairs | None = None,
) -> Queries:
    """Make queries from the content keys of images and questions; raise ArmsError for a key without features.

    Parameters
    ----------
    image_keys : sequence of N str, or sequences of str
        Each query's image, or its images, none included.
    pairs : Pairs of the N queries, optional
    """
    lists = [[keys] if isinstance(keys, str) else keys for keys in image_keys]
    counts = np.array([len(keys) for keys in lists], dtype=np.int64)
    rows_NP = np.full((len(counts), int(counts.max(initial=1))), -1, dtype=np.int64)
    rows_NP[np.arange(rows_NP.shape[1]) < counts[:, None]] = images.rows([key for keys in lists for key in keys])
    return Queries(tuple(ids), images, texts, rows_NP, texts.rows(text_keys), pairs=pairs)
