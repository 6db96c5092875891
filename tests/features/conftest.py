import pytest

from arms.features.store import FeatureStore
from tests.stores import FINGERPRINT, keys, sequences


@pytest.fixture
def store(tmp_path):
    """A finished store of two shards, of two texts and one."""
    store = FeatureStore(tmp_path / "text.zarr", FINGERPRINT)
    with store.writing():
        store.write_shard(keys(0, 1), {"states": sequences(3, 1)})
        store.write_shard(keys(2), {"states": sequences(4)})
        store.finish()
    return store
