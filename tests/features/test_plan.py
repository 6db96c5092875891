"""The plan of shards: whole batches, free names, and the same for what remains of it."""

import numpy as np
import pytest

from arms.features.extract import ShardEncoder
from arms.features.plan import Shard, measure_rows, plan_shards
from arms.features.store import FeatureStore
from tests.fakes import CPU
from tests.features.test_extract import CUTS, KEYS, Source, encoder_of
from tests.stores import FINGERPRINT, keys, sequences


def plan(store, names, sizes, batch_size=4, shard_bytes=30):
    return plan_shards(store, names, sizes, batch_size=batch_size, shard_bytes=shard_bytes)


def test_a_shard_is_closed_at_the_end_of_the_batch_that_fills_it(tmp_path):
    store, names = FeatureStore(tmp_path / "x.zarr", FINGERPRINT), keys(*range(14))
    shards = plan(store, names, [5] * 14)
    assert shards == [Shard("shard-00000", names[:8]), Shard("shard-00001", names[8:])]
    assert shards[1].batches(4) == [names[8:12], names[12:]]
    assert [len(shard.keys) for shard in plan(store, names, [30, *[1] * 13])] == [4, 10]
    assert plan(store, [], []) == []


@pytest.mark.parametrize("seed", range(10))
def test_what_remains_of_a_plan_is_planned_as_before(tmp_path, seed):
    """Any of its shards may be stored already, and before it there were shards with a gap among them."""
    rng = np.random.default_rng(seed)
    store = FeatureStore(tmp_path / "x.zarr", FINGERPRINT)
    names, sizes = keys(*range(60)), rng.integers(1, 20, 60).tolist()
    size_of = dict(zip(names, sizes, strict=True))
    with store.writing():
        for number in (0, 1, 3):
            store.write_shard(keys(100 + number), {"states": sequences(2)}, f"shard-{number:05d}")
        whole = plan(store, names, sizes)
        assert [shard.name for shard in whole[:3]] == ["shard-00002", "shard-00004", "shard-00005"]
        stored = [shard for shard in whole if rng.random() < 0.5]
        for shard in stored:
            store.write_shard(shard.keys, {"states": sequences(*[1] * len(shard.keys))}, shard.name)
        pending = [key for key in names if key not in store.stored_keys()]
        assert plan(store, pending, [size_of[key] for key in pending]) == [it for it in whole if it not in stored]


@pytest.mark.parametrize("cut", CUTS)
def test_the_size_of_a_row_is_known_before_it_is_encoded(tmp_path, cut):
    encoder, modality = encoder_of(cut)
    source = Source(encoder, modality)
    store = FeatureStore(tmp_path / "x.zarr", encoder.fingerprint)
    with store.writing():
        options = {"batch_size": 4, "workers": 0, "device": CPU, "compiled": False}
        assert sum(ShardEncoder(store, source, encoder, **options).encode([Shard("shard-00000", KEYS)])) == len(KEYS)
        store.finish()
    features = store.load()
    sizes = measure_rows(encoder, KEYS, source, CPU)
    offset = 8 * any(hasattr(array, "offsets") for array in features.arrays.values())  # there is one more than rows
    assert sum(sizes) + offset == features.nbytes
    assert measure_rows(encoder, [], source, CPU) == []
