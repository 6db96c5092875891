"""Extractions as real processes: killed with SIGKILL at any moment and resumed, or two of them at once."""

import contextlib
import errno
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch

from arms.errors import ArmsError
from arms.features import shards as shards_module
from arms.features import store as store_module
from arms.features.extract import extract
from arms.features.inspection import describe_store
from arms.features.store import FeatureStore
from tests.fakes import CPU, make_encoders, make_queries
from tests.stores import contents, keys

NUM_IMAGES, BATCH_SIZE = 40, 4
KEYS = keys(*range(NUM_IMAGES))
PICTURES = dict(zip(KEYS, make_queries(NUM_IMAGES).pictures, strict=True))
ENCODER = make_encoders(image={"tunable_layers": 1}).image
FORK = multiprocessing.get_context("fork")


def read_slowly(key):
    time.sleep(0.01)
    return ENCODER.read(PICTURES[key])


def run(path):
    """Extract in shards of one batch each, some 0.3 s in all; how many images were encoded."""
    store = FeatureStore(path, ENCODER.fingerprint)
    options = {"batch_size": BATCH_SIZE, "shard_bytes": 1, "workers": 2, "device": CPU, "label": "image"}
    with store.writing():
        count = extract(store, KEYS, read_slowly, ENCODER, **options)
        store.finish()
    return count


def run_and_tell(path, outcomes):
    torch.set_num_threads(1)  # threads do not survive a fork
    try:
        outcomes.put(run(path))
    except ArmsError as error:
        outcomes.put(str(error))


def start(path):
    """Start an extraction in a process group of its own, which includes its workers."""
    outcomes = FORK.SimpleQueue()
    process = FORK.Process(target=run_and_tell, args=(path, outcomes))
    process.start()
    os.setpgid(process.pid, process.pid)
    return process, outcomes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Where an undisturbed extraction wrote, and the seconds that it took."""
    path, started = tmp_path_factory.mktemp("undisturbed") / "image.zarr", time.perf_counter()
    process, outcomes = start(path)
    process.join()
    assert outcomes.get() == NUM_IMAGES
    assert len(FeatureStore(path, ENCODER.fingerprint).load().row_of) == NUM_IMAGES
    return path, time.perf_counter() - started


def shard_files(folder):
    """Bytes of all files of finished shards, and when they were written."""
    files = [path for path in folder.glob("shard-*/**/*") if path.is_file()]
    return {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}


def everything(path):
    """All files and folders, hidden ones too, with the bytes of files."""
    return sorted(entry.relative_to(path) for entry in path.rglob("*")), contents(path)


def kill_and_resume(path, undisturbed, share, *, whole_group):
    """Kill an extraction after a share of its time and resume it; return how many shards were kept."""
    whole, duration_s = undisturbed
    process, _ = start(path)
    time.sleep(share * duration_s)
    try:
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
        process.join()
        store = FeatureStore(path, ENCODER.fingerprint)
        kept, num_kept = shard_files(store.folder), len(list(store.folder.glob("shard-*")))
        finished = store.exists() and describe_store(store).finished
        with contextlib.nullcontext() if finished else pytest.raises(ArmsError, match="run: dvc repro encode"):
            store.load()
        assert run(path) == NUM_IMAGES - num_kept * BATCH_SIZE
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert shard_files(store.folder).items() >= kept.items()
    assert everything(path) == everything(whole)
    return num_kept


MOMENTS = [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 20))]


@pytest.mark.parametrize("seed", MOMENTS)
def test_a_killed_extraction_is_taken_up_where_it_was(tmp_path, undisturbed, seed):
    """Its workers are killed too, except in every third case, where they outlive it."""
    share = np.random.default_rng(seed).uniform(0.05, 1)
    kill_and_resume(tmp_path / "image.zarr", undisturbed, share, whole_group=seed % 3 != 1)


def test_one_killed_again_and_again(tmp_path, undisturbed):
    path, (whole, duration_s) = tmp_path / "image.zarr", undisturbed
    for share in (0.3, 0.5, 0.4):
        process, _ = start(path)
        time.sleep(share * duration_s)
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    run(path)
    assert everything(path) == everything(whole)


@pytest.mark.parametrize("lock_timeout_s", [15.0, 0.02])
def test_two_at_once(tmp_path, undisturbed, monkeypatch, lock_timeout_s):
    """One waits for the other and finds nothing left to do, or is refused."""
    monkeypatch.setattr(store_module, "_LOCK_TIMEOUT_S", lock_timeout_s)
    path, (whole, duration_s) = tmp_path / "image.zarr", undisturbed
    processes = [start(path) for _ in range(2)]
    for process, _ in processes:
        process.join(20 + 10 * duration_s)
        assert process.exitcode == 0
    first, second = (outcomes.get() for _, outcomes in processes)
    refused = f"{path} is being written by another process; wait for it to end"
    assert NUM_IMAGES in (first, second)
    assert {first, second} <= ({NUM_IMAGES, 0} if lock_timeout_s == 15 else {NUM_IMAGES, 0, refused})
    assert everything(path) == everything(whole)


def test_a_disk_that_fills_up_ends_the_extraction(tmp_path, undisturbed, monkeypatch):
    """The writing thread reports it; the same command then resumes."""
    path, (whole, _) = tmp_path / "image.zarr", undisturbed
    before = set(multiprocessing.active_children())

    def fail(group, name, values):
        if name == "states" and len(list(store.folder.glob("shard-*"))) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_array(group, name, values)

    store, write_array = FeatureStore(path, ENCODER.fingerprint), shards_module._write_array
    with monkeypatch.context() as patch:
        patch.setattr(shards_module, "_write_array", fail)
        with pytest.raises(ArmsError, match=r"the disk is full .*: No space left on device"):
            run(path)
    kept = sorted(entry.name for entry in store.folder.iterdir())
    assert kept == ["shard-00000", "shard-00001", "shard-00002", "zarr.json"]
    assert set(multiprocessing.active_children()) <= before
    assert run(path) == NUM_IMAGES - 3 * BATCH_SIZE
    assert everything(path) == everything(whole)
