"""Extraction on Ray: actors encode the planned shards and write each of them whole, on one machine or on many.

The process that began it, the driver, holds the store's lock, plans the shards and lists them at the end. Ray Data
hands shards to a pool of actors. A shard whose actor is lost is done again. The actors run the same code on the same
batches as one process would, and with as many threads, on which the last bits of a sum depend: so the store is the
same to the byte on machines of one kind.
"""

import logging
import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from arms.device import choose_device
from arms.encoders.base import Encoder
from arms.errors import ArmsError
from arms.features.extract import Engine, ShardEncoder, write_parts
from arms.features.plan import Shard
from arms.features.reading import Reader
from arms.features.store import FeatureStore
from arms.params.runtime import count_cores

_KEY_BYTES = 32
_SHARD_TRIES = 5  # a shard whose actor is lost so often, as one that takes too much memory, ends the run
_ACTOR_STARTS = 100
_OBJECT_STORE_BYTES = 128 * 2**20  # only keys go through Ray
_SEEN_AFTER_S = 90.0  # a network file system shows what another node wrote after a while

# No reports of use to Ray's makers. And no word of how Ray copies arguments, which its core prints as an error.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
# With this Ray's processes listen on the loopback address only, on every system.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

logger = logging.getLogger(__name__)


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
    run : str
        See `WorkersLock`.
    """

    root: Path
    store_path: Path
    fingerprint: dict[str, Any]
    open_source: Callable[[], tuple[Encoder, list[str], Reader]]
    batch_size: int
    workers: int | None
    compiled: bool
    threads: int
    cpus: int = 1
    gpus: int = 0
    run: str = ""

    @classmethod
    def of(
        cls,
        store: FeatureStore,
        open_source: Callable[[], tuple[Encoder, list[str], Reader]],
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


def is_installed() -> bool:
    """Whether Ray is."""
    return find_spec("ray") is not None


@contextmanager
def ray_engine(work: RayWork, *, address: str | None, actors: int | None, device: str) -> Iterator[Engine]:
    """Shards encoded by Ray's actors, for `arms.features.extract.extract`; the caller holds the store's lock.

    Parameters
    ----------
    address : str or None
        Of a cluster, as `ray.init` takes it; None: Ray is started on this machine for the first shard.
    actors : int or None
        At most; None: as many as there is room for.
    device : str
        As `runtime.device` says, of the actors; auto: GPUs if the cluster has some.

    Raises
    ------
    ArmsError
        If Ray is not installed or cannot be reached, or no node has room for an actor; or, from the engine, as
        `extract` does, and if an actor is lost again and again.
    """
    if not is_installed():
        raise ArmsError("runtime.engine: ray is not installed; run: pip install 'arms[ray]', or use engine: local")

    def encode(shards: Sequence[Shard]) -> Generator[int]:
        if not shards:
            return
        ray = _connect(address, max(count_cores(), work.threads))
        try:
            placed, room = _place(work, ray.nodes(), device)
            yield from _encode(placed, shards, min(actors or room, room, len(shards)))
        finally:
            ray.shutdown()

    yield encode


def _connect(address: str | None, cores: int) -> Any:
    """Ray, connected to a cluster, or started on this machine and reachable from no other, nor by other users."""
    if address is not None and "://" in address:
        raise ArmsError(
            f"runtime.ray_address: expected host:port or auto, got {address!r}; run this on a node of the cluster, "
            "which reads and writes the same files as the others"
        )
    os.environ.update(_QUIET)
    if address is None:
        os.environ.update(_LOOPBACK)
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # Ray reads it once in a process
    import ray
    import ray.data

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ArmsError(f"runtime.ray_address: no Ray at {address or 'this machine'}: {error}") from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # of an error, `_encode` says what it means
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _place(work: RayWork, nodes: list[dict[str, Any]], device: str) -> tuple[RayWork, int]:
    """The work with an actor's share of a node, and how many actors there is room for."""
    found = [node["Resources"] for node in nodes if node["Alive"]]
    gpu_nodes = [node for node in found if node.get("GPU", 0) >= 1]
    if device == "cuda" and not gpu_nodes:
        raise ArmsError("runtime.device: expected GPUs in Ray's cluster for 'cuda', found none; use auto or cpu")
    if device != "cpu" and gpu_nodes:
        cpus = max(1, min(int(node.get("CPU", 0) // node["GPU"]) for node in gpu_nodes))
        return replace(work, cpus=cpus, gpus=1), sum(int(node["GPU"]) for node in gpu_nodes)
    room = sum(int(node.get("CPU", 0) // work.threads) for node in found)
    if not room:
        most = max((int(node.get("CPU", 0)) for node in found), default=0)
        raise ArmsError(
            f"runtime.engine: this process computes with {work.threads} threads, and so does each actor, as the last "
            f"bits depend on it; no node of Ray's has more than {most} CPUs; set the environment's OMP_NUM_THREADS"
        )
    return replace(work, cpus=work.threads), room


def _encode(work: RayWork, shards: Sequence[Shard], actors: int) -> Generator[int]:
    """Encode shards on a connected cluster; yield the number of rows of each once it is on disk."""
    import ray

    store = FeatureStore(work.store_path, work.fingerprint)
    work = replace(work, run=store.workers_lock.admit())
    tasks = [{"name": shard.name, "keys": bytes.fromhex("".join(shard.keys))} for shard in shards]
    results = _mapped(work, tasks, actors)
    try:
        for row in results.iter_rows():
            if row["error"]:
                raise ArmsError(row["error"])
            yield int(row["rows"])
    except ray.exceptions.RayTaskError:  # a defect, whose traceback tells more
        raise
    except ray.exceptions.RayError as error:
        raise ArmsError(
            f"Ray's actors were lost again and again: {error}; what they wrote is kept. If memory ran out, lower "
            "runtime.extract_batch_size or runtime.shard_mb; then run: dvc repro encode"
        ) from error
    _await(store, [shard.name for shard in shards])
    store.remove_drafts()


def _mapped(work: RayWork, tasks: list[dict[str, Any]], actors: int) -> Any:
    """The data set of what the actors answer, a row a shard; it is computed when it is read."""
    import ray

    with warnings.catch_warnings():
        # The last two are to go in Ray 2.64, with nothing in their place: pyproject.toml keeps below it.
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        return ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
            ShardActor,
            fn_constructor_args=(work,),
            batch_size=1,
            # Two shards at a time: one is written while the next one is computed.
            compute=ray.data.ActorPoolStrategy(
                min_size=1,
                max_size=actors,
                initial_size=actors,  # by itself it would not grow: two tasks for each actor do not count as a queue
                max_tasks_in_flight_per_actor=2,
                max_concurrent_calls_per_actor=2,
                enable_true_multi_threading=True,
            ),
            num_cpus=work.cpus,
            num_gpus=work.gpus,
            max_restarts=_ACTOR_STARTS,
            max_task_retries=_SHARD_TRIES - 1,
        )


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
        """Encode and write the shard of a batch of one row: its name and its keys, end to end."""
        (name,), (content,) = batch["name"], batch["keys"]
        keys = [content[start : start + _KEY_BYTES].hex() for start in range(0, len(content), _KEY_BYTES)]
        error = self._error
        if error is None:
            try:
                self._encode(Shard(str(name), keys))
            except ArmsError as caught:
                error = str(caught)
        return {"rows": [len(keys)], "error": [error or ""]}

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

    def _encode(self, shard: Shard) -> None:
        store = self._encoder.store
        if shard.name in store.shards():  # written by this run, by an actor that was lost before it could say so
            return
        with self._computing:
            parts = list(self._encoder.compute([shard]))
        write_parts(store, shard, parts)


def _await(store: FeatureStore, names: list[str]) -> None:
    """Wait until this node sees all shards that actors wrote."""
    ends = time.monotonic() + _SEEN_AFTER_S
    while missing := sorted(set(names) - set(store.shards())):
        if time.monotonic() > ends:
            raise ArmsError(
                f"{store.folder / missing[0]}: written by an actor of Ray's, but not there on this node; the project's "
                "folder has to be on a file system that all nodes share"
            )
        time.sleep(1)
