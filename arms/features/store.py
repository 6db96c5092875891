"""The feature store: arrays on disk by content key, in Zarr.

A store is a Zarr v3 group with one subgroup per encoder fingerprint. So features of two encoders never mix, and
switching back to an encoder encodes nothing. Each shard is a group in that subgroup. It holds the content ``keys`` of
its rows and the arrays, each as one uncompressed chunk with a checksum::

    image.zarr/<fingerprint>/shard-00000/{keys, pixels}

A shard is written whole into a hidden folder, flushed to disk and renamed, so a shard that exists is complete. The
list of shards is written last, into the attributes of the fingerprint's group. A store without it cannot be read.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self

import zarr
from filelock import FileLock, Timeout

from arms.data.disk import flush, naming_full_disk, unreadable
from arms.errors import ArmsError
from arms.features.arrays import Array
from arms.features.chunks import Chunk, DiskArray, DiskRagged
from arms.features.loader import Features
from arms.features.shards import FULL_REMEDY, check_digest, open_shard, read_keys, write_shard, written_digest
from arms.features.tries import remove_marks
from arms.features.workers_lock import WorkersLock

logger = logging.getLogger(__name__)

# Two runs may overlap for a moment, as when one is killed and started again.
_LOCK_TIMEOUT_S = 15.0


class FeatureStore:
    """The features of one encoder in the store at `path`.

    Parameters
    ----------
    path : Path
        Folder of the store, such as data/features/sample/bundled/image.zarr.
    fingerprint : dict
        Everything that determines the features, with their names under ``arrays``; see `Encoder.fingerprint`.
    """

    def __init__(self, path: Path, fingerprint: dict[str, Any]) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.folder = path / fingerprint_id(fingerprint)
        self.workers_lock = WorkersLock(path)

    @classmethod
    def at(cls, folder: Path) -> Self:
        """The store in a fingerprint's folder."""
        return cls(folder.parent, _read_attributes(folder)["fingerprint"])

    @classmethod
    def all_in(cls, path: Path) -> list[Self]:
        """The stores of all fingerprints at `path`."""
        return [cls.at(file.parent) for file in sorted(path.glob("*/zarr.json"))]

    def exists(self) -> bool:
        """Whether anything was ever written under this fingerprint."""
        return (self.folder / "zarr.json").exists()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Lock the store for one writer, make its groups, and remove what a killed writer left unfinished.

        Raises
        ------
        ArmsError
            If another process is writing, or the disk is full.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self.path}.lock")
        with naming_full_disk(self.path, remedy=FULL_REMEDY):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                logger.info("%s is held by another process; waiting up to %.0f s", self.path, _LOCK_TIMEOUT_S)
                try:
                    lock.acquire(timeout=_LOCK_TIMEOUT_S)
                except Timeout as error:
                    raise ArmsError(f"{self.path} is being written by another process; wait for it to end") from error
        try:
            with naming_full_disk(self.path, remedy=FULL_REMEDY):
                self.workers_lock.wait_for_others(_LOCK_TIMEOUT_S)
                _make_group(self.path)
                if not self.exists():
                    _make_group(self.folder, attributes={"fingerprint": self.fingerprint})
                self.remove_drafts()
            yield
        finally:
            lock.release()

    def stored_keys(self) -> set[str]:
        """Content keys whose features are on disk, including those of an unfinished run."""
        return {key for shard in self.shards() for key in read_keys(self.folder / shard)}

    def remove_drafts(self) -> None:
        """Remove what killed writers left unfinished."""
        remove_marks(self.folder)
        for leftover in self.folder.glob(".shard-*"):
            shutil.rmtree(leftover)

    def free_names(self) -> Iterator[str]:
        """Names for shards to come, in their order: a damaged shard that was deleted leaves a gap, which is filled."""
        taken = set(self.shards())
        return (name for number in count() if (name := f"shard-{number:05d}") not in taken)

    def write_shard(self, keys: Sequence[str], arrays: dict[str, Array], name: str | None = None) -> None:
        """Write a shard under this name or the next one; see `arms.features.shards.write_shard`."""
        write_shard(self.folder / (name or next(self.free_names())), keys, arrays)

    def finish(self) -> None:
        """Write the list of shards, after which the store can be read.

        Raises
        ------
        ArmsError
            If a shard is not as it was written, or the disk is full.
        """
        content = json.loads((self.folder / "zarr.json").read_text())
        listed = content["attributes"].get("shards", {})
        shards = {shard: self._listing(shard, listed.get(shard)) for shard in self.shards()}
        content["attributes"] = {"fingerprint": self.fingerprint, "shards": shards}
        draft = self.folder / ".zarr.json"
        with naming_full_disk(self.folder, draft, remedy=FULL_REMEDY):
            draft.write_text(json.dumps(content, indent=2))
            flush(draft)
            draft.rename(self.folder / "zarr.json")
            flush(self.folder)

    def _listing(self, shard: str, listed: Any) -> dict[str, Any]:
        """What the list says about a shard: its number of rows, and its digest."""
        folder = self.folder / shard
        chunks = open_shard(folder, self.fingerprint["arrays"], None)
        known = None
        if written_digest(folder) is None:  # only then: a shard that was deleted may have been written anew
            known = listed.get("sha256") if isinstance(listed, dict) else None
            if known is None:
                for chunk in chunks.values():
                    chunk.check()
                logger.warning("%s was written before shards had digests; its checksums were verified", folder)
        return {"rows": chunks["keys"].shape[0], "sha256": check_digest(folder, chunks, known)}

    def open(self) -> Features:
        """Open the features on disk: keys and offsets are read now, values when they are asked for.

        Raises
        ------
        ArmsError
            If the store was made by other settings, is unfinished, or a file is missing or damaged.
        """
        shards = self.attributes()["shards"]
        parts = [self.open_shard(shard, listed) for shard, listed in shards.items()]
        keys = [key for shard in shards for key in read_keys(self.folder / shard)]
        row_of = {key: row for row, key in enumerate(keys)}
        if repeated := len(keys) - len(row_of):
            raise ArmsError(f"{self.folder}: {repeated} keys are stored twice; delete it and run: dvc repro encode")
        arrays: dict[str, Any] = {}
        for name in self.fingerprint["arrays"] if parts else ():
            chunks, offsets = [part[name] for part in parts], [part["offsets"] for part in parts if "offsets" in part]
            arrays[name] = DiskRagged(chunks, offsets) if offsets else DiskArray(chunks)
        return Features(arrays, row_of)

    def open_shard(self, shard: str, listed: dict[str, Any] | None) -> dict[str, Chunk]:
        """A shard's arrays, checked against the store's list, if it is in there; see `arms.features.shards`."""
        folder = self.folder / shard
        chunks = open_shard(folder, self.fingerprint["arrays"], None if listed is None else listed["rows"])
        check_digest(folder, chunks, None if listed is None else listed["sha256"])
        return chunks

    def load(self) -> Features:
        """All features in memory, checksums verified; raises as `open` does."""
        return self.open().load()

    def metadata(self) -> dict[str, Any]:
        """The attributes on disk: the fingerprint and, if the store is finished, its shards."""
        return _read_attributes(self.folder)

    def attributes(self) -> dict[str, Any]:
        """The finished store's attributes: its fingerprint, and the number of rows and the digest of each shard."""
        if not self.exists():
            raise ArmsError(self._describe_absence())
        attributes = self.metadata()
        if "shards" not in attributes:
            raise ArmsError(f"{self.path}: the extraction was stopped before it ended; run: dvc repro encode")
        if not all(isinstance(listed, dict) and listed.keys() == {"rows", "sha256"} for listed in _values(attributes)):
            raise ArmsError(
                f"{self.folder}: its list has no digests, as before they were written; run: dvc repro --force encode, "
                "which reads it once, verifies it and encodes nothing again"
            )
        return attributes

    def shards(self) -> list[str]:
        """Names of the shards on disk, including those of an unfinished run."""
        return sorted(shard.name for shard in self.folder.glob("shard-*"))

    def _describe_absence(self) -> str:
        found = FeatureStore.all_in(self.path)
        if not found:
            return f"{self.path}: no features there; run: dvc repro encode"
        differences = "\n".join(f"  it holds {_difference(other.fingerprint, self.fingerprint)}" for other in found)
        return f"{self.path} was made by other settings than these:\n{differences}\nrun: dvc repro encode"


def open_features(stores: Sequence[FeatureStore], *, budget_bytes: float, window_bytes: int) -> list[Features]:
    """The features of several stores, in memory if all of them fit.

    If not, the budget first keeps room to stream two windows: the one in use and the next. What remains takes the
    smaller stores into memory; the others stay on disk.

    Raises
    ------
    ArmsError
        As `FeatureStore.open` does, or if the budget is too small for streaming.
    """
    opened = [store.open() for store in stores]
    total = sum(features.nbytes for features in opened)
    if total > budget_bytes:
        if 2 * window_bytes > budget_bytes:
            raise ArmsError(
                "runtime.cache_budget_gb: expected room for two windows of train.shuffle_window_mb "
                f"({window_bytes / 2**20:.0f} MiB), as the features take {total / 2**30:.3g} GiB and are streamed; got "
                f"{budget_bytes / 2**30:.3g} GiB; raise the budget, or lower the window, which changes results"
            )
        budget_bytes -= 2 * window_bytes
        logger.info("the features take %.3g GiB, over the budget: they are streamed from disk", total / 2**30)
    for place in sorted(range(len(opened)), key=lambda place: opened[place].nbytes):
        if opened[place].nbytes <= budget_bytes:
            budget_bytes -= opened[place].nbytes
            opened[place] = opened[place].load()
    return opened


def fingerprint_id(fingerprint: dict[str, Any]) -> str:
    """Short name of a fingerprint: a hash of it."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]


def _difference(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    names = sorted({name for name in stored | wanted if stored.get(name) != wanted.get(name)})
    return "; ".join(f"{name} {stored.get(name)!r}, the settings ask for {wanted.get(name)!r}" for name in names)


def _read_attributes(folder: Path) -> dict[str, Any]:
    try:
        attributes = json.loads((folder / "zarr.json").read_text())["attributes"]
        if fingerprint_id(attributes["fingerprint"]) != folder.name or "arrays" not in attributes["fingerprint"]:
            raise ValueError("its fingerprint does not match the folder's name")
        return dict(attributes)
    except PermissionError as error:
        raise unreadable(folder / "zarr.json", "a feature store's metadata", error, "run: dvc repro encode") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _bad_metadata(folder, error) from error


def _values(attributes: dict[str, Any]) -> list[Any]:
    """What the list says about each shard; whatever it is, if damaged."""
    shards = attributes["shards"]
    return list(shards.values()) if isinstance(shards, dict) else [None]


def _make_group(folder: Path, **options: Any) -> None:
    """Make a Zarr group unless it exists; first remove what a writer left that was killed while making it."""
    for leftover in folder.glob("zarr.*.partial"):
        leftover.unlink()
    try:
        zarr.open_group(folder, mode="a", zarr_format=3, **options)
    except (ValueError, KeyError, TypeError) as error:
        raise _bad_metadata(folder, error) from error


def _bad_metadata(folder: Path, error: Exception) -> ArmsError:
    """The error for unreadable metadata; deleting it loses no shards, as the next extraction lists them again."""
    return ArmsError(
        f"{folder / 'zarr.json'}: not a feature store's metadata: {error!r}; delete this file and run: dvc repro encode"
    )
