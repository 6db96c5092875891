import errno
import multiprocessing
import os
import re
import resource
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import zarr

from arms.errors import ArmsError
from arms.features import shards as shards_module
from arms.features import store as store_module
from arms.features.reading import read_ahead
from arms.features.store import FeatureStore
from tests.stores import FINGERPRINT, contents, keys, sequences

SHARDS = [(keys(0, 1), {"states": sequences(3, 1)}), (keys(2), {"states": sequences(9000)})]


def write_missing(store):
    """Write what is not stored yet, as an extraction does."""
    with store.writing():
        stored = store.stored_keys()
        for shard_keys, arrays in SHARDS:
            if not stored.issuperset(shard_keys):
                store.write_shard(shard_keys, arrays)
        store.finish()


def write_missing_under_a_limit(store, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    write_missing(store)


def in_a_process(function, *arguments):
    """The result of a function in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(function, *arguments).result()


@pytest.mark.parametrize("finished", [False, True])
def test_a_disk_that_fills_up(tmp_path, finished):
    """A limit on the size of files acts as a real full disk; Python ignores its signal."""
    undisturbed = FeatureStore(tmp_path / "undisturbed.zarr", FINGERPRINT)
    write_missing(undisturbed)
    store = FeatureStore(tmp_path / "x.zarr", FINGERPRINT)
    if finished:
        with store.writing():
            store.write_shard(*SHARDS[0])
            store.finish()
    with pytest.raises(ArmsError) as caught:
        in_a_process(write_missing_under_a_limit, store, 4096)
    assert re.fullmatch(
        rf"{store.folder}: the disk is full \([0-9,]+ MiB free\): File too large; what was written before is kept: "
        "make room, then run: dvc repro encode",
        str(caught.value),
    )
    assert sorted(path.name for path in store.folder.iterdir()) == ["shard-00000", "zarr.json"]
    assert store.stored_keys() == set(keys(0, 1))
    if finished:
        assert set(store.load().row_of) == set(keys(0, 1))
    write_missing(store)
    assert contents(store.path) == contents(undisturbed.path)


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
@pytest.mark.parametrize("array", ["states", "offsets"])
def test_a_write_that_fails_leaves_no_draft(store, monkeypatch, array, number, full):
    before = contents(store.folder)

    def fail(group, name, values):
        write_array(group, name, values[: len(values) // 2] if name == array else values)
        if name == array:
            raise OSError(number, os.strerror(number))

    write_array = shards_module._write_array
    monkeypatch.setattr(shards_module, "_write_array", fail)
    message = r"the disk is full .*: make room, then run: dvc repro encode" if full else os.strerror(number)
    with store.writing(), pytest.raises(ArmsError if full else OSError, match=message):
        store.write_shard(keys(3), {"states": sequences(2)})
    assert contents(store.folder) == before
    assert [path for path in store.folder.iterdir() if path.name.startswith(".")] == []
    monkeypatch.undo()
    with store.writing():
        store.write_shard(keys(3), {"states": sequences(2)})
        store.finish()
    assert len(store.load().row_of) == 4


def test_a_disk_that_is_full_when_the_list_is_written(store, monkeypatch):
    before = contents(store.folder)

    def fail(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with store.writing():
        store.write_shard(keys(3), {"states": sequences(2)})
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "flush", fail)
            with pytest.raises(ArmsError, match=r"the disk is full .*: No space left on device"):
                store.finish()
    after = contents(store.folder)
    assert {name: content for name, content in after.items() if not name.startswith("shard-00002")} == before
    assert len(store.load().row_of) == 3  # as last finished
    with store.writing():
        store.finish()
    assert len(store.load().row_of) == 4


def test_a_disk_that_is_full_from_the_start(tmp_path, monkeypatch):
    def fail(*_, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = FeatureStore(tmp_path / "x.zarr", FINGERPRINT)
    with monkeypatch.context() as patch:
        patch.setattr(zarr, "open_group", fail)
        with pytest.raises(ArmsError, match=r"x\.zarr: the disk is full"), store.writing():
            pytest.fail("written where there is no room")
    write_missing(store)  # the lock was let go
    assert len(store.load().row_of) == 3


def read_under_a_limit(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    batches = [["a"], ["b"]]
    return list(read_ahead(batches, lambda key: np.zeros((3, 64, 64), np.uint8), workers=1, pinned=False))


def test_full_shared_memory_is_said_and_not_waited_for():
    message = r"the processes that read images cannot hand them over: .*; make room in shared memory"
    with pytest.raises(ArmsError, match=message):
        in_a_process(read_under_a_limit, 4096)
