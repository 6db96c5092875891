"""What reads the files of a run, and what comes out of it, as one hash; the working directory is the project.

A reader calls what the stages, `arms route` and `arms report` call, in this process: a process for each case would take
hours.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from arms.data.prepared import Prepared, read_prepared
from arms.data.tables import read_dataset
from arms.features.arrays import Ragged
from arms.features.inspection import verify_store
from arms.features.store import FeatureStore
from arms.reports.results_table import read_metrics
from arms.routers.saved import load_router
from stages import sources
from stages.scores import read_routers
from stages.workspace import open_workspace

PREPARED = Path("data/prepared/sample")
FEATURES = Path("data/features/sample/bundled")
PICTURE = Image.fromarray(np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3))


@dataclass(frozen=True)
class Reader:
    """A kind of file, and what reads it: from the file in question to a hash of all that was read."""

    name: str
    files: Callable[[], list[Path]]
    read: Callable[[Path], str]


def _files(*patterns: str) -> Callable[[], list[Path]]:
    def find() -> list[Path]:
        found = {file for pattern in patterns for file in Path().glob(pattern) if file.is_file()}
        return sorted(file for file in found if not file.name.startswith("."))

    return find


def _hash(parts: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
    return digest.hexdigest()


def _read_tables(_: Path) -> str:
    dataset = read_dataset("data/raw/sample")
    chances = "" if dataset.probabilities is None else dataset.probabilities.to_csv()
    return _hash([dataset.queries.to_csv(), dataset.outcomes.to_csv(), chances])


def _read_picture(file: Path) -> str:
    workspace = open_workspace()
    _, _, read = sources.open_source(workspace, "image")
    (key,) = [key for key, path in read_prepared(PREPARED).images(8).items() if workspace.raw / path == file]
    return _hash([read(key).tobytes()])


def _read_prepared(_: Path) -> str:
    return _hash(_parts_of(read_prepared(PREPARED)))


def _parts_of(prepared: Prepared) -> list[Any]:
    tables = [prepared.queries.to_csv(), prepared.outcomes.to_csv()]
    chances = "" if prepared.probabilities is None else prepared.probabilities.to_csv()
    sizes = (prepared.num_excluded, prepared.num_unknown, prepared.near_copies)
    return [*tables, chances, prepared.vlms, prepared.base, prepared.new, sizes]


def _read_features(_: Path) -> str:
    prepared = read_prepared(PREPARED)
    parts: list[Any] = []
    for name, keys in (("image.zarr", sorted(prepared.images(8))), ("text.zarr", sorted(prepared.texts()))):
        store = FeatureStore(FEATURES / name, _fingerprint_of(name))
        features = store.load()
        parts += [_rows(array, features.rows(keys)) for array in features.arrays.values()]
        assert verify_store(store) == []
    return _hash(parts)


@cache
def _fingerprint_of(name: str) -> dict[str, Any]:
    """That of the encoder, which is asked for before anything is damaged."""
    (store,) = FeatureStore.all_in(FEATURES / name)
    return store.fingerprint


def _rows(array: Any, rows: np.ndarray) -> bytes:
    if isinstance(array, Ragged):
        return b"".join(array.values[array.offsets[row] : array.offsets[row + 1]].tobytes() for row in rows)
    return bytes(array[rows].tobytes())


def _read_scores(_: Path) -> str:
    workspace = open_workspace()
    prepared = read_prepared(workspace.prepared)
    routers = read_routers(workspace.params.extend.strategy, prepared, list(workspace.params.baselines))
    tables = [(name, pool, of) for name, by_pool in sorted(routers.items()) for pool, of in sorted(by_pool.items())]
    return _hash(
        part
        for name, pool, of in tables
        for part in (name, pool, of.query_ids, of.vlms, of.confidence.tobytes(), json.dumps(of.policy))
    )


def root_of(file: Path) -> Path:
    """What a file is read with, such as its router's folder; those of baselines lie together in one."""
    return Path(*file.parts[: 4 if file.parts[2:3] == ("baselines",) and file.parts[1] == "routers" else 3])


def _read_router(file: Path) -> str:
    router = load_router(root_of(file), device="cpu")
    scores = router.score(router.encode([PICTURE], ["How many red circles are there?"]))
    return _hash([router.profiles, json.dumps(router.policy), scores.tobytes()])


def _read_metrics(_: Path) -> str:
    return _hash([json.dumps(read_metrics(Path("metrics")))])


READERS = (
    Reader("tables of a dataset", _files("data/raw/sample/*.parquet"), _read_tables),
    Reader("pictures", _files("data/raw/sample/images/**/*.png"), _read_picture),
    Reader("prepared", _files("data/prepared/sample/**/*"), _read_prepared),
    Reader("features", _files("data/features/sample/**/*"), _read_features),
    Reader("scores", _files("data/scores/**/*"), _read_scores),
    Reader("routers", _files("data/routers/**/*"), _read_router),
    Reader("metrics", _files("metrics/*.json"), _read_metrics),
)
