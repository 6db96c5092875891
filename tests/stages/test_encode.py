"""The encode stage: a picture's key is the hash of the bytes that were decoded, and a damaged store is an error."""

import hashlib
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from arms.data.storage.bucket import Bucket
from arms.errors import ArmsError
from arms.features.store import FeatureStore
from stages import encode as module
from stages import sources
from tests.fakes import make_router
from tests.stores import contents, flip


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Three pictures, prepared, and a tiny encoder."""
    (tmp_path / "raw").mkdir()
    names = {}
    for number in range(3):
        file = tmp_path / "raw" / f"{number}.png"
        Image.fromarray(np.full((8, 8, 3), 40 * number, dtype=np.uint8)).save(file)
        names[hashlib.sha256(file.read_bytes()).hexdigest()] = file.name
    encoder = make_router().encoders.image
    monkeypatch.setattr(sources, "image_encoder", lambda workspace: encoder)
    images = pd.Series([(name,) for name in names.values()])
    prepared = SimpleNamespace(images=lambda most: names, queries=pd.DataFrame({"images": images}))
    runtime = SimpleNamespace(
        extract_batch_size=2, shard_mb=1, num_workers=0, device="cpu", compile=False, engine="local"
    )
    return SimpleNamespace(
        params=SimpleNamespace(runtime=runtime),
        raw=tmp_path / "raw",
        prepared=prepared,
        features=lambda modality: tmp_path / f"{modality}.zarr",
        features_url=lambda modality: None,
        store=FeatureStore(tmp_path / "image.zarr", encoder.fingerprint),
    )


def test_a_picture_replaced_since_prepare_is_named_and_not_stored(workspace):
    other = workspace.raw / "1.png"
    Image.new("RGB", (8, 8), "red").save(other)
    message = rf"{other}: expected an image as prepare found it, got other bytes; run: dvc repro prepare"
    with pytest.raises(ArmsError, match=message):
        module.encode(workspace, workspace.prepared, "image")
    with pytest.raises(ArmsError, match="the extraction was stopped before it ended"):
        workspace.store.open()


def test_a_picture_that_is_gone_is_named(workspace):
    (workspace.raw / "1.png").unlink()
    with pytest.raises(ArmsError, match=r"1\.png: expected an image as prepare found it, got no such file; run: "):
        module.encode(workspace, workspace.prepared, "image")


@pytest.mark.slow
def test_pictures_from_and_features_to_an_object_store(s3, url, workspace, tmp_path):
    names = workspace.prepared.images(8)
    for key, name in names.items():
        Bucket(url).write(name, workspace.raw / name)
        names[key] = f"{url}/{name}"
    workspace.features_url = lambda modality: f"{url}/{modality}.zarr"
    assert module.encode(workspace, workspace.prepared, "image") == 3
    first = contents(workspace.store.path)
    shutil.rmtree(workspace.store.path)
    s3.seen.clear()
    assert module.encode(workspace, workspace.prepared, "image") == 0, "another machine takes over what is there"
    assert contents(workspace.store.path) == first
    Bucket(url).write("1.png", b"other")
    shutil.rmtree(tmp_path / "cache")
    workspace.features_url = lambda modality: None
    shutil.rmtree(workspace.store.path)
    message = r"/1\.png: expected an image as prepare found it, got other bytes; run: dvc repro --force prepare"
    with pytest.raises(ArmsError, match=message):
        module.encode(workspace, workspace.prepared, "image")


def test_a_damaged_store_is_named_and_not_called_stored(workspace, caplog):
    with caplog.at_level("INFO"):
        module.encode(workspace, workspace.prepared, "image")
        module.encode(workspace, workspace.prepared, "image")
    assert "encoded 0 of 3 distinct images in" in caplog.text
    (values,) = (workspace.store.folder / "shard-00000/pooled").glob("c/*/*")
    flip(values, 3)
    with pytest.raises(ArmsError, match=r"shard-00000 is damaged: pooled/c/0/0: its bytes do not match their checksum"):
        module.encode(workspace, workspace.prepared, "image")
