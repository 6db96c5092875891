import hashlib
import shutil

import numpy as np
import pytest
import zarr

from arms.errors import ArmsError
from arms.features.loader import Ragged
from arms.features.store import FeatureStore, fingerprint_id

FINGERPRINT = {"modality": "text", "arrays": ["states"], "encoder": "toy", "blocks_frozen": 1}


def keys(*numbers):
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]


def sequences(*lengths):
    rng = np.random.default_rng(sum(lengths))
    return Ragged.join([rng.random((length, 3)).astype(np.float16) for length in lengths])


@pytest.fixture
def store(tmp_path):
    """A finished store of two shards, of two texts and one."""
    store = FeatureStore(tmp_path / "text.zarr", FINGERPRINT)
    with store.writing():
        store.write_shard(keys(0, 1), {"states": sequences(3, 1)})
        store.write_shard(keys(2), {"states": sequences(4)})
        store.finish()
    return store


def contents(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize(
    ("arrays", "dtype"),
    [
        ({"pixels": np.arange(5 * 3 * 2 * 2, dtype=np.uint8).reshape(5, 3, 2, 2)}, np.uint8),
        ({"pooled": np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)}, np.float32),
        ({"states": np.linspace(-9, 9, 60).astype(np.float16).reshape(5, 4, 3)}, np.float16),
        ({"states": np.zeros((5, 4), dtype=np.float16)}, np.float16),  # zarr leaves empty chunks out, unless told
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


def test_an_unfinished_store_cannot_be_read(tmp_path):
    store = FeatureStore(tmp_path / "x.zarr", FINGERPRINT)
    with store.writing():
        store.write_shard(keys(0), {"states": sequences(2)})
    with pytest.raises(ArmsError, match=r"x\.zarr: the extraction was stopped before it ended; run: dvc repro encode"):
        store.load()
    assert store.stored_keys() == set(keys(0))
    with store.writing():
        store.finish()
    assert len(store.load().row_of) == 1


def test_what_a_killed_writer_left_is_cleared(store):
    (store.folder / ".shard-00002").mkdir()
    (store.folder / ".shard-00002" / "zarr.json").write_text("{")
    with store.writing():
        assert not (store.folder / ".shard-00002").exists()
        store.write_shard(keys(7), {"states": sequences(2)})
    assert len(store.load().row_of) == 3  # as last finished
    with store.writing():
        store.finish()
    assert len(store.load().row_of) == 4


def test_the_second_writer_is_refused(store):
    with store.writing():
        with (
            pytest.raises(ArmsError, match=r"text\.zarr is being written by another process; wait for it to end"),
            FeatureStore(store.path, {"arrays": []}).writing(),
        ):
            pytest.fail("two writers at once")
        assert len(store.load().row_of) == 3  # reading goes on
    with store.writing():
        pass


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


CHUNKS = ("keys/c/0/0", "states/c/0/0", "offsets/c/0")


@pytest.mark.parametrize("file", CHUNKS)
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "emptied"])
def test_damage_is_an_error_that_names_the_place(store, file, damage):
    chunk = store.folder / "shard-00001" / file
    content = bytearray(chunk.read_bytes())
    if damage == "missing":
        chunk.unlink()
    elif damage == "truncated":
        chunk.write_bytes(content[:-1])
    elif damage == "emptied":
        chunk.write_bytes(b"")
    else:
        content[5] ^= 1
        chunk.write_bytes(content)
    told = {
        "missing": f"No such file or directory: '{chunk}'",
        "truncated": f"{chunk}: expected {len(content)} bytes, got {len(content) - 1}",
        "emptied": f"{chunk}: expected {len(content)} bytes, got 0",
        "flipped": "checksum do not match",
    }
    with pytest.raises(ArmsError) as caught:
        store.load()
    message = str(caught.value)
    assert message.startswith(f"{store.folder / 'shard-00001'} is damaged: ")
    assert message.endswith("; delete this folder and run: dvc repro encode")
    assert told[damage] in message
    if file.startswith("keys"):
        with pytest.raises(ArmsError, match="shard-00001 is damaged"), store.writing():
            store.stored_keys()


@pytest.mark.parametrize("lost", ["", "zarr.json", "states", "keys", "offsets"])
def test_a_lost_part_is_an_error_that_names_the_place(store, lost):
    path = store.folder / "shard-00000" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ArmsError, match=r"shard-00000 is damaged: .*; delete this folder and run: dvc repro encode"):
        store.load()


def test_shards_of_another_length(store):
    shutil.rmtree(store.folder / "shard-00000")
    shutil.copytree(store.folder / "shard-00001", store.folder / "shard-00000")
    with pytest.raises(ArmsError, match=r"shard-00000 is damaged: expected 2 rows, got \{'states': 1\}"):
        store.load()


def test_a_deleted_shard_is_written_anew_under_its_own_name(store):
    """What the error about damage advises has to work, and to give what there was."""
    before = contents(store.folder)
    shutil.rmtree(store.folder / "shard-00000")
    with store.writing():
        assert store.stored_keys() == set(keys(2))
        store.write_shard(keys(0, 1), {"states": sequences(3, 1)})
        store.finish()
    assert contents(store.folder) == before
