"""Arrays of features, one row per image or text: dense or ragged, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """Sequences of different lengths, stored end to end.

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
        return cls(np.concatenate(sequences), offsets_of([len(sequence) for sequence in sequences]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.values.nbytes + self.offsets.nbytes

    def pad(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some of the sequences, padded with zeros to the longest one.

        Parameters
        ----------
        rows : ndarray of shape (n,), int64
            Positions of the sequences.

        Returns
        -------
        padded : ndarray of shape (n, T, ...)
        mask : ndarray of shape (n, T), bool
            True where there is a value.
        """
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        lengths = ends - starts
        mask = np.arange(int(lengths.max(initial=1))) < lengths[:, None]
        padded = np.zeros((*mask.shape, *self.values.shape[1:]), dtype=self.values.dtype)
        # Copied one by one: gathering with a numpy index is several times slower.
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            padded[row, : end - start] = self.values[start:end]
        return padded, mask


Array = np.ndarray | Ragged


def offsets_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Offsets of N sequences of these lengths, stored end to end: shape (N + 1,), int64, beginning with 0."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def join_arrays(parts: Sequence[Array]) -> Array:
    """Join the rows of several arrays, which are all dense or all ragged."""
    if len(parts) == 1:
        return parts[0]
    ragged = [part for part in parts if isinstance(part, Ragged)]
    if not ragged:
        return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
    lengths = np.concatenate([np.diff(part.offsets) for part in ragged])
    return Ragged(np.concatenate([part.values for part in ragged]), offsets_of(lengths))
