"""Routers in an object store: fetched once into a folder of this machine, by content.

A router's description has the checksum of every file and of itself, so it names the content, and tells what to fetch:
no listing is needed, which might be out of date. One small object is read to see whether the router has changed.
"""

import hashlib
import json
import logging
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from arms.data.atomic import atomic_folder
from arms.data.disk import read_bytes
from arms.data.storage.bucket import Bucket, in_parallel
from arms.data.storage.cache import cache_folder
from arms.data.storage.urls import below, is_url, split_url, tidy_url
from arms.errors import ArmsError
from arms.routers.checkpoint import DESCRIPTION, FORMAT, seal

_TRIES = 3
_EXPECTED = "a router's description"
_REMEDY = "copy a router's whole folder there, such as data/routers/arms; see docs/scale.md"

logger = logging.getLogger(__name__)


def local_router(place: str | Path) -> Path:
    """The folder of a router: `place` itself, or of a URL a copy of what is there now.

    Raises
    ------
    ArmsError
        If no router is there, it is damaged, the store denies or fails, or the router is replaced again and again.
    """
    if not is_url(place):
        return Path(place)
    url = tidy_url(place)
    for tried in range(1, _TRIES + 1):
        try:
            return _fetched(url)
        except _ChangedError:
            if tried == _TRIES:
                raise
    raise AssertionError("the last try returns or raises")


def push_router(folder: Path, url: str) -> str:
    """Copy a saved router to a URL, its description last; return the description's checksum.

    Raises
    ------
    ArmsError
        If the folder holds no sound router, or the store denies or fails.
    """
    parent, name = split_url(tidy_url(url))
    bucket, content = Bucket(parent), _read_local(folder, DESCRIPTION)
    files = dict(_files(str(folder), "", content, lambda key: _read_local(folder, key)))
    if any(key.startswith(f"../{name}/") for key in files):
        raise ArmsError(
            f"{url}: {folder} shares files with a router next to it of the name {name!r}; take another name"
        )

    def copy(key: str) -> None:
        bucket.write(_joined(name, key), _local_file(folder, key, files[key]))

    # What lies deeper first: a description is there only when all that it names is.
    descriptions = [key for key in files if PurePosixPath(key).name == DESCRIPTION]
    in_parallel(copy, [key for key in files if key not in descriptions])
    for key in sorted(descriptions, key=lambda key: -key.count("/")):
        copy(key)
    bucket.write(_joined(name, DESCRIPTION), content)
    return str(json.loads(content)["sha256"])


class _ChangedError(ArmsError):
    """A file that does not match the description: the router is being replaced, or is damaged."""


def _fetched(url: str) -> Path:
    parent, name = split_url(url)
    bucket = Bucket(parent)

    def read(key: str) -> bytes:
        return bucket.read(
            _joined(name, key), _EXPECTED if key.endswith(DESCRIPTION) else "a file of a router", _REMEDY
        )

    content = read(DESCRIPTION)
    # Routers side by side share files, so the copy lies in a folder of its own together with what it shares.
    whole = cache_folder() / "routers" / _description(url, content)["sha256"]
    if not _is_sound(whole / name):
        files = dict(_files(url, "", content, read))
        with atomic_folder(whole) as draft:
            in_parallel(lambda key: _save(draft / _joined(name, key), read(key), below(url, key), files[key]), [*files])
            _save(draft / name / DESCRIPTION, content, below(url, DESCRIPTION), None)
        logger.info("fetched %s into %s", url, whole / name)
    return whole / name


def _is_sound(folder: Path) -> bool:
    """Whether a copy is there and as it was fetched."""
    try:
        files = _files(str(folder), "", _read_local(folder, DESCRIPTION), lambda key: _read_local(folder, key))
        for key, sha256 in files:
            _local_file(folder, key, sha256)
    except ArmsError:
        return False
    return True


def _files(where: str, inside: str, content: bytes, read: Callable[[str], bytes]) -> Iterator[tuple[str, str]]:
    """The keys and checksums of all files that a description names, below the router that is asked for.

    Of a description of a router inside it, the checksum is that of its content as `seal` gives it.
    """
    description = _description(where, content)
    try:
        for of in description["weights"].values():
            yield _key(where, inside + of["file"]), of["sha256"]
        for name, sha256 in description.get("files", {}).items():
            yield _key(where, inside + name), sha256
        for name, sha256 in description.get("nested", {}).items():
            key = _key(where, f"{inside}{name}/{DESCRIPTION}")
            below_it = read(key)
            yield key, sha256
            yield from _files(where, f"{inside}{name}/", below_it, read)
    except (KeyError, TypeError, AttributeError) as error:
        raise ArmsError(f"{below(where, inside + DESCRIPTION)}: not a router's description: {error!r}") from error


def _description(where: str, content: bytes) -> dict[str, Any]:
    """A description that matches its own checksum."""
    try:
        description = json.loads(content)
        got = description["format"]
        sound = description.get("sha256") == seal(description)["sha256"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _ChangedError(f"{below(where, DESCRIPTION)}: expected {_EXPECTED}, got {error!r}; {_REMEDY}") from error
    if got != FORMAT:
        raise ArmsError(f"{below(where, DESCRIPTION)}: expected checkpoint format {FORMAT}, got {got!r}; train it anew")
    if not sound:
        raise _ChangedError(f"{below(where, DESCRIPTION)}: it does not match its checksum; {_REMEDY}")
    return dict(description)


def _key(where: str, name: str) -> str:
    """A file's key below the router, or in a folder next to it; a stranger's description may name anything."""
    key = posixpath.normpath(name)
    if key in (".", "..") or key.startswith(("/", "../../")) or "\\" in name:
        raise ArmsError(f"{where}: expected files in it, or in a folder next to it, its description names {name!r}")
    return key


def _joined(name: str, key: str) -> str:
    """A key below the place that holds the router and those next to it."""
    return key.removeprefix("../") if key.startswith("../") else f"{name}/{key}"


def _save(path: Path, content: bytes, where: str, sha256: str | None) -> None:
    if sha256 is not None:
        _check(path.name, content, where, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _check(name: str, content: bytes, where: str, sha256: str) -> None:
    got = _description(where, content)["sha256"] if name == DESCRIPTION else hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise _ChangedError(
            f"{where}: expected sha256 {sha256}, got {got}: the router there is damaged, or is being replaced; wait "
            "for its writer to end, or copy the router there again"
        )


def _read_local(folder: Path, key: str) -> bytes:
    return read_bytes(folder / key, "a file of a router", "train it anew")


def _local_file(folder: Path, key: str, sha256: str) -> bytes:
    content = _read_local(folder, key)
    _check(PurePosixPath(key).name, content, str(folder / key), sha256)
    return content
