"""Values that stay in an object store: a shard's array is fetched whole into a cache when its rows are read.

Such a shard has its keys, offsets and metadata on disk, and a file values.json: where its other arrays lie, how many
bytes each has, and their checksum. Fetched bytes are compared with that checksum, which the shard's digest covers.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from arms.data.storage.bucket import Bucket, bucket_at
from arms.data.storage.cache import FileCache, file_cache
from arms.data.storage.urls import below
from arms.errors import ArmsError

FILE = "values.json"
CRC_BYTES = 4
_AHEAD = 4  # arrays that are fetched at a time, one to be read now, the others next
_TRIES = 3  # another process may make room in the cache at the wrong moment


@dataclass(frozen=True)
class Values:
    """The bytes of one array of one shard, with their checksum behind them.

    Attributes
    ----------
    url : str
        Of the features of one encoder, such as s3://bucket/features/sample/bundled/image.zarr/<fingerprint>.
    key : str
        Such as shard-00000/states/c/0/0.
    size : int
        Bytes, with those of the checksum.
    checksum : bytes
    """

    url: str
    key: str
    size: int
    checksum: bytes

    def open(self) -> BinaryIO:
        """The file in the cache, fetched if it is not there.

        Raises
        ------
        ArmsError
            If the store denies or fails, or has other bytes.
        """
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                return open(self.fetched(), "rb", buffering=0)
        raise ArmsError(f"{self._where}: it was removed from the cache before it was read, again and again")

    def fetched(self) -> Path:
        """Where the file is in the cache, once it is there; raises as `open`."""
        return _cache().file(self._name, self._fetch)

    def damaged(self) -> ArmsError:
        """The error for bytes in the cache that are not those that were fetched; the file is removed."""
        path = _cache().folder / self._name
        path.unlink(missing_ok=True)
        return ArmsError(f"{path} was damaged, and is removed: run the same again, which fetches it from {self._where}")

    @property
    def _name(self) -> str:
        """Its name in the cache, which changes with its content."""
        fingerprint = self.url.rpartition("/")[2]
        return f"{fingerprint}/{self.key.replace('/', '-')}-{self.size}-{self.checksum.hex()}"

    @property
    def _where(self) -> str:
        return below(self.url, self.key)

    def _fetch(self, path: Path) -> None:
        fetch_checked(bucket_at(self.url), self.key, path, self.size, self.checksum)


def fetch_checked(bucket: Bucket, key: str, path: Path, size: int | None, checksum: bytes | None) -> None:
    """Fetch values and the checksum behind them into a file, and compare both.

    Parameters
    ----------
    size, checksum : int and bytes, optional
        What is expected, where that is known already.

    Raises
    ------
    ArmsError
        If the store denies or fails, or its bytes are not what is expected.
    """
    import google_crc32c

    computed, end, count = 0, b"", 0
    with open(path, "wb") as file:
        for block in bucket.blocks(key, "values of features", "push them there again: arms push"):
            file.write(block)
            count += len(block)
            end += block
            computed, end = google_crc32c.extend(computed, end[:-CRC_BYTES]), end[-CRC_BYTES:]
    if (size not in (None, count)) or checksum not in (None, end) or computed.to_bytes(CRC_BYTES, "little") != end:
        raise ArmsError(
            f"{below(bucket.url, key)}: its {count:,} bytes are not those that were written; delete it there, then "
            "push it again: arms push"
        )


def values_of(array: Path) -> Values | None:
    """Where the values of an array's folder lie, if not on disk."""
    shard = array.parent
    try:
        content = json.loads((shard / FILE).read_text())
        of = content["arrays"].get(array.name)
        return of and Values(content["url"], of["key"], of["size"], bytes.fromhex(of["checksum"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArmsError(
            f"{shard / FILE}: not what says where values lie: {error!r}; delete {shard}, and pull it again: arms pull"
        ) from error


def fetch_ahead(chunks: Sequence[Any]) -> Iterator[Any]:
    """Yield chunks in order; of those whose values lie elsewhere, the next ones are fetched meanwhile."""
    if all(chunk.values is None for chunk in chunks):
        yield from chunks
        return
    away = dict.fromkeys(chunk for chunk in chunks if chunk.values is not None)
    coming, reached = deque(away), set()
    pool = ThreadPoolExecutor(_AHEAD)
    try:
        for chunk in chunks:
            if chunk in away:
                reached.add(chunk)
            while coming and len(away) - len(coming) < len(reached) + _AHEAD:
                pool.submit(coming.popleft().values.fetched)  # an error is raised when the chunk is read
            yield chunk
    finally:
        pool.shutdown(cancel_futures=True)


def _cache() -> FileCache:
    return file_cache("features")
