import contextlib
import json
import shutil

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.features.arrays import Ragged
from arms.features.inspection import describe_store, verify_store
from arms.features.loader import Features
from arms.features.shards import digest_of, open_shard
from arms.features.store import FeatureStore
from tests.fakes import watch_progress
from tests.stores import contents, flip, keys, sequences, write_store

CHUNKS = ("keys/c/0/0", "states/c/0/0", "offsets/c/0")
NOT_TOGETHER = "its arrays or their checksums are not those that were written together"
NUM_FLIPS = 100  # of each kind of store


@pytest.mark.parametrize("file", CHUNKS)
@pytest.mark.parametrize("damage", ["missing", "truncated", "emptied", "flipped"])
def test_damage_is_an_error_that_names_the_place(store, file, damage):
    chunk = store.folder / "shard-00001" / file
    size = chunk.stat().st_size
    if damage == "missing":
        chunk.unlink()
        message = f"{file.split('/')[0]}: [Errno 2] No such file or directory: '{chunk}'"
    elif damage == "flipped":
        flip(chunk, 5)
        message = f"{file}: its bytes do not match their checksum"
    else:
        left = size - 1 if damage == "truncated" else 0
        chunk.write_bytes(chunk.read_bytes()[:left])
        message = f"{file}: expected {size} bytes, got {left}"
    shard = chunk.parents[len(file.split("/")) - 1]
    message = f"{shard} is damaged: {message}; delete this folder and run: dvc repro encode"
    with pytest.raises(ArmsError) as caught:
        store.load()
    assert str(caught.value) == message
    assert verify_store(store) == [message]
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
    message = r"shard-00000 is damaged: expected 2 rows, got \{'keys': 1, 'offsets': 1\}"
    with pytest.raises(ArmsError, match=message):
        store.load()


def test_values_of_other_offsets(store):
    with store.writing():
        store.write_shard(keys(3), {"states": sequences(5)})
        store.finish()
    shutil.rmtree(store.folder / "shard-00001/states")
    shutil.copytree(store.folder / "shard-00002/states", store.folder / "shard-00001/states")
    message = f"shard-00001 is damaged: {NOT_TOGETHER}; delete this folder and run: "
    for attempt in (store.load, store.finish):
        with pytest.raises(ArmsError, match=message):
            attempt()
    assert any(message in problem for problem in verify_store(store))
    forget_digests(store)
    with pytest.raises(ArmsError, match=r"offsets: expected the last one to be 5, got 4; delete this folder and run: "):
        store.load()


def test_a_deleted_shard_is_written_anew_under_its_own_name(store):
    """The error's advice works: the shard comes back as it was."""
    before = contents(store.folder)
    shutil.rmtree(store.folder / "shard-00000")
    with store.writing():
        assert store.stored_keys() == set(keys(2))
        store.write_shard(keys(0, 1), {"states": sequences(3, 1)})
        store.finish()
    assert contents(store.folder) == before


def test_rows_of_another_shape(tmp_path):
    store = write_store(tmp_path / "x.zarr", {"pooled": np.ones((2, 3))}, {"pooled": np.ones((2, 4))})
    message = (
        f"{store.folder / 'shard-00001'} is damaged: pooled: its rows have another shape or dtype than those of other "
        "shards; delete this folder and run: dvc repro encode"
    )
    with pytest.raises(ArmsError) as caught:
        store.load()
    assert str(caught.value) == message
    assert verify_store(store) == [message]


@pytest.mark.parametrize("array", ["keys", "pooled", "tokens"])
def test_sound_arrays_that_changed_places_are_noticed(tmp_path, array):
    """All of the same shape, each with its right checksum: rows would be those of other pictures."""
    rng = np.random.default_rng(0)
    shards = [{"pooled": rng.random((2, 3)), "tokens": rng.random((2, 4, 3))} for _ in range(2)]
    store = write_store(tmp_path / "x.zarr", *shards)
    one, other = (store.folder / shard / array for shard in ("shard-00000", "shard-00001"))
    swap(one, other)
    message = f"shard-00000 is damaged: {NOT_TOGETHER}; delete this folder and run: dvc repro encode"
    for attempt in (store.load, store.open, store.finish):
        with pytest.raises(ArmsError, match=message):
            attempt()
    assert len(verify_store(store)) == 2
    swap(one, other)
    store.load()


def test_shards_that_changed_names_are_noticed(store):
    swap(store.folder / "shard-00000", store.folder / "shard-00001")
    with pytest.raises(ArmsError, match=r"shard-00000 is damaged: "):
        store.load()
    assert len(verify_store(store)) == 2


def test_a_store_from_before_digests_is_verified_once_and_nothing_is_encoded(store, caplog):
    right = row_bytes(store.load(), keys(0)[0])
    forget_digests(store, rows_only=True)
    message = "its list has no digests, as before they were written; run: dvc repro --force encode"
    with pytest.raises(ArmsError, match=message):
        store.load()
    assert any(message in problem for problem in verify_store(store))
    with store.writing():
        assert store.stored_keys() == set(keys(0, 1, 2))
        store.finish()
    assert "shard-00000 was written before shards had digests; its checksums were verified" in caplog.text
    assert row_bytes(store.load(), keys(0)[0]) == right
    assert verify_store(store) == []
    forget_digests(store, rows_only=True)
    flip(store.folder / "shard-00001/states/c/0/0", 5)
    with (
        store.writing(),
        pytest.raises(ArmsError, match="shard-00001 is damaged: states/c/0/0: its bytes"),
    ):
        store.finish()


def test_a_deleted_shard_may_be_written_with_other_rows(store):
    shutil.rmtree(store.folder / "shard-00000")
    with store.writing():
        store.write_shard(keys(7), {"states": sequences(2)})
        store.finish()
    assert set(store.load().row_of) == set(keys(2, 7))


def swap(one, other):
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def forget_digests(store, *, rows_only=False):
    """Make a store's digests those of its arrays as they are or, with `rows_only`, a store from before digests."""
    shards = {}
    for shard in store.shards():
        file = store.folder / shard / "zarr.json"
        content = json.loads(file.read_text())
        content["attributes"].pop("digest", None)
        file.write_text(json.dumps(content))
        chunks = open_shard(store.folder / shard, store.fingerprint["arrays"], None)
        rows = chunks["keys"].shape[0]
        shards[shard] = rows if rows_only else {"rows": rows, "sha256": digest_of(shard, chunks)}
    content = json.loads((store.folder / "zarr.json").read_text())
    content["attributes"]["shards"] = shards
    (store.folder / "zarr.json").write_text(json.dumps(content))


def test_keys_stored_twice(store):
    shutil.copytree(store.folder / "shard-00000", store.folder / "shard-00002")
    with store.writing(), pytest.raises(ArmsError, match=f"shard-00002 is damaged: {NOT_TOGETHER}"):
        store.finish()
    forget_digests(store)
    message = f"{store.folder}: 2 keys are stored twice; delete it and run: dvc repro encode"
    with pytest.raises(ArmsError) as caught:
        store.open()
    assert str(caught.value) == message
    assert verify_store(store) == [message]


@pytest.mark.parametrize("content", [None, b"", b"{", b"{}", b"\xff", b'{"attributes": {"fingerprint": {}}}', b"[]"])
def test_a_lost_list_of_shards_is_written_anew(store, content):
    """The error's advice works, and nothing is encoded again."""
    before = contents(store.folder)
    file = store.folder / "zarr.json"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
        message = r"zarr\.json: not a feature store's metadata: .*; delete this file and run: dvc repro encode"
        for attempt in (store.load, lambda: describe_store(store), lambda: FeatureStore.all_in(store.path)):
            with pytest.raises(ArmsError, match=message):
                attempt()
        (problem,) = verify_store(store)
        assert problem.startswith(f"{file}: not a feature store's metadata: ")
        file.unlink()
    with store.writing():
        assert store.stored_keys() == set(keys(0, 1, 2))
        store.finish()
    assert contents(store.folder) == before


def test_damaged_metadata_of_the_whole(store):
    (store.path / "zarr.json").write_text("{")
    assert len(store.load().row_of) == 3  # reading does not use it
    message = r"text\.zarr/zarr\.json: not a feature store's metadata: .*; delete this file and run: dvc repro encode"
    with pytest.raises(ArmsError, match=message), store.writing():
        pytest.fail("written into a damaged store")
    (store.path / "zarr.json").unlink()
    with store.writing():
        pass
    assert verify_store(store) == []


def test_verify_reports_every_problem(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    shards = [{"pooled": rng.random((2, 3)), "tokens": rng.random((2, 4, 3))} for _ in range(6)]
    store = write_store(tmp_path / "x.zarr", *shards)
    done = watch_progress(monkeypatch)
    assert verify_store(store) == []
    assert done == [("verify x.zarr", number, 6) for number in range(1, 7)]
    flip(store.folder / "shard-00000/pooled/c/0/0", 0)
    flip(store.folder / "shard-00001/keys/c/0/0", -1)
    (store.folder / "shard-00002/tokens/c/0/0/0").unlink()
    shutil.rmtree(store.folder / "shard-00003/pooled")
    shutil.rmtree(store.folder / "shard-00004")
    with store.writing():
        store.write_shard(keys(98, 99), shards[0])  # as shard-00004, which is in the list
        store.write_shard(keys(100), {name: array[:1] for name, array in shards[0].items()})
    shutil.rmtree(store.folder / "shard-00004")
    wrong = [
        "shard-00000 is damaged: pooled/c/0/0: its bytes do not match their checksum; delete this folder and run: ",
        "shard-00001 is damaged: keys/c/0/0: its bytes do not match their checksum; delete this folder and run: ",
        "shard-00002 is damaged: tokens: [Errno 2] No such file or directory: ",
        "shard-00003 is damaged: it lacks pooled; delete this folder and run: ",
        "shard-00004 is damaged: it lacks zarr.json; delete this folder and run: ",
        "shard-00006: not in the store's list of shards; run: ",
    ]
    problems = verify_store(store)
    assert len(problems) == len(wrong)
    for problem, message in zip(problems, wrong, strict=True):
        assert problem.startswith(f"{store.folder}/{message}")
        assert problem.endswith("run: dvc repro encode")


KINDS = {
    "pixels": {"pixels": np.arange(5 * 3 * 4 * 2, dtype=np.uint8).reshape(5, 3, 4, 2)},
    "pooled": {"pooled": np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)},
    "one wide": {"pooled": np.linspace(1, 2, 5, dtype=np.float32).reshape(5, 1)},
    "token ids": {"token_ids": Ragged.join([np.arange(n, dtype=np.int32) for n in (2, 0, 1, 3, 7)])},
    "text states": {"states": sequences(2, 4, 1, 0, 7)},
    "pooled and tokens": {
        "pooled": np.ones((5, 2), np.float32),
        "tokens": np.linspace(-9, 9, 60).astype(np.float16).reshape(5, 4, 3),
    },
}


@pytest.fixture(params=KINDS)
def any_store(tmp_path, request):
    """A store of each kind in two shards, of three rows and two."""
    features = Features(KINDS[request.param], {str(row): row for row in range(5)})
    shards = [features.gather(rows).arrays for rows in (np.arange(3), np.arange(3, 5))]
    return write_store(tmp_path / "x.zarr", *shards)


@pytest.mark.parametrize("place", ["first", "middle", "last", "checksum"])
def test_a_flipped_bit_is_reported_with_its_array_and_chunk(any_store, place):
    shard = any_store.folder / "shard-00001"
    chunks = [file for file in shard.glob("*/c/**/*") if file.is_file()]
    assert len(chunks) == len(list(shard.iterdir())) - 1
    for chunk in chunks:
        size = chunk.stat().st_size
        position = {"first": 0, "middle": (size - 4) // 2, "last": size - 5, "checksum": size - 2}[place]
        flip(chunk, position, bit=7)
        message = f"{chunk.relative_to(shard)}: its bytes do not match their checksum"
        end = "; delete this folder and run: dvc repro encode"
        assert verify_store(any_store) == [f"{shard} is damaged: {message}{end}"]
        if place == "checksum":  # the digest is of the checksums
            message = NOT_TOGETHER
        with pytest.raises(ArmsError) as caught:
            any_store.load()
        assert str(caught.value) == f"{shard} is damaged: {message}{end}"
        flip(chunk, position, bit=7)
    any_store.load()


def row_bytes(features, key):
    """What a row holds, dtypes and shapes with it."""
    one = features.gather(features.rows([key])).arrays
    parts = {name: array.values if isinstance(array, Ragged) else array for name, array in one.items()}
    return {name: (part.dtype.str, part.shape, part.tobytes()) for name, part in parts.items()}


def test_no_flipped_bit_gives_wrong_numbers(any_store):
    """In numbers or in metadata: rows that are read are right, and `verify` reports all others."""
    whole = any_store.load()
    right = {key: row_bytes(whole, key) for key in whole.row_of}
    files = [path for path in sorted(any_store.path.rglob("*")) if path.is_file()]
    rng = np.random.default_rng(len(right[keys(0)[0]]))
    num_refused = 0
    for _ in range(NUM_FLIPS):
        file = files[rng.integers(len(files))]
        position, bit = rng.integers(file.stat().st_size), rng.integers(8)
        flip(file, position, bit)
        place, rows = f"bit {bit} of byte {position} of {file}", {}
        try:
            read = any_store.load()
            rows = {key: row_bytes(read, key) for key in read.row_of}
        except ArmsError:
            num_refused += 1
        assert rows.items() <= right.items(), place
        assert len(rows) == len(right) or verify_store(any_store), place
        with contextlib.suppress(ArmsError):
            describe_store(any_store)
        flip(file, position, bit)
    assert num_refused > NUM_FLIPS / 2
    assert verify_store(any_store) == []
