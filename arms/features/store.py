"""The feature store: arrays on disk by content key, in Zarr.

A store is a Zarr v3 group with one subgroup per encoder fingerprint, so that features of two encoders are never mixed
and switching back encodes nothing. In it every shard is a group of its own, with the content ``keys`` of its rows
beside the arrays, each array one uncompressed chunk with a checksum::

    image.zarr/<fingerprint>/shard-00000/{keys, pixels}

A shard is written whole into a hidden folder, flushed to disk and renamed, so a shard that exists is complete. The
list of shards goes into the fingerprint group's attributes last, and a store without that list cannot be read.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from filelock import FileLock, Timeout
from zarr.codecs import Crc32cCodec

from arms.errors import ArmsError
from arms.features.loader import Array, Features, Ragged, join_arrays

_CRC_BYTES = 4


class FeatureStore:
    """The features of one encoder in the store at `path`.

    Parameters
    ----------
    path : Path
        Folder of the store, such as data/features/sample/scratch/image.zarr.
    fingerprint : dict
        All that determines the features, their names as ``arrays`` among it (see `Encoder.fingerprint`).
    """

    def __init__(self, path: Path, fingerprint: dict[str, Any]) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.folder = path / fingerprint_id(fingerprint)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store for one writer, make the groups, and clear what a killed writer left half done.

        Raises
        ------
        ArmsError
            If another process is writing.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(f"{self.path}.lock", timeout=0):
                zarr.open_group(self.path, mode="a", zarr_format=3)
                if not (self.folder / "zarr.json").exists():
                    zarr.open_group(self.folder, mode="w", zarr_format=3, attributes={"fingerprint": self.fingerprint})
                for leftover in self.folder.glob(".shard-*"):
                    shutil.rmtree(leftover)
                yield
        except Timeout as error:
            raise ArmsError(f"{self.path} is being written by another process; wait for it to end") from error

    def stored_keys(self) -> set[str]:
        """Content keys whose features are on disk, those of an unfinished run too."""
        return {key for shard in self._shards() for key in _read_keys(self.folder / shard)}

    def write_shard(self, keys: Sequence[str], arrays: dict[str, Array]) -> None:
        """Write a shard whole; it appears under its name only when all of it is on disk.

        Parameters
        ----------
        keys : sequence of str
            Hex sha256 per row.
        arrays : dict of str to ndarray or Ragged
            One row per key.
        """
        assert all(len(array) == len(keys) for array in arrays.values())
        # The first free number: a damaged shard that was deleted leaves a gap.
        taken = self._shards()
        name = next(name for number in count() if (name := f"shard-{number:05d}") not in taken)
        draft = self.folder / f".{name}"
        group = zarr.open_group(draft, mode="w", zarr_format=3, attributes={"rows": len(keys)})
        _write_array(group, "keys", np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(len(keys), -1))
        for array_name, array in arrays.items():
            if isinstance(array, Ragged):
                _write_array(group, array_name, array.values)
                _write_array(group, "offsets", array.offsets)
            else:
                _write_array(group, array_name, array)
        for file in draft.rglob("*"):
            _flush(file)
        draft.rename(self.folder / name)
        _flush(self.folder)

    def finish(self) -> None:
        """Write the list of shards, after which the store can be read."""
        shards = {}
        for shard in self._shards():
            with _naming_damage(self.folder / shard):
                shards[shard] = zarr.open_group(self.folder / shard, mode="r").attrs["rows"]
        content = json.loads((self.folder / "zarr.json").read_text())
        content["attributes"] = {"fingerprint": self.fingerprint, "shards": shards}
        draft = self.folder / ".zarr.json"
        draft.write_text(json.dumps(content, indent=2))
        _flush(draft)
        draft.rename(self.folder / "zarr.json")

    def load(self) -> Features:
        """Read everything into memory, checksums verified.

        Raises
        ------
        ArmsError
            If the store was made by other settings, is unfinished, or a file is missing or damaged.
        """
        shards = self.attributes()["shards"]
        parts = [self._read_shard(shard, rows) for shard, rows in shards.items()]
        keys = [key for shard in shards for key in _read_keys(self.folder / shard)]
        names = parts[0].keys() if parts else ()
        return Features(
            {name: join_arrays([part[name] for part in parts]) for name in names}, {k: i for i, k in enumerate(keys)}
        )

    def attributes(self) -> dict[str, Any]:
        """The finished store's attributes: its fingerprint, and the number of rows of each shard."""
        if not (self.folder / "zarr.json").exists():
            raise ArmsError(self._describe_absence())
        with _naming_damage(self.folder):
            attributes = dict(zarr.open_group(self.folder, mode="r").attrs)
        if "shards" not in attributes:
            raise ArmsError(f"{self.path}: the extraction was stopped before it ended; run: dvc repro encode")
        return attributes

    def _shards(self) -> list[str]:
        return sorted(shard.name for shard in self.folder.glob("shard-*"))

    def _read_shard(self, shard: str, rows: int) -> dict[str, Array]:
        folder = self.folder / shard
        with _naming_damage(folder):
            group = zarr.open_group(folder, mode="r")
            arrays = {name: _read_array(array, folder / name) for name, array in group.arrays() if name != "keys"}
        offsets = arrays.pop("offsets", None)
        read = {name: array if offsets is None else Ragged(array, offsets) for name, array in arrays.items()}
        if missing := sorted(set(self.fingerprint["arrays"]) - set(read)):
            raise ArmsError(
                f"{folder} is damaged: it lacks {', '.join(missing)}; delete this folder and run: dvc repro encode"
            )
        if wrong := {name: len(array) for name, array in read.items() if len(array) != rows}:
            raise ArmsError(
                f"{folder} is damaged: expected {rows} rows, got {wrong}; delete this folder and run: dvc repro encode"
            )
        return read

    def _describe_absence(self) -> str:
        found = [
            json.loads(file.read_text())["attributes"].get("fingerprint", {})
            for file in sorted(self.path.glob("*/zarr.json"))
        ]
        if not found:
            return f"{self.path}: no features there; run: dvc repro encode"
        differences = "\n".join(f"  it holds {_difference(other, self.fingerprint)}" for other in found)
        return f"{self.path} was made by other settings than these:\n{differences}\nrun: dvc repro encode"


def fingerprint_id(fingerprint: dict[str, Any]) -> str:
    """Short name of a fingerprint."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]


def _difference(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    names = sorted({name for name in stored | wanted if stored.get(name) != wanted.get(name)})
    return "; ".join(f"{name} {stored.get(name)!r}, the settings ask for {wanted.get(name)!r}" for name in names)


def _write_array(group: zarr.Group, name: str, array: np.ndarray) -> None:
    group.create_array(
        name,
        data=np.ascontiguousarray(array),
        chunks=tuple(max(1, size) for size in array.shape),
        compressors=Crc32cCodec(),
        config={"write_empty_chunks": True},
    )


def _read_array(array: Any, folder: Path) -> np.ndarray:
    # Zarr reads a chunk file that is missing as zeros, so the file's size is checked first.
    chunk = folder.joinpath("c", *("0" * array.ndim))
    size = chunk.stat().st_size if array.size else 0
    expected = array.size * array.dtype.itemsize + _CRC_BYTES if array.size else 0
    if size != expected:
        raise ValueError(f"{chunk}: expected {expected} bytes, got {size}")
    return np.asarray(array[:])


def _read_keys(shard: Path) -> list[str]:
    with _naming_damage(shard):
        keys = _read_array(zarr.open_group(shard, mode="r")["keys"], shard / "keys")
    return [row.tobytes().hex() for row in keys]


@contextmanager
def _naming_damage(folder: Path) -> Iterator[None]:
    """Turn what goes wrong on reading a folder into an ArmsError that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise ArmsError(f"{folder} is damaged: {error}; delete this folder and run: dvc repro encode") from error


def _flush(path: Path) -> None:
    """Wait until a file's or folder's content is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
