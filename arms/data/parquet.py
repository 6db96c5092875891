"""Parquet files that are checked to the last bit: page checksums, and a seal over the whole file.

Page checksums leave out page headers and the footer, where names and settings stand. So a file of ours also has a seal,
a SHA-256 of all its other bytes, in the gap before its footer. Parquet's readers find pages and footer by their offsets
and do not see it, and a program that writes the table anew drops it.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from arms.data.atomic import atomic_file
from arms.data.disk import read_bytes
from arms.errors import ArmsError

_SEAL = b"arms.sha256:"
_SEAL_BYTES = len(_SEAL) + 64
_TAIL_BYTES = 8  # the footer's length and PAR1
_PIECE_BYTES = 2**24  # of a file that is sealed


def write_parquet(table: pa.Table, path: Path, *, use_dictionary: bool = True) -> None:
    """Write a table, whole or not at all, with page checksums and a seal; equal tables give equal bytes."""
    with atomic_file(path) as draft:
        pq.write_table(table, draft, compression="zstd", use_dictionary=use_dictionary, write_page_checksum=True)
        _add_seal(draft)


def read_parquet(
    path: Path, expected: str, remedy: str, *, columns: Sequence[str] | None = None, sealed: bool = False
) -> pa.Table:
    """Read a table; every checksum that the file has is verified.

    Parameters
    ----------
    path : Path
    expected, remedy : str
        As for `arms.data.disk.read_bytes`.
    columns : sequence of str, optional
        Only these.
    sealed : bool
        Expect a seal: the file is one that only `write_parquet` writes.

    Raises
    ------
    ArmsError
        If the file is missing, may not be read, is not Parquet, is damaged, or lacks the seal.
    """
    content = memoryview(read_bytes(path, expected, remedy))  # parts of it are no copies
    seal = _seal_of(content)
    if sealed and seal is None and content[-4:] == b"PAR1":
        raise ArmsError(
            f"{path}: expected {expected} with a checksum over the whole file, got none: it is damaged, or another "
            f"program or an older version wrote it; {remedy}"
        )
    footer = _footer_start(content, len(content))
    if seal is not None and seal != _digest(content[: footer - _SEAL_BYTES], content[footer:]):
        raise ArmsError(f"{path} is damaged: its bytes do not match their checksum; {remedy}")
    try:
        # A buffer and not a path: what was checked is what is read, and "key=value" folders are not columns.
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            table = file.read(columns=None if columns is None else list(columns))
        table.validate(full=True)  # Arrow itself lets text pass that is not UTF-8
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # column names may not be UTF-8 either
        raise ArmsError(f"{path}: expected {expected}, could not read it as Parquet: {error}; {remedy}") from error
    return table


def _add_seal(path: Path) -> None:
    """Put the seal before a file's footer, the file read piece by piece."""
    with path.open("r+b") as file:
        size = file.seek(-_TAIL_BYTES, os.SEEK_END) + _TAIL_BYTES
        start = _footer_start(file.read(), size)
        file.seek(start)
        footer = file.read()
        file.seek(0)
        digest = hashlib.sha256()
        for place in range(0, start, _PIECE_BYTES):
            digest.update(file.read(min(_PIECE_BYTES, start - place)))
        digest.update(footer)
        file.seek(start)
        file.write(_SEAL + digest.hexdigest().encode() + footer)


def _footer_start(tail: bytes | memoryview, size: int) -> int:
    """Where the footer of a file of `size` bytes begins, by its last bytes; 0 if the file has none."""
    length = int.from_bytes(tail[-_TAIL_BYTES:-4], "little")
    return max(0, size - _TAIL_BYTES - length)


def _seal_of(content: memoryview) -> bytes | None:
    """The digest in a file's seal; None if it has no seal."""
    footer = _footer_start(content, len(content))
    seal = bytes(content[footer - _SEAL_BYTES : footer]) if footer >= _SEAL_BYTES else b""
    return seal[len(_SEAL) :] if seal.startswith(_SEAL) else None


def _digest(*parts: memoryview) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()
