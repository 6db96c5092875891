"""What a feature store holds, and whether all of it is sound."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.features.chunks import Chunk, DiskRagged
from arms.features.shards import arrays_of, check_digest, open_shard
from arms.features.store import FeatureStore
from arms.progress import progress_bar


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """The size and state of one fingerprint's features on disk; `arrays` gives each array's dtype and row shape."""

    path: Path
    id: str
    fingerprint: dict[str, Any]
    finished: bool
    rows: int
    num_bytes: int
    shards: int
    arrays: dict[str, str]


def describe_store(store: FeatureStore) -> StoreInfo:
    """Describe what is on disk, including the shards of an unfinished run.

    Raises
    ------
    ArmsError
        If a file is missing or has the wrong size.
    """
    chunks = [Chunk(array) for shard in store.shards() for array in arrays_of(store.folder / shard)]
    keys = [chunk for chunk in chunks if chunk.folder.name == "keys"]
    listed = store.metadata().get("shards")
    return StoreInfo(
        path=store.path,
        id=store.folder.name,
        fingerprint=store.fingerprint,
        finished=listed is not None and sorted(listed) == store.shards(),
        rows=sum(chunk.shape[0] for chunk in keys),
        num_bytes=sum(chunk.nbytes for chunk in chunks),
        shards=len(keys),
        arrays={
            chunk.folder.name: f"{chunk.dtype}{list(chunk.shape[1:])}"
            for chunk in chunks
            if chunk.folder.name in store.fingerprint["arrays"]
        },
    )


def verify_store(store: FeatureStore) -> list[str]:
    """Read and check the whole store; return one message for each problem, which names the place."""
    problems, listed = [], None
    try:
        listed = store.attributes()["shards"]
    except ArmsError as error:
        problems.append(str(error))
    problems += damaged_shards(store, listed)
    if listed is not None:
        others = sorted(set(store.shards()) - set(listed))
        problems += [f"{store.folder / it}: not in the store's list of shards; run: dvc repro encode" for it in others]
    if not problems:  # each shard is sound, but do they fit together?
        try:
            store.open()
        except ArmsError as error:
            problems.append(str(error))
    return problems


def damaged_shards(store: FeatureStore, listed: dict[str, Any] | None = None, *, elsewhere: bool = True) -> list[str]:
    """Read every byte of every shard and compare it with its checksum, and the shard with its digest.

    Parameters
    ----------
    listed : dict, optional
        The store's list of shards; those in it are looked for too.
    elsewhere : bool
        Also fetch and read values that lie in an object store; they are verified whenever they are read.

    Returns
    -------
    list of str
        One message for each damaged shard.
    """
    problems = []
    shards = sorted({*(listed or ()), *store.shards()})
    with progress_bar(f"verify {store.path.name}", "shards") as progress:
        for done, shard in enumerate(shards, start=1):
            try:
                _check_shard(store, shard, listed.get(shard) if listed else None, elsewhere=elsewhere)
            except ArmsError as error:
                problems.append(str(error))
            progress(done, len(shards))
    return problems


def _check_shard(store: FeatureStore, shard: str, listed: dict[str, Any] | None, *, elsewhere: bool) -> None:
    rows, digest = (None, None) if listed is None else (listed["rows"], listed["sha256"])
    chunks = open_shard(store.folder / shard, store.fingerprint["arrays"], rows)
    for chunk in chunks.values():
        if elsewhere or chunk.values is None:
            chunk.check()
    check_digest(store.folder / shard, chunks, digest)  # afterwards: a damaged array is named first
    if "offsets" in chunks:
        (name,) = store.fingerprint["arrays"]
        DiskRagged([chunks[name]], [chunks["offsets"]])
