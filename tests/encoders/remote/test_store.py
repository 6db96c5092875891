"""A server's vectors in the feature store: each distinct text is sent once, and a run that ended early goes on."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from arms.data.prepared import text_sha256
from arms.errors import ArmsError
from arms.features.extract import extract
from arms.features.store import FeatureStore
from tests.encoders.remote.fake_server import Reply
from tests.encoders.remote.served import PROBE, make_pair
from tests.fakes import CPU
from tests.stores import contents

TEXTS = {text_sha256(text): text for text in (f"What is in picture {number}?" for number in range(24))}


def run(path, pair):
    """Extract in requests and shards of four texts; how many texts were encoded."""
    encoder = pair.text
    tokens = dict(zip(TEXTS, encoder.tokenize(list(TEXTS.values())), strict=True))
    store = FeatureStore(path, encoder.fingerprint)
    options = {"label": "text", "batch_size": 4, "shard_bytes": 1, "workers": 0, "device": CPU}
    with store.writing():
        count = extract(store, list(TEXTS), tokens.__getitem__, encoder, **options)
        store.finish()
    return count


def check_whole(path, fake, pair):
    features = FeatureStore(path, pair.text.fingerprint).load()
    rows = features.rows(list(TEXTS))
    np.testing.assert_array_equal(features.arrays["pooled"][rows], [fake.vector(text) for text in TEXTS.values()])


def test_each_text_is_sent_once(fake, tmp_path):
    pair = make_pair(fake)
    assert run(tmp_path / "text.zarr", pair) == len(TEXTS)
    assert run(tmp_path / "text.zarr", pair) == 0
    assert fake.texts == [PROBE, *TEXTS.values()]
    check_whole(tmp_path / "text.zarr", fake, pair)


def test_a_run_that_failed_goes_on_behind_its_last_shard(fake, tmp_path, waits):
    pair = make_pair(fake)
    fake.replies = [Reply()] * 4 + [Reply(503, {"error": {"message": "down"}})] * 4
    with pytest.raises(ArmsError, match=r"it answered 503: down, 4 times in a row"):
        run(tmp_path / "text.zarr", pair)
    before = len(fake.texts)
    assert run(tmp_path / "text.zarr", pair) == len(TEXTS) - 12
    assert fake.texts[before:] == list(TEXTS.values())[12:]
    assert run(tmp_path / "whole.zarr", pair) == len(TEXTS)
    assert contents(tmp_path / "text.zarr") == contents(tmp_path / "whole.zarr")


def test_a_killed_run_goes_on_behind_its_last_shard(fake, tmp_path):
    """Killed while it waits for the fourth batch's answer."""
    pair = make_pair(fake)
    fake.replies = [Reply()] * 4 + [Reply(wait_s=2.0)]
    process = multiprocessing.get_context("fork").Process(target=run, args=(tmp_path / "text.zarr", pair))
    process.start()
    while len(fake.requests) < 5:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    kept = len(list(tmp_path.glob("text.zarr/*/shard-*")))
    assert kept in (2, 3), "the last one may have been on its way to the disk"
    before = len(fake.texts)
    assert run(tmp_path / "text.zarr", pair) == len(TEXTS) - 4 * kept
    assert fake.texts[before:] == [PROBE, *list(TEXTS.values())[4 * kept :]], "a process of its own checks the server"
    check_whole(tmp_path / "text.zarr", fake, pair)


def test_another_model_behind_the_name_adds_nothing_to_a_store(fake, tmp_path):
    pair = make_pair(fake)
    fake.version = "2"
    with pytest.raises(ArmsError, match=r"the server now has another model behind this name"):
        run(tmp_path / "text.zarr", pair)
    assert FeatureStore(tmp_path / "text.zarr", pair.text.fingerprint).stored_keys() == set()


def test_no_secret_is_stored(fake, tmp_path):
    run(tmp_path / "text.zarr", make_pair(fake))
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert fake.key.encode() not in stored
    assert b"ARMS_TEST_KEY" not in stored
    assert fake.url.encode() not in stored
