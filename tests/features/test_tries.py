"""Marks of work at which workers were lost."""

import pytest

from arms.errors import ArmsError
from arms.features.store import FeatureStore
from arms.features.tries import Tries, remove_marks
from tests.stores import FINGERPRINT


def test_after_so_many_losses_nobody_begins(tmp_path):
    shard = Tries(tmp_path, "shard-00007", most=2)
    shard.begin()
    shard.begin()
    with pytest.raises(ArmsError, match=r": Ray's actors were lost 2 times at shard-00007; what they wrote is kept\. "):
        shard.begin()
    assert len(list(tmp_path.iterdir())) == 2
    Tries(tmp_path, "shard-00008", most=2).begin()
    Tries(tmp_path, "their start", most=2).begin()


def test_what_could_be_done_has_no_losses(tmp_path):
    shard, other = (Tries(tmp_path, name, most=2) for name in ("shard-00007", "shard-00070"))
    other.begin()
    for _ in range(5):
        shard.begin()
        shard.succeed()
    shard.succeed()
    assert [mark.name[: len(".shard-00070.try-")] for mark in tmp_path.iterdir()] == [".shard-00070.try-"]
    remove_marks(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_begins_without_marks(tmp_path):
    store = FeatureStore(tmp_path / "x.zarr", FINGERPRINT)
    for _ in range(3):
        with store.writing():
            for name in ("shard-00000", "their start"):
                Tries(store.folder, name, most=1).begin()
            assert store.shards() == []
    with store.writing():
        assert [entry.name for entry in store.folder.iterdir()] == ["zarr.json"]
