"""Small feature stores, made up for tests."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from arms.features.arrays import Array, Ragged
from arms.features.store import FeatureStore

FINGERPRINT: dict[str, Any] = {"modality": "text", "arrays": ["states"], "encoder": "toy", "blocks_frozen": 1}


def keys(*numbers: int) -> list[str]:
    """Content keys."""
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]


def sequences(*lengths: int) -> Ragged:
    """States of texts of these lengths."""
    rng = np.random.default_rng(sum(lengths))
    return Ragged.join([rng.random((length, 3)).astype(np.float16) for length in lengths])


def write_store(path: Path, *shards: dict[str, Array]) -> FeatureStore:
    """A finished store of these shards; the keys count up over all of them."""
    store, row = FeatureStore(path, {"arrays": [*shards[0]]}), 0
    with store.writing():
        for shard in shards:
            count = len(next(iter(shard.values())))
            store.write_shard(keys(*range(row, row + count)), shard)
            row += count
        store.finish()
    return store


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def flip(file: Path, position: int, bit: int = 0) -> None:
    """Flip one bit of a file."""
    content = bytearray(file.read_bytes())
    content[position] ^= 1 << bit
    file.write_bytes(content)
