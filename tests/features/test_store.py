import contextlib
import logging
import multiprocessing
import threading
import time

import numpy as np
import pytest
import zarr
from filelock import FileLock, Timeout

from arms.errors import ArmsError
from arms.features import store as store_module
from arms.features.arrays import Ragged
from arms.features.inspection import StoreInfo, describe_store, verify_store
from arms.features.store import FeatureStore, fingerprint_id, open_features
from tests.stores import FINGERPRINT, contents, flip, keys, sequences, write_store


@pytest.mark.parametrize(
    ("arrays", "dtype"),
    [
        ({"pixels": np.arange(5 * 3 * 2 * 2, dtype=np.uint8).reshape(5, 3, 2, 2)}, np.uint8),
        ({"pooled": np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)}, np.float32),
        ({"states": np.linspace(-9, 9, 60).astype(np.float16).reshape(5, 4, 3)}, np.float16),
        ({"states": np.zeros((5, 4), dtype=np.float16)}, np.float16),  # Zarr leaves empty chunks out by default
        ({"token_ids": Ragged.join([np.arange(n, dtype=np.int32) for n in (2, 4, 1, 3, 7)])}, np.int32),
        (
            {"states": Ragged.join([np.zeros((0, 3), np.float16), *np.split(np.ones((8, 3), np.float16), 4)])},
            np.float16,
        ),
    ],
)
def test_round_trip_over_several_shards(tmp_path, arrays, dtype):
    ((name, whole),) = arrays.items()

    def part(start, end):
        if isinstance(whole, Ragged):
            return Ragged.join([whole.values[whole.offsets[i] : whole.offsets[i + 1]] for i in range(start, end)])
        return whole[start:end]

    store = FeatureStore(tmp_path / "x.zarr", {"arrays": [name]})
    with store.writing():
        for start, end in ((0, 2), (2, 3), (3, 5)):
            store.write_shard(keys(*range(start, end)), {name: part(start, end)})
        store.finish()
    read = FeatureStore(tmp_path / "x.zarr", {"arrays": [name]}).load()
    assert read.row_of == {key: row for row, key in enumerate(keys(*range(5)))}
    got = read.arrays[name]
    if isinstance(whole, Ragged):
        np.testing.assert_array_equal(got.offsets, whole.offsets)
        got, whole = got.values, whole.values
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, whole)


def test_several_arrays(tmp_path):
    store = FeatureStore(tmp_path / "x.zarr", {"arrays": ["pooled", "tokens"]})
    arrays = {"pooled": np.ones((2, 3), np.float32), "tokens": np.full((2, 4, 5), 2, np.float16)}
    with store.writing():
        store.write_shard(keys(0, 1), arrays)
        store.finish()
    read = store.load().arrays
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_it_is_plain_zarr(store):
    """Zarr is the interface: anyone can read a store without this package."""
    group = zarr.open_group(store.path, mode="r")
    (fingerprint,) = group.group_keys()
    assert fingerprint == fingerprint_id(FINGERPRINT)
    assert dict(group[fingerprint].attrs)["fingerprint"] == FINGERPRINT
    np.testing.assert_array_equal(group[fingerprint]["shard-00000"]["offsets"][:], [0, 3, 4])


def test_two_fingerprints_side_by_side(store):
    other = FeatureStore(store.path, {**FINGERPRINT, "blocks_frozen": 2})
    before = contents(store.folder)
    with other.writing():
        other.write_shard(keys(0), {"states": sequences(9)})
        other.finish()
    assert len(other.load().arrays["states"].values) == 9
    assert contents(store.folder) == before
    assert len(store.load().row_of) == 3


def test_stored_keys(store):
    assert store.stored_keys() == set(keys(0, 1, 2))
    assert FeatureStore(store.path, {"arrays": []}).stored_keys() == set()


def test_all_in_and_exists(store, tmp_path):
    other = FeatureStore(store.path, {**FINGERPRINT, "blocks_frozen": 2})
    assert store.exists()
    assert not other.exists()
    with other.writing():
        assert other.exists()
    found = FeatureStore.all_in(store.path)
    assert {found.folder: found.fingerprint for found in found} == {
        store.folder: store.fingerprint,
        other.folder: other.fingerprint,
    }
    assert FeatureStore.at(store.folder).fingerprint == FINGERPRINT
    assert FeatureStore.all_in(tmp_path / "none.zarr") == []


def test_info(store):
    info = StoreInfo(
        path=store.path,
        id=fingerprint_id(FINGERPRINT),
        fingerprint=FINGERPRINT,
        finished=True,
        rows=3,
        num_bytes=3 * 32 + 8 * 3 * 2 + (3 + 2) * 8,
        shards=2,
        arrays={"states": "float16[3]"},
    )
    assert describe_store(store) == info
    with store.writing():
        store.write_shard(keys(3), {"states": sequences(1)})
    assert not describe_store(store).finished  # a shard that reading leaves out
    with store.writing():
        store.finish()
    assert (describe_store(store).finished, describe_store(store).rows, describe_store(store).shards) == (True, 4, 3)


def test_an_unfinished_store_cannot_be_read(tmp_path):
    store = FeatureStore(tmp_path / "x.zarr", FINGERPRINT)
    with store.writing():
        store.write_shard(keys(0), {"states": sequences(2)})
    assert (describe_store(store).finished, describe_store(store).rows) == (False, 1)
    message = f"{store.path}: the extraction was stopped before it ended; run: dvc repro encode"
    assert verify_store(store) == [message]
    with pytest.raises(ArmsError, match=r"x\.zarr: the extraction was stopped before it ended; run: dvc repro encode"):
        store.load()
    assert store.stored_keys() == set(keys(0))
    with store.writing():
        store.finish()
    assert len(store.load().row_of) == 1


def test_what_a_killed_writer_left_is_cleared(store):
    (store.folder / ".shard-00002").mkdir()
    (store.folder / ".shard-00002" / "zarr.json").write_text("{")
    (store.path / "zarr.0123.partial").write_text("{")
    with store.writing():
        assert sorted(path.name for path in store.path.iterdir()) == [store.folder.name, "zarr.json"]
        assert sorted(path.name for path in store.folder.iterdir()) == ["shard-00000", "shard-00001", "zarr.json"]
        store.write_shard(keys(7), {"states": sequences(2)})
    assert len(store.load().row_of) == 3  # as last finished
    with store.writing():
        store.finish()
    assert len(store.load().row_of) == 4


def test_the_second_writer_is_refused(store, monkeypatch):
    monkeypatch.setattr(store_module, "_LOCK_TIMEOUT_S", 0.1)
    with store.writing():
        with (
            pytest.raises(ArmsError, match=r"text\.zarr is being written by another process; wait for it to end"),
            FeatureStore(store.path, {"arrays": []}).writing(),
        ):
            pytest.fail("two writers at once")
        assert len(store.load().row_of) == 3  # reading goes on
    with store.writing():
        pass


def hold_lock(path, let_go):
    with FileLock(f"{path}.lock"):
        let_go.wait()


@pytest.fixture
def held(store):
    """A store that another process is writing, and the event that ends it."""
    context = multiprocessing.get_context("fork")
    let_go = context.Event()
    holder = context.Process(target=hold_lock, args=(store.path, let_go))
    holder.start()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(Timeout), FileLock(f"{store.path}.lock", timeout=0):
            continue
        break
    yield store, let_go
    let_go.set()
    holder.join()


def test_a_writer_waits_for_one_that_ends_soon(held, caplog):
    store, let_go = held
    caplog.set_level(logging.INFO)
    threading.Timer(0.2, let_go.set).start()
    with store.writing():
        assert let_go.is_set()
        assert len(store.stored_keys()) == 3
    assert f"{store.path} is held by another process; waiting up to 15 s" in caplog.messages


def test_a_writer_does_not_wait_for_ever(held, monkeypatch):
    store, let_go = held
    monkeypatch.setattr(store_module, "_LOCK_TIMEOUT_S", 0.2)
    with (
        pytest.raises(ArmsError, match=r"text\.zarr is being written by another process; wait for it to end"),
        store.writing(),
    ):
        pytest.fail("two writers at once")
    assert not let_go.is_set()
    assert len(store.load().row_of) == 3  # reading goes on


def test_no_store(tmp_path):
    with pytest.raises(ArmsError, match=r"none\.zarr: no features there; run: dvc repro encode"):
        FeatureStore(tmp_path / "none.zarr", FINGERPRINT).load()


def test_another_fingerprint_is_named_with_both_values(store):
    with pytest.raises(ArmsError) as caught:
        FeatureStore(store.path, {**FINGERPRINT, "blocks_frozen": 3, "size": [32, 32]}).load()
    assert str(caught.value).splitlines() == [
        f"{store.path} was made by other settings than these:",
        "  it holds blocks_frozen 1, the settings ask for 3; size None, the settings ask for [32, 32]",
        "run: dvc repro encode",
    ]


SMALL, LARGE = {"pooled": np.ones((4, 5), np.float32)}, {"states": np.arange(600, dtype=np.float16).reshape(4, 50, 3)}
SMALL_BYTES, LARGE_BYTES = 80, 1200


@pytest.mark.parametrize(
    ("budget_bytes", "in_memory"),
    [
        (SMALL_BYTES + LARGE_BYTES, [True, True]),
        (SMALL_BYTES + LARGE_BYTES - 1, [False, True]),
        (2 * 100 + SMALL_BYTES, [False, True]),
        (2 * 100 + SMALL_BYTES - 1, [False, False]),
        (2 * 100, [False, False]),
    ],
)
def test_features_are_in_memory_where_they_fit(tmp_path, caplog, budget_bytes, in_memory):
    caplog.set_level(logging.INFO)
    stores = [write_store(tmp_path / "large.zarr", LARGE), write_store(tmp_path / "small.zarr", SMALL)]
    opened = open_features(stores, budget_bytes=budget_bytes, window_bytes=100)
    assert [features.nbytes for features in opened] == [LARGE_BYTES, SMALL_BYTES]
    assert [features.in_memory for features in opened] == in_memory
    streamed = [message for message in caplog.messages if message.endswith("they are streamed from disk")]
    assert bool(streamed) == (not all(in_memory))
    for features, arrays in zip(opened, (LARGE, SMALL), strict=True):
        assert features.row_of == {key: row for row, key in enumerate(keys(*range(4)))}
        ((name, array),) = features.load().arrays.items()
        np.testing.assert_array_equal(array, arrays[name])


def test_a_budget_of_less_than_two_windows(tmp_path):
    stores = [write_store(tmp_path / "large.zarr", LARGE), write_store(tmp_path / "small.zarr", SMALL)]
    with pytest.raises(ArmsError) as caught:
        open_features(stores, budget_bytes=1279, window_bytes=2**20)
    assert str(caught.value) == (
        "runtime.cache_budget_gb: expected room for two windows of train.shuffle_window_mb (1 MiB), as the features "
        "take 1.19e-06 GiB and are streamed; got 1.19e-06 GiB; raise the budget, or lower the window, which changes "
        "results"
    )
    assert all(features.in_memory for features in open_features(stores, budget_bytes=1280, window_bytes=2**20))


def test_opening_reads_no_values(store):
    flip(store.folder / "shard-00000/states/c/0/0", 3)
    features = store.open()
    assert not features.in_memory
    # The keys are not counted, nor the first offset of any shard after the first.
    assert features.nbytes == describe_store(store).num_bytes - 3 * 32 - 8
    with pytest.raises(ArmsError, match="shard-00000 is damaged"):
        features.load()
