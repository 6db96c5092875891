"""Features in an object store, on a real S3 server with faults injected."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from arms.cli import main
from arms.data.storage.bucket import Bucket, ObjectError
from arms.data.storage.cache import SIZE
from arms.data.storage.lock import locked
from arms.errors import ArmsError
from arms.features.inspection import damaged_shards, verify_store
from arms.features.mirror import mirrored, pull_store, push_store, verify_remote
from arms.features.remote import LOCK, RemoteStore
from arms.features.store import FeatureStore
from tests.object_server import Fault
from tests.stores import contents, flip, keys, sequences, write_store


def dense(number, rows=4):
    return {"pooled": np.random.default_rng(number).random((rows, 3)).astype(np.float32)}


def remote_of(store, url):
    return RemoteStore(f"{url}/{store.path.name}", store.folder.name)


def away(store, tmp_path, name="elsewhere"):
    """The same store at a place where nothing is yet."""
    return FeatureStore(tmp_path / name / store.path.name, store.fingerprint)


@pytest.fixture(params=["dense", pytest.param("ragged", marks=pytest.mark.slow)])
def store(request, tmp_path):
    shards = {
        "dense": [dense(1), dense(2), dense(3)],
        "ragged": [{"states": sequences(2, 0, 3)}, {"states": sequences(4)}],
    }
    return write_store(tmp_path / "text.zarr", *shards[request.param])


def test_what_is_pulled_is_what_was_pushed_to_the_byte(s3, url, store, tmp_path):
    count = len(store.shards())
    assert push_store(store, remote_of(store, url)) == count
    other = away(store, tmp_path)
    assert pull_store(other, remote_of(store, url)) == count
    assert contents(other.path) == contents(store.path)
    assert verify_store(other) == []
    assert push_store(store, remote_of(store, url)) == 0
    assert pull_store(other, remote_of(store, url)) == 0
    assert [found.url for found in RemoteStore.all_in(url)] == [remote_of(store, url).url]


def test_a_shard_s_metadata_and_the_list_are_written_last(s3, url, store):
    push_store(store, remote_of(store, url))
    written = [path.partition(f"{store.folder.name}/")[2] for method, path in s3.seen if method == "PUT"]
    written = [key for key in written if key not in ("", LOCK)]
    assert written[-1] == "zarr.json"
    for shard in store.shards():
        of_shard = [place for place, key in enumerate(written) if key.startswith(f"{shard}/")]
        assert written.index(f"{shard}/zarr.json") == max(of_shard)


def test_zarr_reads_them_there(s3, url, store):
    push_store(store, remote_of(store, url))
    from obstore.store import from_url

    there = from_url(remote_of(store, url).url, client_options={"allow_http": True})
    group = zarr.open_group(zarr.storage.ObjectStore(there, read_only=True), mode="r")
    name = store.fingerprint["arrays"][0]
    np.testing.assert_array_equal(group["shard-00000"][name][:], zarr.open_group(store.folder)["shard-00000"][name][:])


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=503), Fault(status=429), Fault(cut=10)], ids=str)
def test_faults_that_pass_change_nothing(s3, url, tmp_path, fault):
    store = write_store(tmp_path / "text.zarr", dense(1), dense(2))
    if fault.status:
        s3.fail_first(4, fault, "PUT")
    push_store(store, remote_of(store, url))
    s3.fail_first(4, fault, "GET")
    other = away(store, tmp_path)
    pull_store(other, remote_of(store, url))
    assert contents(other.path) == contents(store.path)


def test_a_push_that_failed_goes_on_where_it_was(s3, url, tmp_path):
    store = write_store(tmp_path / "text.zarr", dense(1), dense(2), dense(3))
    remote = remote_of(store, url)
    s3.fail_always(Fault(status=503), "PUT .*shard-00001/pooled")
    with pytest.raises(ObjectError, match=r"shard-00001.*503 Service Unavailable.*what is there already is kept"):
        push_store(store, remote)
    s3.heal()
    assert set(remote.shards()) == {"shard-00000"}
    assert "shards" not in remote.attributes()
    other = away(store, tmp_path)
    assert pull_store(other, remote) == 1
    with pytest.raises(ArmsError, match="the extraction was stopped before it ended"):
        other.open()
    assert push_store(store, remote) == 2
    assert pull_store(other, remote) == 2
    assert contents(other.path) == contents(store.path)


def test_a_pull_that_failed_goes_on_where_it_was(s3, url, tmp_path):
    store = write_store(tmp_path / "text.zarr", dense(1), dense(2), dense(3))
    remote, other = remote_of(store, url), away(store, tmp_path)
    push_store(store, remote)
    s3.fail_always(Fault(status=403), "GET .*shard-00002/keys")
    with pytest.raises(ObjectError, match="denied"):
        pull_store(other, remote)
    s3.heal()
    assert other.shards() == ["shard-00000", "shard-00001"]
    assert pull_store(other, remote) == 1
    assert contents(other.path) == contents(store.path)


def test_listings_that_lack_the_newest_objects_are_not_believed(s3, url, tmp_path):
    store = write_store(tmp_path / "text.zarr", dense(1), dense(2), dense(3))
    remote = remote_of(store, url)
    push_store(store, remote)
    prefix = remote.bucket.url.removeprefix("s3://bucket/")
    s3.hidden |= {f"{prefix}/{key}" for key in remote.bucket.listed() if not key.startswith("shard-00001/keys")}
    assert 0 < len(remote.bucket.listed()) < 4
    assert set(remote.shards()) == {"shard-00000", "shard-00001", "shard-00002"}
    Bucket(remote.bucket.url).remove("zarr.json")  # and without the list of shards
    assert set(remote.shards()) == {"shard-00000", "shard-00001", "shard-00002"}


def test_other_bytes_there_are_noticed(s3, url, store, tmp_path):
    remote = remote_of(store, url)
    push_store(store, remote)
    name = store.fingerprint["arrays"][0]
    file = next(path for path in (store.folder / "shard-00000" / name / "c").rglob("*") if path.is_file())
    key = file.relative_to(store.folder).as_posix()
    good = file.read_bytes()
    remote.bucket.write(key, bytes([good[0] ^ 1]) + good[1:])
    other = away(store, tmp_path)
    with pytest.raises(ArmsError, match=f"{key}: its .* bytes are not those that were written"):
        pull_store(other, remote)
    assert other.shards() == []
    remote.bucket.write(key, good)
    other_shard = store.folder / store.shards()[-1]
    remote.bucket.write("shard-00000/keys/c/0/0", other_shard / "keys" / "c" / "0" / "0")
    with pytest.raises(ArmsError):
        pull_store(other, remote)
    assert other.shards() == []


def test_a_damaged_or_other_shard_is_not_pushed(s3, url, tmp_path):
    store = write_store(tmp_path / "text.zarr", dense(1), dense(2))
    push_store(store, remote_of(store, url))
    other = write_store(tmp_path / "other" / "text.zarr", dense(7), dense(2))
    with pytest.raises(ArmsError, match="are different shards of the same name; delete one"):
        push_store(other, remote_of(store, url))
    with pytest.raises(ArmsError, match="are different shards of the same name; delete one"):
        pull_store(other, remote_of(store, url))
    flip(store.folder / "shard-00001" / "pooled" / "c" / "0" / "0", 3)
    with pytest.raises(ArmsError, match="do not match their checksum"):
        push_store(store, remote_of(store, f"{url}-2"))


def test_one_writer_at_a_time(s3, url, tmp_path):
    store = write_store(tmp_path / "text.zarr", dense(1))
    remote = remote_of(store, url)
    with (
        locked(remote.bucket, LOCK),
        pytest.raises(ArmsError, match=r"writing.json: expected no other writer, got one: process \d+ on "),
    ):
        push_store(store, remote)
    push_store(store, remote)
    assert not remote.bucket.exists(LOCK, "a lock")
    ended = {
        "owner": "process 1 on gone",
        "token": "x",
        "until": (datetime.now(UTC) - timedelta(seconds=1)).isoformat(),
    }
    remote.bucket.write(LOCK, json.dumps(ended).encode())
    assert push_store(store, remote) == 0, "the lock of a writer that was killed has run out"
    assert not remote.bucket.exists(LOCK, "a lock")


def test_a_lock_is_put_off_while_it_is_held(s3, url):
    bucket = Bucket(url)
    with locked(bucket, "lock", life=timedelta(seconds=0.6)):
        first = json.loads(bucket.read("lock", "a lock", ""))
        s3.fail_first(1, Fault(cut=0), "PUT")  # done, but the answer is lost
        for _ in range(100):
            if (now := json.loads(bucket.read("lock", "a lock", "")))["until"] != first["until"]:
                break
        assert now["until"] > first["until"]
        assert now["token"] == first["token"]


def test_a_lock_whose_answer_was_lost_is_ours(s3, url):
    s3.fail_first(1, Fault(cut=0), "PUT")
    with locked(Bucket(url), "lock"):
        pass


def test_values_stay_there_until_they_are_read(s3, url, store, tmp_path):
    remote, other = remote_of(store, url), away(store, tmp_path)
    push_store(store, remote)
    pull_store(other, remote, values=False)
    name = store.fingerprint["arrays"][0]
    assert not (other.folder / "shard-00000" / name / "c").exists()
    assert json.loads((other.folder / "zarr.json").read_text()) == json.loads((store.folder / "zarr.json").read_text())
    s3.seen.clear()
    opened = other.open()
    assert s3.seen == []
    expected, rows = store.load().arrays[name], np.arange(len(opened.row_of))
    for got in (opened.gather(rows).arrays[name], other.load().arrays[name]):
        np.testing.assert_array_equal(getattr(got, "values", got), getattr(expected, "values", expected))
    assert len(s3.seen) == len(store.shards()), "each was fetched once"
    assert verify_store(other) == []


def test_a_cut_or_damaged_copy_is_not_used(s3, url, tmp_path):
    store = write_store(tmp_path / "text.zarr", dense(1, rows=1000))
    remote, other = remote_of(store, url), away(store, tmp_path)
    push_store(store, remote)
    pull_store(other, remote, values=False)
    s3.fail_first(2, Fault(cut=100), "GET")
    np.testing.assert_array_equal(other.load().arrays["pooled"], store.load().arrays["pooled"])
    (copy,) = [path for path in (tmp_path / "cache" / "features").rglob("*") if path.is_file()]
    flip(copy, 5)
    with pytest.raises(ArmsError, match="was damaged, and is removed: run the same again"):
        other.load()
    np.testing.assert_array_equal(other.load().arrays["pooled"], store.load().arrays["pooled"])


@pytest.mark.slow
def test_the_cache_has_a_size(s3, url, tmp_path, monkeypatch):
    monkeypatch.setenv(SIZE, str(3 * 12_004 / 2**30))
    store = write_store(tmp_path / "text.zarr", *(dense(number, rows=1000) for number in range(8)))
    remote, other = remote_of(store, url), away(store, tmp_path)
    push_store(store, remote)
    pull_store(other, remote, values=False)
    np.testing.assert_array_equal(other.load().arrays["pooled"], store.load().arrays["pooled"])
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) <= 3


@pytest.mark.slow
def test_what_was_encoded_elsewhere_is_taken_over_and_new_shards_are_uploaded(s3, url, tmp_path):
    there = f"{url}/text.zarr"
    first = FeatureStore(tmp_path / "first" / "text.zarr", {"arrays": ["pooled"]})

    def write_and_fail():
        with first.writing(), mirrored(first, there):
            first.write_shard(keys(0, 1), dense(1, rows=2))
            first.write_shard(keys(2, 3), dense(2, rows=2))
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_and_fail()
    remote = RemoteStore(there, first.folder.name)
    assert set(remote.shards()) == {"shard-00000", "shard-00001"}
    second = FeatureStore(tmp_path / "second" / "text.zarr", first.fingerprint)
    with second.writing(), mirrored(second, there):
        assert second.stored_keys() == {*keys(0, 1, 2, 3)}
        second.write_shard(keys(4), dense(3, rows=1))
        second.finish()
    assert not remote.bucket.exists(LOCK, "a lock")
    third = FeatureStore(tmp_path / "third" / "text.zarr", first.fingerprint)
    assert pull_store(third, remote) == 3
    assert contents(third.path) == contents(second.path)
    assert len(third.load().row_of) == 5
    s3.fail_always(Fault(status=403))
    with pytest.raises(ArmsError, match="denied"), third.writing(), mirrored(third, there):
        pytest.fail("nothing is encoded that could not be uploaded")


@pytest.mark.slow
def test_commands(s3, url, tmp_path):
    write_store(tmp_path / "features" / "mine" / "text.zarr", dense(1), dense(2))
    run = CliRunner().invoke
    for command, text in [
        (("features", "verify", url), "found none; push them: arms push"),
        (("push", str(tmp_path / "features"), url), "copied 2 shards of 1 store"),
        (("push", str(tmp_path / "features" / "mine"), f"{url}/mine"), "copied 0 shards of 1 store"),
        (("features", "verify", url), "checked 1 store: 0 problems"),
        (("pull", url, str(tmp_path / "other")), "copied 2 shards of 1 store"),
        (("pull", f"{url}/mine/text.zarr", str(tmp_path / "one.zarr")), "copied 2 shards of 1 store"),
        (("pull", url, str(tmp_path / "keys"), "--keys-only"), "copied 2 shards of 1 store"),
        (("push", str(tmp_path / "none"), url), "got no such folder"),
        (("push", str(tmp_path / "features"), "features"), "expected a URL such as s3://bucket/features, got features"),
    ]:
        assert text in run(main, command).output, command
    assert contents(tmp_path / "other") == contents(tmp_path / "features")
    assert contents(tmp_path / "one.zarr") == contents(tmp_path / "features" / "mine" / "text.zarr")
    assert not list((tmp_path / "keys").rglob("pooled/c"))


@pytest.mark.slow
def test_verify_reads_all_that_is_there(s3, url, tmp_path):
    store = write_store(tmp_path / "text.zarr", dense(1), dense(2))
    remote = remote_of(store, url)
    push_store(store, remote)
    assert verify_remote(remote) == []
    remote.bucket.write("shard-00001/pooled/c/0/0", b"other")
    assert [problem.partition(":")[0] for problem in verify_remote(remote)] == ["s3"]
    remote.bucket.remove("zarr.json")
    assert "not complete" in verify_remote(remote)[0]


def test_values_elsewhere_are_not_fetched_for_a_check_of_the_disk(s3, url, tmp_path):
    store = write_store(tmp_path / "text.zarr", dense(1))
    remote, other = remote_of(store, url), away(store, tmp_path)
    push_store(store, remote)
    pull_store(other, remote, values=False)
    s3.seen.clear()
    assert damaged_shards(other, elsewhere=False) == []
    assert s3.seen == []
    shutil.rmtree(other.folder / "shard-00000" / "keys")
    assert len(damaged_shards(other, elsewhere=False)) == 1
