"""Features here and in an object store: pushed, pulled, and uploaded while they are written.

Both ways what is whole already is left alone, so what was stopped goes on where it was.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from arms.data.storage.lock import Lock, locked
from arms.data.storage.urls import below
from arms.errors import ArmsError
from arms.features.inspection import damaged_shards
from arms.features.remote import LOCK, RemoteStore, local_digest
from arms.features.store import FeatureStore
from arms.features.values import FILE
from arms.progress import progress_bar

_LOOK_EVERY_S = 2.0  # for shards that were written meanwhile

logger = logging.getLogger(__name__)


def push_store(store: FeatureStore, remote: RemoteStore) -> int:
    """Copy the shards that are not there, then the list of shards, if the features are complete.

    Returns
    -------
    int
        How many shards were copied.

    Raises
    ------
    ArmsError
        If a shard is damaged here, or differs from one there of its name; another writer is at work there; or the
        store denies or fails: what was copied by then stays.
    """
    if problems := damaged_shards(store, elsewhere=False):
        raise ArmsError("\n".join(problems))
    with locked(remote.bucket, LOCK) as lock:
        return _push(store, remote, remote.shards(), lock)


def pull_store(store: FeatureStore, remote: RemoteStore, *, values: bool = True) -> int:
    """Copy the shards that are not here, then list them, if the features are complete there.

    Parameters
    ----------
    values : bool
        False: only keys, offsets and metadata are copied; the values are fetched when they are read.

    Returns
    -------
    int
        How many shards were copied.

    Raises
    ------
    ArmsError
        If a shard is damaged there, or differs from one here of its name; another process is writing here; the disk is
        full; or the store denies or fails: what was copied by then stays.
    """
    with store.writing():
        return _pull(store, remote, remote.shards(), values=values)


def verify_remote(remote: RemoteStore) -> list[str]:
    """Read and check all shards there; return one message for each problem, which names the place."""
    attributes = remote.attributes() or {}
    if "shards" not in attributes:
        return [f"{remote.url}: not complete: the features were not all pushed; push them again: arms push"]
    there, listed, problems = remote.shards(), attributes["shards"], []
    problems += [f"{below(remote.url, shard)}: listed, but not there" for shard in sorted(set(listed) - set(there))]
    with progress_bar(f"verify {remote.url}", "shards") as progress:
        for done, shard in enumerate(sorted(there), start=1):
            try:
                with TemporaryDirectory() as folder:
                    remote.fetch(shard, there[shard], Path(folder), attributes["fingerprint"]["arrays"], values=True)
                if shard in listed and listed[shard]["sha256"] != there[shard]:
                    problems.append(f"{below(remote.url, shard)}: not the shard that is listed")
            except ArmsError as error:
                problems.append(str(error))
            progress(done, len(there))
    return problems


@contextmanager
def mirrored(store: FeatureStore, url: str | None) -> Iterator[None]:
    """Take over what is whole at a URL; upload each shard that is written meanwhile, and at the end the list.

    The store is being written by the caller; another process uploads. Of a caller that fails or is killed, the shards
    that are whole by then are uploaded.

    Parameters
    ----------
    url : str or None
        Of the store there, such as s3://bucket/features/sample/bundled/image.zarr; None: nothing is done.

    Raises
    ------
    ArmsError
        As `push_store` and `pull_store` do.
    """
    if url is None:
        yield
        return
    context = get_context("spawn")  # a forked process that also reads from an object store would wait for good
    ours, theirs = context.Pipe()
    process = context.Process(target=_follow, args=(store.path, store.fingerprint, url, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        _receive(ours, url)
        yield
        with suppress(OSError):  # it has failed, and said so before
            ours.send("finish")
        copied = _receive(ours, url)
        logger.info("uploaded %s to %s", f"{copied:,} shards", url)
    finally:
        ours.close()
        process.join()


def _follow(path: Path, fingerprint: dict[str, Any], url: str, caller: Connection) -> None:
    """What the other process does: it pulls, says so, and uploads new shards until the caller ends.

    Only if the caller asks it to finish does it also write the list.
    """
    try:
        store = FeatureStore(path, fingerprint)
        remote = RemoteStore(url, store.folder.name)
        copied, ending = 0, None
        with locked(remote.bucket, LOCK) as lock:
            there = remote.shards()
            _pull(store, remote, there, values=not any(store.folder.glob(f"*/{FILE}")))
            caller.send(("done", 0))
            while ending is None:
                ending = _ending_of(caller)
                copied += _upload_new(store, remote, there, lock)
            if ending == "finish":
                _push(store, remote, there, lock)
                caller.send(("done", copied))
    except (ArmsError, OSError) as error:
        with suppress(OSError):  # the caller has gone
            caller.send(("failed", str(error)))
    except KeyboardInterrupt:
        return  # the caller says so


def _ending_of(caller: Connection) -> str | None:
    """How the caller ends within a moment: finish, as it says, or gone if it failed or was killed; None if not yet."""
    try:
        return str(caller.recv()) if caller.poll(_LOOK_EVERY_S) else None
    except (EOFError, OSError):
        return "gone"


def _receive(process: Connection, url: str) -> int:
    try:
        kind, what = process.recv()
    except (EOFError, OSError) as error:
        raise ArmsError(f"{url}: the process that uploads features ended; run the same again") from error
    if kind == "failed":
        raise ArmsError(what)
    return int(what)


def _push(store: FeatureStore, remote: RemoteStore, there: dict[str, str], lock: Lock) -> int:
    remote.begin(store)
    copied = _upload_new(store, remote, there, lock)
    lock.check()
    if "shards" in store.metadata():
        remote.finish(store)
    return copied


def _upload_new(store: FeatureStore, remote: RemoteStore, there: dict[str, str], lock: Lock) -> int:
    """Upload the shards that are not there, and note them in `there`."""
    digests = {shard: local_digest(store.folder / shard) for shard in store.shards()}
    _check_equal(digests, there, store, remote)
    new = sorted(set(digests) - set(there))
    for shard in new:
        lock.check()
        remote.upload(store.folder / shard)
        there[shard] = digests[shard]
    return len(new)


def _pull(store: FeatureStore, remote: RemoteStore, there: dict[str, str], *, values: bool) -> int:
    here = {shard: local_digest(store.folder / shard) for shard in store.shards()}
    _check_equal(here, there, store, remote)
    new = sorted(set(there) - set(here))
    with progress_bar(f"pull {store.path.name}", "shards") as progress:
        for done, shard in enumerate(new, start=1):
            remote.fetch(shard, there[shard], store.folder, store.fingerprint["arrays"], values=values)
            progress(done, len(new))
    listed = (remote.attributes() or {}).get("shards")
    if listed is not None and set(listed) <= set(store.shards()):
        store.finish()
    return len(new)


def _check_equal(here: dict[str, str], there: dict[str, str], store: FeatureStore, remote: RemoteStore) -> None:
    for shard in sorted(set(here) & set(there)):
        if here[shard] != there[shard]:
            raise ArmsError(
                f"{store.folder / shard} and {below(remote.url, shard)} are different shards of the same name; delete "
                "one of them, or name another URL"
            )
