"""Rows on disk: the chunk files that Zarr writes, and the arrays that the chunks of several shards form.

A chunk is raw bytes followed by their crc32c checksum, so rows are read straight from its file. Zarr would decode a
whole chunk for each row, which makes random rows hundreds of times slower. Files are read, not memory-mapped, so that
only the rows asked for take up memory.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from arms.data.disk import unreadable
from arms.errors import ArmsError
from arms.features.arrays import Ragged, offsets_of
from arms.features.values import CRC_BYTES, fetch_ahead, values_of

_EXPECTED, _REMEDY = "an array of features", "run: dvc repro encode"
_BLOCK_BYTES = 256 * 2**10  # read and checksummed at a time; fits in a processor's cache


class Chunk:
    """One array of one shard: a single chunk, uncompressed, with a checksum.

    Parameters
    ----------
    folder : Path
        The array's folder, such as image.zarr/<fingerprint>/shard-00000/states.

    Raises
    ------
    ArmsError
        If the array is missing, has another layout, or its chunk's size does not fit its shape.
    """

    def __init__(self, folder: Path) -> None:
        import zarr  # whoever only routes has no stores, and need not have it

        self.folder = folder
        try:
            array: Any = zarr.open_array(folder, mode="r")
            self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
            codecs = [codec.to_dict()["name"] for codec in array.metadata.codecs]
            if array.chunks != tuple(max(1, size) for size in self.shape) or codecs != ["bytes", "crc32c"]:
                raise ValueError(f"expected one chunk of raw bytes and crc32c, got chunks {array.chunks}, {codecs}")
            self.file = folder.joinpath("c", *("0" * len(self.shape)))
            self.values = None if self.file.exists() else values_of(folder)
            size = self._size()
        except ArmsError:
            raise
        except PermissionError as error:
            raise unreadable(folder, _EXPECTED, error, _REMEDY) from error
        except Exception as error:  # Zarr has no error class for metadata that it cannot read
            raise damage(folder.parent, f"{folder.name}: {error}") from error
        expected = self.nbytes + CRC_BYTES if self.nbytes else 0
        if size != expected:
            raise damage(folder.parent, f"{self._name}: expected {expected} bytes, got {size}")
        self._checked = False

    @property
    def nbytes(self) -> int:
        """Bytes of its values."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def checksum(self) -> bytes:
        """The checksum that stands behind the values, not verified here; none if there are no values."""
        if not self.nbytes:
            return b""
        if self.values is not None:
            return self.values.checksum
        stored = np.empty(CRC_BYTES, dtype=np.uint8)
        with self._open() as file:
            self._fill(file, stored, self.nbytes)
        return stored.tobytes()

    def read(self) -> np.ndarray:
        """The whole chunk, its checksum verified."""
        values = np.empty(self.shape, dtype=self.dtype)
        self.read_into(values)
        return values

    def read_into(self, values: np.ndarray) -> None:
        """Read the whole chunk into an array of its shape and verify its checksum.

        Raises
        ------
        ArmsError
            If the bytes do not match their checksum.
        """
        if not self.nbytes:
            return
        buffer = _memory(values)
        self._check(buffer[start : start + _BLOCK_BYTES] for start in range(0, len(buffer), _BLOCK_BYTES))

    def check(self) -> None:
        """Verify the checksum without keeping the values; raise ArmsError if the bytes do not match it."""
        if not self.nbytes:
            return
        block = np.empty(min(self.nbytes, _BLOCK_BYTES), dtype=np.uint8)
        sizes = (min(len(block), self.nbytes - start) for start in range(0, self.nbytes, len(block)))
        self._check(block[:size] for size in sizes)

    def read_rows(self, start: int, rows: np.ndarray) -> None:
        """Fill an array with rows from `start` on; the first call verifies the whole chunk.

        Verifying brings the file into the page cache, from which later calls read.
        """
        if not self._checked and len(rows) == self.shape[0]:
            self.read_into(rows)
            return
        if not self._checked:
            self.check()
        with self._open() as file:
            self._fill(file, _memory(rows), start * (self.nbytes // self.shape[0]))

    def _size(self) -> int:
        if self.values is not None:
            return self.values.size
        return self.file.stat().st_size if self.nbytes or self.file.exists() else 0

    @property
    def _name(self) -> str:
        return self.file.relative_to(self.folder.parent).as_posix()

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """Open the file; an OSError while opening or reading it is reported as damage, if it is not forbidden."""
        try:
            with open(self.file, "rb", buffering=0) if self.values is None else self.values.open() as file:
                yield file
        except PermissionError as error:
            raise unreadable(self.file, _EXPECTED, error, _REMEDY) from error
        except OSError as error:
            raise damage(self.folder.parent, f"{self._name}: {error}") from error

    def _fill(self, file: Any, buffer: np.ndarray, position: int) -> None:
        filled = 0
        while filled < len(buffer):  # one call reads at most 2 GiB
            count = os.preadv(file.fileno(), [buffer[filled:].data], position + filled)
            if not count:
                raise damage(self.folder.parent, f"{self._name}: it ends at byte {position + filled}")
            filled += count

    def _check(self, blocks: Iterable[np.ndarray]) -> None:
        """Fill each block from the file, checksum it while it is in the processor's cache, and compare at the end."""
        import google_crc32c

        computed, position = 0, 0
        with self._open() as file:
            for block in blocks:
                self._fill(file, block, position)
                position += len(block)
                block.flags.writeable = False  # google_crc32c accepts only read-only memory
                computed = google_crc32c.extend(computed, block)
                block.flags.writeable = True
            stored = np.empty(CRC_BYTES, dtype=np.uint8)
            self._fill(file, stored, position)
        if computed.to_bytes(CRC_BYTES, "little") != stored.tobytes():
            if self.values is not None:
                raise self.values.damaged()
            raise damage(self.folder.parent, f"{self._name}: its bytes do not match their checksum")
        self._checked = True


class DiskArray:
    """Dense rows on disk, shard after shard.

    Parameters
    ----------
    chunks : sequence of Chunk
        One per shard; they differ only in their number of rows.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        kinds = {(chunk.shape[1:], chunk.dtype) for chunk in chunks}
        if len(kinds) > 1:
            last = chunks[-1].folder
            raise damage(last.parent, f"{last.name}: its rows have another shape or dtype than those of other shards")
        self.chunks = tuple(chunks)
        self.starts = offsets_of([chunk.shape[0] for chunk in chunks])

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def nbytes(self) -> int:
        """Bytes of its values."""
        return sum(chunk.nbytes for chunk in self.chunks)

    def load(self) -> np.ndarray:
        """All rows, checksums verified."""
        values = self._empty(len(self))
        for chunk, (start, end) in zip(fetch_ahead(self.chunks), pairwise(self.starts), strict=True):
            chunk.read_into(values[start:end])
        return values

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Some rows; `rows` must be ascending."""
        return self.read(rows, rows + 1)

    def read(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Ranges of rows, joined end to end; they must be ascending and not overlap."""
        values = self._empty(int((ends - starts).sum()))
        pieces, filled = list(self._pieces(starts, ends)), 0
        for chunk, (_, start, count) in zip(fetch_ahead([chunk for chunk, *_ in pieces]), pieces, strict=True):
            chunk.read_rows(start, values[filled : filled + count])
            filled += count
        return values

    def _pieces(self, starts: np.ndarray, ends: np.ndarray) -> Iterator[tuple[Chunk, int, int]]:
        """Ranges of rows by the chunk that holds them: it, the first row in it, and the number of rows."""
        for start, end in _join_ranges(starts, ends):
            while start < end:
                shard = int(np.searchsorted(self.starts, start, side="right")) - 1
                stop = min(end, int(self.starts[shard + 1]))
                yield self.chunks[shard], start - int(self.starts[shard]), stop - start
                start = stop

    def _empty(self, count: int) -> np.ndarray:
        return np.empty((count, *self.chunks[0].shape[1:]), dtype=self.chunks[0].dtype)


class DiskRagged:
    """Sequences of different lengths on disk, shard after shard; their offsets are in memory.

    Parameters
    ----------
    values, offsets : sequence of Chunk
        For each shard, its values and the offsets of its sequences in them.
    """

    def __init__(self, values: Sequence[Chunk], offsets: Sequence[Chunk]) -> None:
        self.values = DiskArray(values)
        lengths = []
        for value, offset in zip(values, offsets, strict=True):
            of_shard = offset.read()
            if of_shard[-1] != value.shape[0]:
                found, expected = of_shard[-1], value.shape[0]
                raise damage(value.folder.parent, f"offsets: expected the last one to be {expected}, got {found}")
            lengths.append(np.diff(of_shard))
        self.offsets = offsets_of(np.concatenate(lengths))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of its values and offsets."""
        return self.values.nbytes + self.offsets.nbytes

    def load(self) -> Ragged:
        """All sequences, checksums verified."""
        return Ragged(self.values.load(), self.offsets)

    def gather(self, rows: np.ndarray) -> Ragged:
        """Some sequences; `rows` must be ascending."""
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        return Ragged(self.values.read(starts, ends), offsets_of(ends - starts))


def damage(shard: Path, what: str) -> ArmsError:
    """The error for a shard that cannot be trusted."""
    return ArmsError(f"{shard} is damaged: {what}; delete this folder and run: dvc repro encode")


def _join_ranges(starts: np.ndarray, ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Join ranges that touch."""
    breaks = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    for first, last in pairwise([0, *breaks.tolist(), len(starts)]):
        if first < last:
            yield int(starts[first]), int(ends[last - 1])


def _memory(values: np.ndarray) -> np.ndarray:
    """An array's memory as bytes."""
    return values.reshape(-1).view(np.uint8)
