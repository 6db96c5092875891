"""A shard on disk: a Zarr group of arrays and the content keys of their rows, written whole.

Each array has a checksum of its own. The shard's digest binds these to each other, to the arrays' names and types, and
to the shard's name: an array of another shard, sound by itself, would give rows of other pictures.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec

from arms.data.disk import flush, naming_full_disk, unreadable
from arms.features.arrays import Array, Ragged
from arms.features.chunks import Chunk, damage

FULL_REMEDY = "what was written before is kept: make room, then run: dvc repro encode"


def write_shard(folder: Path, keys: Sequence[str], arrays: dict[str, Array]) -> None:
    """Write a shard; it appears under its name only when all of it is on disk.

    Where it is there by then, another worker wrote it that was taken for lost, and this copy of it is dropped.

    Parameters
    ----------
    folder : Path
        The shard's final place.
    keys : sequence of str
        Hex sha256 per row.
    arrays : dict of str to ndarray or Ragged
        One row per key; at most one is ragged.

    Raises
    ------
    ArmsError
        If the disk is full; nothing is left behind.
    """
    assert all(len(array) == len(keys) for array in arrays.values())
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")  # of this writer only
    with naming_full_disk(folder.parent, draft, remedy=FULL_REMEDY):
        _write_draft(draft, keys, arrays, folder.name)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            shutil.rmtree(draft)
        flush(folder.parent)


def open_shard(folder: Path, names: Sequence[str], rows: int | None) -> dict[str, Chunk]:
    """The chunks of a shard by array name, with ``keys`` and, if an array is ragged, ``offsets``.

    Parameters
    ----------
    names : sequence of str
        The arrays that the shard should have.
    rows : int or None
        The number of rows that it should have, if known.

    Raises
    ------
    ArmsError
        If a part is missing or has the wrong size.
    """
    chunks = {array.name: Chunk(array) for array in arrays_of(folder)}
    if not (folder / "zarr.json").exists():
        raise damage(folder, "it lacks zarr.json")
    wanted = {"keys", *names}
    if missing := sorted(wanted - set(chunks)):
        raise damage(folder, f"it lacks {', '.join(missing)}")
    if rows is None:
        rows = chunks["keys"].shape[0]
    counts = {name: chunks[name].shape[0] for name in wanted}
    if "offsets" in chunks:  # a ragged array has one row per pair of offsets, and any number of values
        counts = {"keys": counts["keys"], "offsets": chunks["offsets"].shape[0] - 1}
    if wrong := {name: number for name, number in counts.items() if number != rows}:
        raise damage(folder, f"expected {rows} rows, got {wrong}")
    return chunks


def check_digest(folder: Path, chunks: dict[str, Chunk], sha256: str | None) -> str:
    """Compare a shard's digest with that of the store's list, if known, and with the one that it was written with.

    Only metadata and the arrays' checksums are read: that the values match these is verified whenever they are.

    Returns
    -------
    str
        The digest.

    Raises
    ------
    ArmsError
        If the shard's arrays were not written together, under this name.
    """
    found = digest_of(folder.name, chunks)
    if any(known not in (None, found) for known in (sha256, written_digest(folder))):
        raise damage(folder, "its arrays or their checksums are not those that were written together")
    return found


def digest_of(name: str, chunks: dict[str, Chunk]) -> str:
    """A shard's digest: the SHA-256 of its name, and of the name, type, shape and checksum of each array."""
    parts = [[array, str(of.dtype), list(of.shape), of.checksum.hex()] for array, of in sorted(chunks.items())]
    return hashlib.sha256(json.dumps([name, parts]).encode()).hexdigest()


def written_digest(folder: Path) -> str | None:
    """The digest that a shard was written with; None if that was before shards had one."""
    try:
        digest: str | None = json.loads((folder / "zarr.json").read_text())["attributes"].get("digest")
    except PermissionError as error:
        raise unreadable(folder / "zarr.json", "a shard's metadata", error, "run: dvc repro encode") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damage(folder, f"zarr.json: {error!r}") from error
    return digest


def arrays_of(shard: Path) -> list[Path]:
    """The folders of a shard's arrays."""
    return sorted(array.parent for array in shard.glob("*/zarr.json"))


def read_keys(shard: Path) -> list[str]:
    """The content keys of a shard's rows."""
    return [row.tobytes().hex() for row in Chunk(shard / "keys").read()]


def _write_draft(draft: Path, keys: Sequence[str], arrays: dict[str, Array], shard: str) -> None:
    group = zarr.open_group(draft, mode="w", zarr_format=3)
    _write_array(group, "keys", np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(len(keys), -1))
    for name, array in arrays.items():
        if isinstance(array, Ragged):
            _write_array(group, name, array.values)
            _write_array(group, "offsets", array.offsets)
        else:
            _write_array(group, name, array)
    group.attrs["digest"] = digest_of(shard, {array.name: Chunk(array) for array in arrays_of(draft)})
    for file in (*draft.rglob("*"), draft):
        flush(file)


def _write_array(group: zarr.Group, name: str, array: np.ndarray) -> None:
    group.create_array(
        name,
        data=np.ascontiguousarray(array),
        chunks=tuple(max(1, size) for size in array.shape),
        compressors=Crc32cCodec(),
        config={"write_empty_chunks": True},
    )
