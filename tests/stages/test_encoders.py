from types import SimpleNamespace

import pytest

from arms.encoders.precision import in_precision
from arms.features.store import FeatureStore
from stages.encoders import _settle_precision
from tests.fakes import make_encoders


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace on a machine that claims to be faster in bfloat16."""
    monkeypatch.setattr("stages.encoders.fastest_precision", lambda encoder, device: "bfloat16")
    runtime = SimpleNamespace(device="cpu")
    return SimpleNamespace(
        params=SimpleNamespace(runtime=runtime), features=lambda modality: tmp_path / f"{modality}.zarr"
    )


@pytest.mark.parametrize("modality", ["image", "text"])
def test_precision(workspace, modality):
    encoder = getattr(make_encoders(**{modality: {"tunable_layers": 1}}), modality)
    for wanted, expected in (("float32", "float32"), ("bfloat16", "bfloat16"), ("auto", "bfloat16")):
        assert _settle_precision(encoder, wanted, workspace, modality).fingerprint["precision"] == expected
    with FeatureStore(workspace.features(modality), in_precision(encoder, "float32").fingerprint).writing():
        pass
    # A store that was begun in one precision is continued in it, on any machine.
    assert _settle_precision(encoder, "auto", workspace, modality).fingerprint["precision"] == "float32"
    assert _settle_precision(encoder, "bfloat16", workspace, modality).fingerprint["precision"] == "bfloat16"


@pytest.mark.parametrize("wanted", ["float32", "bfloat16", "auto"])
def test_an_encoder_without_a_trunk_has_no_precision(workspace, wanted):
    encoder = make_encoders(image={"tunable_layers": "all"}).image
    assert _settle_precision(encoder, wanted, workspace, "image") is encoder
