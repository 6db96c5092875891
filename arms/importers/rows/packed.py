"""Files as they are, or packed with gzip: what a name ends in says so."""

import errno
import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from arms.importers.rows.table import open_file

_ENDING = ".gz"


def suffix_of(path: Path) -> str:
    """What a file's name ends in, in lower case and without .gz: .jsonl of a.JSONL.gz."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix == _ENDING else suffix


def stem_of(path: Path) -> str:
    """A file's name without its ending: results of results.jsonl.gz."""
    return Path(path.stem).stem if path.suffix.lower() == _ENDING else path.stem


def is_packed(path: Path) -> bool:
    """Whether a file's name says that it is packed."""
    return path.suffix.lower() == _ENDING


def open_unpacked(path: Path) -> BinaryIO:
    """Open a file to read its bytes, unpacked as they are read; an OSError as `open_file`, or if the pack is broken."""
    stream = open_file(path)
    return io.BufferedReader(_Unpacked(stream)) if is_packed(path) else stream


class _Unpacked(io.RawIOBase):
    """What is in a gzip file; whatever is wrong with it is an OSError that says so."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._content = gzip.GzipFile(fileobj=stream, mode="rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            content = self._content.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(errno.EIO, f"not a whole gzip file: {error}") from error
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._content.close()
        self._stream.close()
        super().close()
