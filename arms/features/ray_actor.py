"""An actor of Ray: what it is told, and how it encodes and writes a shard at a time, on whatever node it is."""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from arms.device import choose_device
from arms.encoders.base import Encoder
from arms.errors import ArmsError
from arms.features.extract import ShardEncoder, write_parts
from arms.features.plan import Shard
from arms.features.reading import Reader
from arms.features.store import FeatureStore
from arms.features.tries import Tries

_KEY_BYTES = 32
_MOST_LOST = 5  # actors at one shard; or at their start, for each of them, since one last started

OpenSource = Callable[[], tuple[Encoder, list[str], Reader]]


@dataclass(frozen=True, kw_only=True)
class RayWork:
    """What the actors need to know, all of it small: they read settings, tables and inputs from the project's folder.

    Attributes
    ----------
    root : Path
        The project's folder, on a file system that all nodes share.
    store_path : Path
        Of the store, from there.
    open_source : callable
        Makes the encoder, the keys and the reader in a process of its own.
    workers : int or None
        Processes that read ahead for an actor; None: as many as it has cores.
    threads : int
        That each actor computes with on a CPU.
    cpus, gpus : int
        Of an actor.
    actors : int
        At most.
    run : str
        See `WorkersLock`.
    """

    root: Path
    store_path: Path
    fingerprint: dict[str, Any]
    open_source: OpenSource
    batch_size: int
    workers: int | None
    compiled: bool
    threads: int
    cpus: int = 1
    gpus: int = 0
    actors: int = 1
    run: str = ""

    @classmethod
    def of(
        cls,
        store: FeatureStore,
        open_source: OpenSource,
        *,
        batch_size: int,
        workers: int | None,
        compiled: bool,
    ) -> "RayWork":
        """The work of this process, in this folder, with as many threads as it has."""
        return cls(
            root=Path.cwd(),
            store_path=store.path,
            fingerprint=store.fingerprint,
            open_source=open_source,
            batch_size=batch_size,
            workers=workers,
            compiled=compiled,
            threads=torch.get_num_threads(),
        )


def row_of(shard: Shard) -> dict[str, Any]:
    """A shard as Ray Data hands it to an actor: its name, and its keys end to end."""
    return {"name": shard.name, "keys": bytes.fromhex("".join(shard.keys))}


def _shard_of(batch: dict[str, np.ndarray]) -> Shard:
    (name,), (content,) = batch["name"], batch["keys"]
    starts = range(0, len(content), _KEY_BYTES)
    return Shard(str(name), [content[start : start + _KEY_BYTES].hex() for start in starts])


class ShardActor:
    """An actor: makes its encoder once, then encodes a shard at a time and writes it."""

    def __init__(self, work: RayWork) -> None:
        self._work = work
        self._computing = threading.Lock()
        self._error: str | None = None
        self._joined: int | None = None
        try:
            self._open()
        except ArmsError as error:  # Ray would start the actor again and again, and fail with its traceback
            self._error = str(error)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Encode and write the shard of a batch of one row, as `row_of` made it."""
        shard = _shard_of(batch)
        error = self._error
        if error is None:
            try:
                self._encode(shard)
            except ArmsError as caught:
                error = str(caught)
        return {"rows": [len(shard.keys)], "error": [error or ""]}

    def _open(self) -> None:
        work = self._work
        if not work.root.is_dir():
            raise ArmsError(
                f"{work.root}: not there on a node of Ray's; the project's folder has to be on a file system that all "
                "nodes share, under the same path"
            )
        os.chdir(work.root)
        logging.getLogger("arms").setLevel(logging.ERROR)  # the driver makes the same source, and its warnings are seen
        logging.getLogger("stages").setLevel(logging.ERROR)
        store = FeatureStore(work.store_path, work.fingerprint)
        self._joined = store.workers_lock.join(work.run)  # held for as long as this process lives
        start = Tries(store.folder, "their start", most=_MOST_LOST * work.actors)
        start.begin()
        device = choose_device("cuda" if work.gpus else "cpu")
        torch.set_num_threads(work.threads)
        encoder, _, read = work.open_source()
        if encoder.fingerprint != work.fingerprint:
            raise ArmsError(
                f"{encoder.name}: its fingerprint on a node of Ray's is not the driver's; install the same versions on "
                "all nodes, and give them the same files"
            )
        self._encoder = ShardEncoder(
            store,
            read,
            encoder,
            batch_size=work.batch_size,
            workers=work.cpus if work.workers is None else work.workers,
            device=device,
            compiled=work.compiled,
        )
        start.succeed()

    def _encode(self, shard: Shard) -> None:
        store = self._encoder.store
        if shard.name in store.shards():  # written by this run, by an actor that was lost before it could say so
            return
        tries = Tries(store.folder, shard.name, most=_MOST_LOST)
        # Its inputs are read while the shard before is computed.
        with closing(self._encoder.compute([shard])) as computed, self._computing:
            tries.begin()
            parts = [next(computed) for _ in shard.batches(self._work.batch_size)]
        write_parts(store, shard, parts)
        tries.succeed()
