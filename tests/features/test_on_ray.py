"""Extraction on Ray: the bytes of the local engine, whatever is killed, on one machine or by a cluster's address."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.features import on_ray
from arms.features.extract import extract
from arms.features.on_ray import ray_engine
from arms.features.plan import Shard
from arms.features.ray_actor import RayWork, ShardActor, row_of
from arms.features.store import FeatureStore
from arms.features.tries import Tries
from tests.extraction import BATCH_SIZE, KEYS, NUM_IMAGES, open_source
from tests.fakes import CPU, make_encoders
from tests.pipeline import ROOT
from tests.stores import FINGERPRINT, contents, keys, sequences

psutil = pytest.importorskip("psutil")
needs_ray = pytest.mark.skipif(not on_ray.is_installed(), reason="pip install 'arms[ray]'")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # of a cluster on this machine
DEADLINE_S = 600  # the machine may be busy


def start(path, *options, **more):
    command = [sys.executable, "-m", "tests.extraction", str(path), *map(str, options)]
    environment = {**ENVIRONMENT, **more}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(path, *options):
    """What an extraction says at its end."""
    process = start(path, *options)
    output, errors = process.communicate(timeout=DEADLINE_S)
    return output.strip() if process.returncode == 0 else errors[errors.rfind("error: ") :].strip()


def everything(path):
    """All files and folders, hidden ones too, with the bytes of files."""
    return sorted(entry.relative_to(path) for entry in path.rglob("*")), contents(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the local engine writes."""
    path = tmp_path_factory.mktemp("whole") / "image.zarr"
    assert run(path) == f"encoded {NUM_IMAGES}"
    return path


def num_shards(path):
    return len(list(path.glob("*/shard-*")))


def wait_for(condition):
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def actors_of(driver):
    """The processes of Ray's actors that encode, of a driver that started Ray."""
    found = []
    for process in psutil.Process(driver.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "ShardActor" in " ".join(process.cmdline()):
                found.append(process)
    return found


def kill(driver):
    """And wait until its actors are gone: they live on for a moment, and may write what they have."""
    actors = actors_of(driver) if driver.poll() is None else []
    driver.kill()
    driver.communicate()
    psutil.wait_procs(actors, timeout=DEADLINE_S)


@needs_ray
def test_the_same_bytes_as_in_one_process(tmp_path, whole):
    path = tmp_path / "image.zarr"
    assert run(path, "--engine", "ray") == f"encoded {NUM_IMAGES}"
    assert everything(path) == everything(whole)


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_worker_and_then_the_driver_are_killed(tmp_path, whole, seed):
    """Each at a random moment; the first run lives on without its worker, the next one takes up what is there."""
    path, rng = tmp_path / "image.zarr", np.random.default_rng(seed)
    driver = start(path, "--engine", "ray", "--read-s", 0.1)
    try:
        wait_for(lambda: num_shards(path) >= rng.integers(1, 6))
        time.sleep(rng.uniform(0, 0.5))
        for actor in actors_of(driver)[: rng.integers(1, 3)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                actor.kill()
        after = num_shards(path)
        wait_for(lambda: num_shards(path) > after or driver.poll() is not None)
        time.sleep(rng.uniform(0, 1.0))
        assert driver.poll() is None, driver.stderr.read()
    finally:
        kill(driver)
    kept = {file: content for file, content in contents(path).items() if "/shard-" in file}
    assert 0 < num_shards(path) < NUM_IMAGES // BATCH_SIZE
    assert run(path, "--engine", ("ray", "local")[seed % 2]).startswith("encoded ")
    assert contents(path).items() >= kept.items()
    assert everything(path) == everything(whole)


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_the_driver_is_killed_at_any_moment(tmp_path, whole, seed):
    """Also while Ray starts; and the same run is started again at once."""
    path = tmp_path / "image.zarr"
    driver = start(path, "--engine", "ray", "--read-s", 0.02)
    wait_for(lambda: path.exists())
    time.sleep(np.random.default_rng(seed).uniform(0, 15))
    driver.kill()
    assert run(path, "--engine", "ray", "--lock-timeout-s", 60).startswith("encoded ")
    driver.communicate()
    assert everything(path) == everything(whole)


@needs_ray
@pytest.mark.slow
def test_an_interrupted_driver_ends_and_leaves_no_ray(tmp_path):
    path = tmp_path / "image.zarr"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    driver = start(path, "--engine", "ray", "--read-s", 0.1)
    wait_for(lambda: num_shards(path))
    started = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=DEADLINE_S)
    assert driver.returncode
    assert not psutil.wait_procs(started, timeout=DEADLINE_S)[1]


@needs_ray
@pytest.mark.slow
def test_two_drivers_at_once(tmp_path):
    path = tmp_path / "image.zarr"
    first = start(path, "--engine", "ray", "--read-s", 5)
    try:
        wait_for(lambda: num_shards(path))
        refused = f"error: {path} is being written by another process; wait for it to end"
        assert run(path, "--engine", "ray", "--lock-timeout-s", 0.1) == refused
        assert run(path, "--lock-timeout-s", 0.1) == refused
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()


@needs_ray
@pytest.mark.slow
def test_a_cluster_that_loses_a_node(tmp_path, whole):
    """Two nodes on this machine, one core each; the run is joined to them by the address."""
    path = tmp_path / "image.zarr"
    nodes = subprocess.Popen(
        [sys.executable, "-m", "tests.ray_nodes"], cwd=ROOT, env=ENVIRONMENT | LOOPBACK, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        address = nodes.stdout.readline().strip()
        driver = start(path, "--engine", "ray", "--address", address, "--read-s", 0.2, **LOOPBACK)
        wait_for(lambda: num_shards(path) >= 6)
        nodes.stdin.write("lose a node\n")
        nodes.stdin.flush()
        said, errors = driver.communicate(timeout=DEADLINE_S)
        assert f"encoded {NUM_IMAGES}" in said.splitlines(), said + errors  # Ray tells of the node too
    finally:
        nodes.communicate("end\n", timeout=DEADLINE_S)
    assert everything(path) == everything(whole)


@needs_ray
@pytest.mark.slow
def test_a_shard_that_ends_every_actor_ends_the_run(tmp_path, whole):
    """As one for which memory does not suffice; without a bound Ray would do it again for ever."""
    path = tmp_path / "image.zarr"
    said = run(path, "--engine", "ray", "--deadly")
    assert "Ray's actors were lost 5 times at shard-00012; what they wrote is kept. If memory ran out, lower" in said
    assert 0 < num_shards(path) < NUM_IMAGES // BATCH_SIZE
    assert run(path).startswith("encoded ")
    assert everything(path) == everything(whole)


def test_without_ray(monkeypatch):
    monkeypatch.setattr(on_ray, "is_installed", lambda: False)
    message = r"runtime\.engine: ray is not installed; run: pip install 'arms\[ray\]', or use engine: local"
    with pytest.raises(ArmsError, match=message), ray_engine(None, address=None, actors=None, device="cpu"):
        pass


def test_actors_that_are_lost_while_they_start(work):
    """As where memory does not suffice for the encoder: five for each actor, since one last started."""
    folder = FeatureStore(work.store_path, work.fingerprint).folder
    for _ in range(9):
        Tries(folder, "their start", most=10).begin()
    assert ask(replace(work, actors=2)) == (NUM_IMAGES, "")
    for _ in range(10):
        Tries(folder, "their start", most=10).begin()
    _, error = ask(replace(work, actors=2), "shard-00001")
    assert error.startswith(f"{folder}: Ray's actors were lost 10 times at their start; what they wrote is kept")


def test_an_address_of_rays_client_is_refused():
    with pytest.raises(ArmsError, match=r"expected host:port or auto, got 'ray://head:10001'; run this on a node of"):
        on_ray._connect("ray://head:10001", 2)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loggers = [logging.getLogger(name) for name in ("arms", "stages")]
    levels = [logger.level for logger in loggers]  # which an actor sets
    encoder, _, _ = open_source(0)
    store = FeatureStore(tmp_path / "image.zarr", encoder.fingerprint)
    with store.writing():
        made = RayWork.of(store, lambda: open_source(0), batch_size=BATCH_SIZE, workers=0, compiled=False)
        yield replace(made, run=store.workers_lock.admit())
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def ask(work, name="shard-00000", names=KEYS):
    """What a new actor answers."""
    actor = ShardActor(work)
    answer = actor({key: np.array([value], object) for key, value in row_of(Shard(name, names)).items()})
    if actor._joined is not None:
        os.close(actor._joined)
    return answer["rows"][0], answer["error"][0]


def test_an_actor_writes_its_shard_once(work):
    store = FeatureStore(work.store_path, work.fingerprint)
    assert ask(work, "shard-00003", KEYS[:6]) == (6, "")
    before = contents(store.path)
    assert ask(work, "shard-00003", KEYS[:6]) == (6, "")
    assert contents(store.path) == before
    assert store.shards() == ["shard-00003"]
    assert store.stored_keys() == set(KEYS[:6])


def test_an_actor_whose_run_has_ended_writes_nothing(work):
    store = FeatureStore(work.store_path, work.fingerprint)
    store.workers_lock.admit()
    assert ask(work) == (NUM_IMAGES, f"{store.path}: the run that this worker belongs to has ended")
    assert store.shards() == []


def test_an_actor_on_a_node_without_the_projects_folder(work, tmp_path):
    _, error = ask(replace(work, root=tmp_path / "gone"))
    assert error.startswith(f"{tmp_path / 'gone'}: not there on a node of Ray's; the project's folder has to be on")
    _, error = ask(replace(work, store_path=tmp_path / "other" / "image.zarr"))
    assert error.startswith(f"{tmp_path / 'other' / 'image.zarr.workers'}: not there on this node: No such file")


def test_an_actor_with_another_encoder(work):
    other = make_encoders(image={"tunable_layers": 0}).image
    _, error = ask(replace(work, open_source=lambda: (other, *open_source(0)[1:])))
    assert "its fingerprint on a node of Ray's is not the driver's; install the same versions on all nodes" in error


def test_an_error_of_an_actor_is_its_text(work):
    def broken():
        encoder, names, _ = open_source(0)

        def read(key):
            raise ArmsError("dots.png: expected an image, got none")

        return encoder, names, read

    assert ask(replace(work, open_source=broken)) == (NUM_IMAGES, "dots.png: expected an image, got none")


def node(**resources):
    return {"Alive": True, "Resources": resources}


DEAD = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}


@pytest.mark.parametrize(
    ("device", "nodes", "expected"),
    [
        ("auto", [node(CPU=8.0)], (4, 0, 2)),
        ("auto", [node(CPU=8.0), node(CPU=7.0), node(CPU=2.0), node(memory=1.0), DEAD], (4, 0, 3)),
        ("auto", [node(CPU=8.0), node(CPU=32.0, GPU=4.0), node(CPU=96.0, GPU=8.0)], (8, 1, 12)),
        ("cuda", [node(CPU=2.0, GPU=4.0)], (1, 1, 4)),
        ("cpu", [node(CPU=32.0, GPU=4.0)], (4, 0, 8)),
    ],
)
def test_an_actors_share_of_a_node(work, device, nodes, expected):
    placed, room = on_ray._place(replace(work, threads=4), nodes, device)
    assert (placed.cpus, placed.gpus, room) == expected


def test_no_room_for_an_actor(work):
    with pytest.raises(ArmsError, match=r"with 4 threads, .* no node of Ray's has more than 3 CPUs; set the env"):
        on_ray._place(replace(work, threads=4), [node(CPU=3.0), DEAD], "auto")
    with pytest.raises(ArmsError, match=r"runtime\.device: expected GPUs in Ray's cluster for 'cuda', found none"):
        on_ray._place(work, [node(CPU=3.0), DEAD], "cuda")


def test_nothing_to_encode_starts_no_ray(work, monkeypatch):
    monkeypatch.setattr(on_ray, "is_installed", lambda: True)
    monkeypatch.setattr(on_ray, "_connect", None)
    encoder, _, read = open_source(0)
    store = FeatureStore(work.store_path, work.fingerprint)
    options = {"batch_size": 4, "shard_bytes": 1, "workers": 0, "device": CPU, "label": "image"}
    with ray_engine(work, address=None, actors=None, device="cpu") as engine:
        assert extract(store, [], read, encoder, **options, engine=engine) == 0


def test_the_workers_of_a_stopped_run_are_waited_for(tmp_path):
    lock = FeatureStore(tmp_path / "x.zarr", FINGERPRINT).workers_lock
    lock.wait_for_others(0)  # no run ever had workers
    run = lock.admit()
    joined = [lock.join(run), lock.join(run)]
    for descriptor in joined:
        with pytest.raises(ArmsError, match=r"x\.zarr is being written by workers of an earlier run; wait"):
            lock.wait_for_others(0.1)
        os.close(descriptor)
    lock.wait_for_others(0)
    with pytest.raises(ArmsError, match=r"x\.zarr: the run that this worker belongs to has ended"):
        lock.join(run)


def test_a_shard_that_another_worker_wrote_meanwhile_stays(tmp_path, monkeypatch):
    """As one does that was taken for lost."""
    store = FeatureStore(tmp_path / "x.zarr", FINGERPRINT)
    with store.writing():
        store.write_shard(keys(0, 1), {"states": sequences(3, 1)}, "shard-00007")
        before = contents(store.path)
        store.write_shard(keys(0, 1), {"states": sequences(3, 1)}, "shard-00007")
        assert contents(store.path) == before
        (store.folder / ".shard-00008.0").mkdir()
        store.remove_drafts()
        assert sorted(entry.name for entry in store.folder.iterdir()) == ["shard-00007", "zarr.json"]
