"""The text of a CSV file as a stream of UTF-8: a byte that cannot be decoded is an error that says where it stands."""

import codecs
import io
from pathlib import Path
from typing import BinaryIO

from arms.errors import ArmsError
from arms.importers.texts import END

# How files begin that are no text in UTF-8.
_HINTS = {
    b"PK": "it looks like a spreadsheet or an archive: export it as CSV",
    b"\x1f\x8b": "it looks compressed: unpack it",
    b"\xff\xfe": "it looks like UTF-16: --encoding utf-16",
    b"\xfe\xff": "it looks like UTF-16: --encoding utf-16",
}


def check_encoding(name: str) -> None:
    """Raise an ArmsError unless this is the name of a text encoding."""
    try:
        "".encode(name)
    except (LookupError, ValueError) as error:  # UnicodeError is a ValueError, and so is what a null character gives
        raise ArmsError(
            f"--encoding: expected the name of a text encoding, such as utf-8, cp1252 or utf-16, got {name!r}"
        ) from error


class AsUtf8(io.RawIOBase):
    """Reads a file in any encoding as UTF-8: from its first line that is not empty, and with the row `END` at its end.

    Parameters
    ----------
    file : binary file
        At its beginning.
    path : Path
        Opens error messages.
    encoding : str
        As `check_encoding` takes it.
    """

    def __init__(self, file: BinaryIO, path: Path, encoding: str) -> None:
        self._file = file
        self._path = path
        self._encoding = encoding
        name = codecs.lookup(encoding).name
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)()
        self._lines = 1
        self._begun = False
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer at the end alone: what reads by blocks takes each of these for one.

        Raises
        ------
        ArmsError
            If the file's bytes are no text in its encoding.
        """
        parts = [self._ready]
        missing = size - len(self._ready)
        while not self._ended and (size < 0 or missing > 0):
            parts.append(self._decode(self._file.read(missing)))
            missing -= len(parts[-1])
        content = b"".join(parts)
        self._ready = content[size:] if size >= 0 else b""
        return content[:size] if size >= 0 else content

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill as much of a buffer as is at hand; returns how much that is."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _decode(self, raw: bytes) -> bytes:
        """The next bytes of the file as UTF-8; the last row where there are none."""
        self._ended = not raw
        try:
            text = self._decoder.decode(raw, final=self._ended)
            ready = (text if self._begun else text.lstrip("\r\n")).encode()
        except UnicodeError as error:
            raise self._undecodable(error) from error
        self._lines += text.count("\n")
        self._begun |= bool(ready)
        return ready + (f"\n{END}\n".encode() if self._ended else b"")

    def _undecodable(self, error: UnicodeError) -> ArmsError:
        """What to say of bytes that are no text."""
        line, found = self._lines, str(error)
        if isinstance(error, UnicodeDecodeError):
            before = error.object[: error.start].decode(self._encoding, "replace")
            line, found = line + before.count("\n"), f"the byte 0x{error.object[error.start]:02x}: {error.reason}"
        with self._path.open("rb") as file:
            start = file.read(2)
        hint = _HINTS.get(start, "name the one that it is in, such as --encoding cp1252")
        return ArmsError(f"{self._path}, line {line}: expected text in {self._encoding}, got {found}; {hint}")
