"""Pictures in an object store: read by their URLs, and kept in a cache by their content."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from arms.data.storage.bucket import ObjectError, bucket_at
from arms.data.storage.cache import FileCache, file_cache
from arms.data.storage.urls import tidy_url

_EXPECTED = "a picture"


def read_picture(url: str | Path, *, most_bytes: int, sha256: str | None = None) -> bytes | None:
    """The bytes of a picture; None if there is none of that name.

    Parameters
    ----------
    most_bytes : int
        More than one further byte beyond these is not read.
    sha256 : str, optional
        The hash of its bytes as they were once found: what the cache has is then taken, and the store is not asked.

    Raises
    ------
    ArmsError
        If the store denies or fails: that says nothing about the picture.
    """
    if sha256 is not None and (kept := _kept(sha256)) is not None:
        return kept
    content = _fetch(tidy_url(url), most_bytes)
    if content is not None and len(content) <= most_bytes:
        _keep(content)
    return content


def _fetch(url: str, most_bytes: int) -> bytes | None:
    scheme, _, place = url.partition("://")
    root, _, key = place.partition("/")
    content = bytearray()
    try:
        for block in bucket_at(f"{scheme}://{root}").blocks(key, _EXPECTED, "correct its URL, or copy it there"):
            content += block
            if len(content) > most_bytes:
                break
    except ObjectError as error:
        if error.kind != "missing":
            raise
        return None
    return bytes(content)


def _kept(sha256: str) -> bytes | None:
    """What the cache has of this hash; a file that does not match is removed."""
    path = _cache().folder / _name(sha256)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != sha256:
        path.unlink(missing_ok=True)
        return None
    with suppress(OSError):
        os.utime(path)  # read now
    return content


def _keep(content: bytes) -> None:
    def write(path: Path) -> None:
        path.write_bytes(content)

    _cache().file(_name(hashlib.sha256(content).hexdigest()), write)


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _cache() -> FileCache:
    return file_cache("pictures")
