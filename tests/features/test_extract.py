import hashlib
import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from arms.errors import ArmsError
from arms.features.arrays import Ragged
from arms.features.extract import extract
from arms.features.store import FeatureStore
from arms.features.trunk import run_trunk
from tests.fakes import CPU, QUESTIONS, make_encoders, make_queries, watch_progress

NUM_KEYS = 14
KEYS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(NUM_KEYS)]
CUTS = {
    "pixels": ("image", {"tunable_layers": "all"}),
    "image-states": ("image", {"tunable_layers": 1}),
    "pooled": ("image", {"tunable_layers": 0, "store_tokens": False}),
    "pooled-tokens": ("image", {"tunable_layers": 0, "store_tokens": True}),
    "token-ids": ("text", {"tunable_layers": "all"}),
    "text-states": ("text", {"tunable_layers": 1}),
    "text-pooled": ("text", {"tunable_layers": 0}),
}

NOT_FINITE = "got NaN or infinity; check the encoder's weights, or cut it at another layer"


class Source:
    """Inputs of one modality by key; remembers what was read."""

    def __init__(self, encoder, modality):
        made = make_queries(NUM_KEYS)
        texts = [QUESTIONS[n % 4] + " dots" * (n % 3) for n in range(NUM_KEYS)]
        inputs = [encoder.read(picture) for picture in made.pictures] if modality == "image" else None
        self.inputs = dict(zip(KEYS, inputs or encoder.tokenize(texts), strict=True))
        self.read = []

    def __call__(self, key):
        self.read.append(key)
        return self.inputs[key]


def encoder_of(cut):
    modality, changes = CUTS[cut]
    return getattr(make_encoders(**{modality: changes}), modality), modality


def reads_of(cut):
    """How often an input is read: of a length of its own also for the plan."""
    return 1 + (cut in ("token-ids", "text-states"))


def run(store, source, encoder, keys=KEYS, *, shard_bytes=1, workers=0):
    """Extract in batches of four; with shards of one byte, each batch is a shard."""
    with store.writing():
        count = extract(
            store,
            keys,
            source,
            encoder,
            label="image",
            batch_size=4,
            shard_bytes=shard_bytes,
            workers=workers,
            device=CPU,
        )
        store.finish()
    return count


def contents(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_stored_is_what_crosses_the_cut(tmp_path, monkeypatch, cut):
    encoder, modality = encoder_of(cut)
    source = Source(encoder, modality)
    store = FeatureStore(tmp_path / "x.zarr", encoder.fingerprint)
    done = watch_progress(monkeypatch)
    assert run(store, source, encoder) == NUM_KEYS
    assert done == [("encode image", count, 14) for count in (4, 8, 12, 14)]
    assert sorted(source.read) == sorted(KEYS * reads_of(cut))
    features = store.load()
    assert set(features.arrays) == set(encoder.crossing)
    kinds = {"pixels": np.uint8, "token_ids": np.int32, "states": np.float16, "tokens": np.float16}
    for key in KEYS:  # each stored row against its input run by itself
        expected = run_trunk(encoder, [source.inputs[key]], CPU)
        row = features.row_of[key]
        for name, array in features.arrays.items():
            got, wanted = array, expected[name]
            if isinstance(array, Ragged):
                got, wanted = array.values[array.offsets[row] : array.offsets[row + 1]], wanted.values
            else:
                got, wanted = array[row], wanted[0]
            assert got.dtype == kinds.get(name, np.float32)
            np.testing.assert_allclose(got.astype(float), wanted.astype(float), rtol=2e-3, atol=2e-3)


def test_states_are_stored_to_the_precision_of_float16(tmp_path):
    encoder, modality = encoder_of("text-states")
    source = Source(encoder, modality)
    batch, mask = Ragged.join([source.inputs[key] for key in KEYS]).pad(np.arange(NUM_KEYS))
    with torch.inference_mode():
        states = encoder.trunk({"token_ids": torch.from_numpy(batch), "mask": torch.from_numpy(mask)})["states"]
    stored = run_trunk(encoder, [source.inputs[key] for key in KEYS], CPU)["states"]
    np.testing.assert_array_equal(stored.values, states[torch.from_numpy(mask)].half().numpy())


@pytest.mark.parametrize("cut", ["image-states", "text-states", "token-ids"])
@pytest.mark.parametrize(("shard_bytes", "left_behind"), [(1, 2), (None, 1)])
def test_a_killed_run_resumes_where_it_stopped(tmp_path, monkeypatch, cut, shard_bytes, left_behind):
    """Stopped after its third batch, with batches of four and shards of one batch or of two."""
    encoder, modality = encoder_of(cut)
    source = Source(encoder, modality)
    if shard_bytes is None:
        first = run_trunk(encoder, [source.inputs[key] for key in KEYS[:4]], CPU)
        shard_bytes = sum(array.nbytes for array in first.values()) + 1
    whole = FeatureStore(tmp_path / "whole.zarr", encoder.fingerprint)
    run(whole, source, encoder, shard_bytes=shard_bytes)

    def stop(done, total):
        if done == 12:
            raise KeyboardInterrupt

    killed = FeatureStore(tmp_path / "killed.zarr", encoder.fingerprint)
    watch_progress(monkeypatch, stop)
    with pytest.raises(KeyboardInterrupt):
        run(killed, Source(encoder, modality), encoder, shard_bytes=shard_bytes)
    assert len(list(killed.folder.glob("shard-*"))) == left_behind
    kept = contents(killed.folder)
    with pytest.raises(ArmsError, match="stopped before it ended"):
        killed.load()

    source = Source(encoder, modality)
    done = watch_progress(monkeypatch)
    assert run(killed, source, encoder, shard_bytes=shard_bytes) == 6
    assert sorted(source.read) == sorted(KEYS[8:] * reads_of(cut))
    assert [counts for _, *counts in done] == [[12, 14], [14, 14]]
    after = contents(killed.folder)
    assert {name: after[name] for name in kept if name.startswith("shard-")} == {
        name: content for name, content in kept.items() if name.startswith("shard-")
    }
    assert after == contents(whole.folder)


def test_only_new_keys_are_encoded(tmp_path):
    encoder, modality = encoder_of("pooled")
    store = FeatureStore(tmp_path / "x.zarr", encoder.fingerprint)
    assert run(store, Source(encoder, modality), encoder, KEYS[:9]) == 9
    before = contents(store.folder)
    source = Source(encoder, modality)
    assert run(store, source, encoder, [*KEYS[10:12], *KEYS[3:6], KEYS[9]]) == 3
    assert sorted(source.read) == sorted(KEYS[9:12])
    assert run(store, source, encoder, KEYS[:12]) == 0
    assert set(store.load().row_of) == set(KEYS[:12])
    assert before.items() - contents(store.folder).items() == {("zarr.json", before["zarr.json"])}


def test_nothing_to_encode(tmp_path):
    encoder, modality = encoder_of("pooled")
    store = FeatureStore(tmp_path / "x.zarr", encoder.fingerprint)
    assert run(store, Source(encoder, modality), encoder, []) == 0
    assert store.load().row_of == {}


class Spoil(nn.Module):
    """Puts one value into one text's or image's states."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, batch):
        for name in ("states", "pooled"):
            if name in batch:
                batch[name][1, 0] = self.value
        return batch


@pytest.mark.parametrize(
    ("cut", "value", "message"),
    [
        ("text-states", 7e4, "its states reach 7e+04, more than float16 holds; cut it at another layer"),
        ("image-states", -1e6, "its states reach 1e+06, more than float16 holds; cut it at another layer"),
        ("text-states", np.nan, f"expected finite states, {NOT_FINITE}"),
        ("text-pooled", np.inf, f"expected finite pooled, {NOT_FINITE}"),
    ],
)
def test_a_state_that_cannot_be_stored(tmp_path, cut, value, message):
    encoder, modality = encoder_of(cut)
    encoder = replace(encoder, trunk=nn.Sequential(*encoder.trunk, Spoil(value)))
    store = FeatureStore(tmp_path / "x.zarr", encoder.fingerprint)
    with pytest.raises(ArmsError) as caught:
        run(store, Source(encoder, modality), encoder)
    assert str(caught.value) == f"{encoder.name}: {message}"
    assert store.stored_keys() == set()


def test_the_largest_of_float16_is_stored():
    encoder, modality = encoder_of("text-states")
    encoder = replace(encoder, trunk=nn.Sequential(*encoder.trunk, Spoil(65504.0)))
    inputs = list(Source(encoder, modality).inputs.values())[:2]
    assert run_trunk(encoder, inputs, CPU)["states"].values.max() == 65504


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_reader_that_fails_ends_the_run(tmp_path, workers):
    encoder, modality = encoder_of("pixels")
    source = Source(encoder, modality)

    def read(key):
        if key == KEYS[9]:
            raise ArmsError("dots.png: expected an image, got none")
        return source(key)

    store = FeatureStore(tmp_path / "x.zarr", encoder.fingerprint)
    with pytest.raises(ArmsError, match=r"^dots\.png: expected an image, got none$"):
        run(store, read, encoder, workers=workers)
    assert store.stored_keys() == set(KEYS[:8])


@pytest.mark.parametrize("cut", ["pixels", "image-states", "pooled-tokens"])
def test_worker_processes_change_nothing(tmp_path, cut, monkeypatch):
    monkeypatch.setattr("arms.features.reading._PIECE", 3)  # a batch of four comes in two pieces
    encoder, modality = encoder_of(cut)
    stores = [FeatureStore(tmp_path / f"{workers}.zarr", encoder.fingerprint) for workers in (0, 2)]
    for store, workers in zip(stores, (0, 2), strict=True):
        assert run(store, Source(encoder, modality), encoder, workers=workers) == NUM_KEYS
    assert contents(stores[0].folder) == contents(stores[1].folder)
    assert run(stores[1], Source(encoder, modality), encoder, workers=2) == 0


def test_an_interrupted_run_leaves_no_worker_behind(tmp_path, monkeypatch):
    encoder, modality = encoder_of("pixels")
    before = set(multiprocessing.active_children())

    def interrupt(done, total):
        raise KeyboardInterrupt

    watch_progress(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(FeatureStore(tmp_path / "x.zarr", encoder.fingerprint), Source(encoder, modality), encoder, workers=2)
    assert set(multiprocessing.active_children()) <= before


def test_a_system_that_cannot_fork_reads_in_this_process(tmp_path, monkeypatch):
    monkeypatch.setattr("arms.features.reading._CAN_FORK", False)
    encoder, modality = encoder_of("pixels")
    source = Source(encoder, modality)
    store = FeatureStore(tmp_path / "x.zarr", encoder.fingerprint)
    assert run(store, source, encoder, workers=2) == NUM_KEYS
    assert sorted(source.read) == sorted(KEYS)
