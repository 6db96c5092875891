"""Features in memory, and queries as routers see them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from arms.batch import Batch, QueryBatch
from arms.errors import ArmsError


@dataclass(frozen=True)
class Ragged:
    """Sequences of different lengths, end to end.

    Attributes
    ----------
    values : ndarray of shape (sum of T_i, ...)
    offsets : ndarray of shape (N + 1,), int64
        Sequence i is ``values[offsets[i]:offsets[i + 1]]``.
    """

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def join(cls, sequences: Sequence[np.ndarray]) -> Self:
        """Put sequences end to end."""
        lengths = [len(sequence) for sequence in sequences]
        return cls(np.concatenate(sequences), np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.values.nbytes + self.offsets.nbytes

    def pad(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some of the sequences, padded with zeros to the longest of them.

        Returns
        -------
        padded : ndarray of shape (n, T, ...)
        mask : ndarray of shape (n, T), bool
            True where there is a value.
        """
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        position = np.arange(int((ends - starts).max(initial=1)))
        mask = position < (ends - starts)[:, None]
        padded = np.zeros((*mask.shape, *self.values.shape[1:]), dtype=self.values.dtype)
        padded[mask] = self.values[(starts[:, None] + position)[mask]]
        return padded, mask


Array = np.ndarray | Ragged


def join_arrays(parts: Sequence[Array]) -> Array:
    """Put the rows of several arrays of one kind end to end."""
    if len(parts) == 1:
        return parts[0]
    ragged = [part for part in parts if isinstance(part, Ragged)]
    if not ragged:
        return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
    starts = np.cumsum([0] + [part.offsets[-1] for part in ragged[:-1]])
    offsets = [part.offsets[1:] + start for part, start in zip(ragged, starts, strict=True)]
    return Ragged(np.concatenate([part.values for part in ragged]), np.concatenate([[0], *offsets]))


@dataclass(frozen=True)
class Features:
    """What crosses an encoder's cut, for many images or texts.

    Attributes
    ----------
    arrays : dict of str to ndarray or Ragged
        By the names that the encoder's tail takes.
    row_of : dict of str to int
        Row of each content key (sha256 of the image's bytes or of the text).
    """

    arrays: dict[str, Array]
    row_of: dict[str, int]

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """Rows of content keys, int64; a key that was never encoded is an ArmsError."""
        missing = [key for key in keys if key not in self.row_of]
        if missing:
            raise ArmsError(
                f"{len(missing)} of {len(keys)} keys have no features, such as {missing[0]}; run: dvc repro encode"
            )
        return np.fromiter((self.row_of[key] for key in keys), dtype=np.int64, count=len(keys))

    def take(self, rows: np.ndarray) -> Batch:
        """Rows as tensors; ragged arrays are padded to the longest of these rows and get a mask."""
        batch: Batch = {}
        for name, array in self.arrays.items():
            if isinstance(array, Ragged):
                padded, mask = array.pad(rows)
                batch |= {name: torch.from_numpy(padded), "mask": torch.from_numpy(mask)}
            else:
                batch[name] = torch.from_numpy(array[rows])
            if batch[name].dtype == torch.float16:  # stored in half the space, computed in float32
                batch[name] = batch[name].float()
        return batch


@dataclass(frozen=True)
class Queries:
    """N queries as routers see them: rows of image and text features, never outcomes.

    Attributes
    ----------
    ids : tuple of str
    images, texts : Features
    image_rows, text_rows : ndarray of shape (N,), int64
    embeddings : ndarray of shape (N, D_q + D_g), float32, or None
        The encoders' pooled embeddings before any tuning, for routers that train no encoder.
    """

    ids: tuple[str, ...]
    images: Features
    texts: Features
    image_rows: np.ndarray
    text_rows: np.ndarray
    embeddings: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def subset(self, index: np.ndarray) -> Self:
        """The queries at these positions, in this order."""
        return replace(
            self,
            ids=tuple(self.ids[i] for i in index),
            image_rows=self.image_rows[index],
            text_rows=self.text_rows[index],
            embeddings=None if self.embeddings is None else self.embeddings[index],
        )

    def batch(self, index: np.ndarray) -> QueryBatch:
        """The queries at these positions as tensors, each distinct image and question once."""
        image_rows, image_N = np.unique(self.image_rows[index], return_inverse=True)
        text_rows, question_N = np.unique(self.text_rows[index], return_inverse=True)
        return QueryBatch(
            self.images.take(image_rows),
            self.texts.take(text_rows),
            torch.from_numpy(image_N),
            torch.from_numpy(question_N),
        )


def gather_queries(
    ids: Sequence[str], image_keys: Sequence[str], text_keys: Sequence[str], images: Features, texts: Features
) -> Queries:
    """Queries from the content keys of their images and questions; a key without features is an ArmsError."""
    return Queries(tuple(ids), images, texts, images.rows(image_keys), texts.rows(text_keys))
