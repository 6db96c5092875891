import itertools
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import Crc32cCodec

from arms.errors import ArmsError
from arms.features.arrays import Ragged
from arms.features.chunks import Chunk, DiskArray, DiskRagged
from tests.stores import flip, keys, sequences, write_store


@st.composite
def dense_cases(draw):
    """The shards of an array, and rows to read."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    width = draw(st.sampled_from([(1,), (3,), (2, 3), (3, 4, 4)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.uint8, np.float16, np.float32]))
    shards = [(rng.random((size, *width)) * 200).astype(dtype) for size in sizes]
    rows = draw(st.lists(st.integers(0, sum(sizes) - 1), max_size=12))
    return shards, np.array(rows, dtype=np.int64)


@st.composite
def ragged_cases(draw):
    """Shards of sequences, and rows to read; some sequences, or all of a shard, are empty."""
    lengths = draw(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=5))
    width = draw(st.sampled_from([(), (3,)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.int32, np.float16]))
    shards = [
        Ragged.join([(rng.random((length, *width)) * 200).astype(dtype) for length in of_shard]) for of_shard in lengths
    ]
    rows = draw(st.lists(st.integers(0, sum(map(len, lengths)) - 1), max_size=12))
    return shards, np.array(rows, dtype=np.int64)


def in_a_store(name, shards):
    """The shards' features on disk, the folder with them."""
    folder = tempfile.TemporaryDirectory()
    return folder, write_store(Path(folder.name) / "x.zarr", *({name: shard} for shard in shards)).open()


@settings(deadline=None, max_examples=25)
@given(dense_cases())
def test_a_dense_array_on_disk_is_one_in_memory(case):
    shards, rows = case
    whole = np.concatenate(shards)
    folder, features = in_a_store("pooled", shards)
    with folder:
        array = features.arrays["pooled"]
        assert isinstance(array, DiskArray)
        assert (len(array), array.nbytes) == (len(whole), whole.nbytes)
        assert_same(array.gather(np.unique(rows)), whole[np.unique(rows)])
        for start, end in itertools.pairwise(np.unique([0, *rows, len(whole)])):
            assert_same(array.read(np.array([start]), np.array([end])), whole[start:end])
        assert_same(features.take(rows)["pooled"].numpy(), whole[rows])
        assert_same(array.load(), whole)


@settings(deadline=None, max_examples=25)
@given(ragged_cases())
def test_sequences_on_disk_are_those_in_memory(case):
    shards, rows = case
    parts = [part for shard in shards for part in np.split(shard.values, shard.offsets[1:-1])]
    whole = Ragged.join(parts)
    folder, features = in_a_store("states", shards)
    with folder:
        array = features.arrays["states"]
        assert isinstance(array, DiskRagged)
        assert (len(array), array.nbytes) == (len(whole), whole.nbytes)
        got = array.gather(np.unique(rows))
        assert len(got) == len(np.unique(rows))
        for place, row in enumerate(np.unique(rows)):
            assert_same(got.values[got.offsets[place] : got.offsets[place + 1]], parts[row])
        batch, (padded, mask) = features.take(rows), whole.pad(rows)
        assert_same(batch["states"].numpy(), padded)
        assert torch.equal(batch["mask"], torch.from_numpy(mask))
        loaded = array.load()
        assert_same(loaded.values, whole.values)
        assert_same(loaded.offsets, whole.offsets)


def assert_same(got, expected):
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_gathered_rows_keep_their_keys(tmp_path):
    shards = [{"pooled": np.arange(6.0).reshape(3, 2)}, {"pooled": np.arange(6.0, 10.0).reshape(2, 2)}]
    features = write_store(tmp_path / "x.zarr", *shards).open()
    part = features.gather(np.array([1, 3, 4]))
    assert part.in_memory
    assert part.row_of == dict(zip(keys(1, 3, 4), range(3), strict=True))
    assert part.arrays["pooled"].tolist() == [[2, 3], [6, 7], [8, 9]]


@pytest.mark.parametrize("kind", ["dense", "ragged"])
def test_damage_is_found_when_a_row_of_the_shard_is_first_read(tmp_path, kind):
    shard = {"states": np.ones((3, 4, 3), np.float16) if kind == "dense" else sequences(4, 4, 4)}
    store = write_store(tmp_path / "x.zarr", shard, shard, shard)
    (file,) = (path for path in (store.folder / "shard-00001/states/c").rglob("*") if path.is_file())
    flip(file, 2)  # in its first row
    features = store.open()
    message = rf"shard-00001 is damaged: {file.relative_to(store.folder / 'shard-00001')}: its bytes do not match"
    features.take(np.array([7, 0, 2, 6]))
    for row in (5, 3, 5):
        with pytest.raises(ArmsError, match=message):
            features.take(np.array([0, row]))
    flip(file, 2)
    features.take(np.array([0, 5]))
    flip(file, 2)
    features.take(np.array([0, 5]))  # not checked again: it would be all of the shard for each row
    with pytest.raises(ArmsError, match=message):
        features.load()


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("change", ["truncated", "missing"])
def test_a_shard_that_goes_while_it_is_read(tmp_path, change, checked):
    store = write_store(tmp_path / "x.zarr", {"pooled": np.ones((4, 3), np.float32)})
    features = store.open()
    file = store.folder / "shard-00000/pooled/c/0/0"
    if checked:
        features.take(np.array([0]))
    if change == "truncated":
        file.write_bytes(file.read_bytes()[:40])
        message = "pooled/c/0/0: it ends at byte 40;"
    else:
        file.unlink()
        message = "pooled/c/0/0: .* No such file or directory: .*;"
    for read in (features.load, lambda: features.take(np.array([0, 3]))):
        with pytest.raises(ArmsError, match=rf"shard-00000 is damaged: {message} delete this folder"):
            read()


def test_a_disk_that_cannot_be_read(tmp_path, monkeypatch):
    store = write_store(tmp_path / "x.zarr", {"pooled": np.ones((4, 3), np.float32)})
    features = store.open()

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.preadv", fail)
    with pytest.raises(ArmsError, match=r"shard-00000 is damaged: pooled/c/0/0: .* Input/output error; delete this"):
        features.take(np.array([2]))


def test_a_chunk_of_nothing_has_no_file(tmp_path):
    """A length of 1 that a flipped bit makes 0 must not hide the file."""
    store = write_store(tmp_path / "x.zarr", {"states": sequences(0, 0)}, {"states": sequences(1)})
    assert Chunk(store.folder / "shard-00000/states").read().shape == (0, 3)
    folder = store.folder / "shard-00001/states"
    metadata = (folder / "zarr.json").read_text()
    (folder / "zarr.json").write_text(metadata.replace('"shape": [\n    1,', '"shape": [\n    0,'))
    with pytest.raises(ArmsError, match="shard-00001 is damaged: states/c/0/0: expected 0 bytes, got 10"):
        Chunk(folder)


def write_array(folder, **changes):
    options = {"chunks": (4, 3), "dtype": "<f4", "compressors": Crc32cCodec(), **changes}
    zarr.create_array(folder, shape=(4, 3), **options)[:] = np.arange(12).reshape(4, 3)
    return folder


@pytest.mark.parametrize("changes", [{"chunks": (2, 3)}, {"compressors": None}])
def test_another_layout_is_refused(tmp_path, changes):
    folder = write_array(tmp_path / "shard-00000/pooled", **changes)
    with pytest.raises(ArmsError, match=r"shard-00000 is damaged: pooled: expected one chunk of raw bytes and crc32c"):
        Chunk(folder)


def test_bytes_in_another_order_are_read_as_they_are(tmp_path):
    read = Chunk(write_array(tmp_path / "shard-00000/pooled", dtype=">f4")).read()
    np.testing.assert_array_equal(read, np.arange(12).reshape(4, 3))


def test_reading_through_holds_no_more_than_was_asked_for(tmp_path):
    shard = {"states": np.ones((256, 32, 64), np.float16)}  # 1 MiB
    features = write_store(tmp_path / "x.zarr", *[shard] * 16).open()
    features.take(np.arange(64))
    tracemalloc.start()
    try:
        for start in range(0, 4096, 64):
            features.take(np.arange(start, start + 64))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 2**20
