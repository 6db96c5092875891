"""Extraction on Ray: actors encode the planned shards and write each of them whole, on one machine or on many.

The process that began it, the driver, holds the store's lock, plans the shards and lists them at the end. Ray Data
hands shards to a pool of actors. A shard whose actor is lost is done again. The actors run the same code on the same
batches as one process would, and with as many threads, on which the last bits of a sum depend: so the store is the
same to the byte on machines of one kind.
"""

import logging
import os
import secrets
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from arms.errors import ArmsError
from arms.features.extract import Engine
from arms.features.plan import Shard
from arms.features.ray_actor import RayWork, ShardActor, row_of
from arms.features.reading import yield_cores
from arms.features.store import FeatureStore
from arms.params.runtime import count_cores

_OBJECT_STORE_BYTES = 128 * 2**20  # only keys go through Ray
_SEEN_AFTER_S = 90.0  # a network file system shows what another node wrote after a while

_ANY_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no reports of use to Ray's makers
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # Ray's core prints how it copies arguments, as an error
    # Ray Data's threads, which end a moment after a run that was interrupted, would start another Ray.
    "RAY_ENABLE_AUTO_CONNECT": "0",
}
_RAY_STARTED_HERE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # its processes listen on the loopback address only, on every system
    "RAY_worker_niceness": "0",  # its workers have this process's priority, as the local engine has
    # Its own processes share the actors' cores, and nobody reads these metrics, events and logs.
    "RAY_enable_metrics_collection": "0",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "0",
    "LOG_NAME_UPDATE_INTERVAL_S": "60",
}
_LOWEST_PRIORITY = 19


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
        `extract` does, and if actors are lost again and again at the same shard.
    """
    if not is_installed():
        raise ArmsError("runtime.engine: ray is not installed; run: pip install 'arms[ray]', or use engine: local")

    def encode(shards: Sequence[Shard]) -> Generator[int]:
        if not shards:
            return
        ray = _connect(address, max(count_cores(), work.threads))
        try:
            placed, room = _place(work, ray.nodes(), device)
            yield from _encode(replace(placed, actors=min(actors or room, room, len(shards))), shards)
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
    os.environ.update(_ANY_RAY)
    if address is None:
        os.environ.update(_RAY_STARTED_HERE)
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


def _encode(work: RayWork, shards: Sequence[Shard]) -> Generator[int]:
    """Encode shards on a connected cluster; yield the number of rows of each once it is on disk."""
    import ray

    store = FeatureStore(work.store_path, work.fingerprint)
    work = replace(work, run=store.workers_lock.admit())
    try:
        with closing(_rows(_mapped(work, shards))) as rows:
            for row in rows:
                if row["error"]:
                    raise ArmsError(row["error"])
                yield int(row["rows"])
    except ray.exceptions.RayTaskError:  # a defect, whose traceback tells more
        raise
    except ray.exceptions.RayError as error:
        raise ArmsError(f"Ray failed: {error}; what its actors wrote is kept; run: dvc repro encode") from error
    _await(store, [shard.name for shard in shards])
    store.remove_drafts()


def _mapped(work: RayWork, shards: Sequence[Shard]) -> Any:
    """The data set of what the actors answer, a row a shard; it is computed when it is read.

    Ray Data starts lost actors again, and hands them their shards again, for ever; see `arms.features.tries`.
    """
    import ray

    return ray.data.from_items(list(map(row_of, shards)), override_num_blocks=len(shards)).map_batches(
        ShardActor,
        fn_constructor_args=(work,),
        batch_size=1,
        # Two shards at a time: one is written while the next one is computed.
        compute=ray.data.ActorPoolStrategy(
            min_size=1,
            max_size=work.actors,
            initial_size=work.actors,  # by itself it would not grow: two tasks for each actor do not count as a queue
            max_tasks_in_flight_per_actor=2,
            max_concurrent_calls_per_actor=2,
            enable_true_multi_threading=True,
        ),
        num_cpus=work.cpus,
        num_gpus=work.gpus,
    )


def _rows(results: Any) -> Generator[dict[str, Any]]:
    """What the actors answer, read by a thread that lets them go first.

    Ray Data looks many times a second whether there is something to do, in threads that this one starts. Each look
    would displace a thread of an actor on this machine, for which the actor's others then wait.
    """
    rows = iter(results.iter_rows())
    reader = ThreadPoolExecutor(1, "arms-ray", initializer=partial(yield_cores, niceness=_LOWEST_PRIORITY))
    try:
        while (row := reader.submit(next, rows, None).result()) is not None:
            yield row
    finally:
        reader.shutdown(wait=False)  # it may be waiting for an answer, until Ray ends


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
