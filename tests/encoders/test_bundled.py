"""The pair that ships with the package: its size, that the hubs' own loaders read it, and that it was trained."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer

from arms.data.profiles import profile_sentence, read_vlms
from arms.encoders.bundled import BUNDLED, bundled_folder
from arms.encoders.image import build_image_encoder
from arms.encoders.text import build_text_encoder
from arms.params.encoders import read_encoders_params
from arms.params.tree import read_params
from pretrain.attributes import attributes
from pretrain.settings import read_settings
from pretrain.stream import draw_batch
from tests.fakes import image_params, text_params

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "arms" / "encoders" / "bundled"
HELD_OUT_SEED = 77
QUESTIONS = ["How many circles are there?", "Wie viele Kreise sind zu sehen?", "图中有几个圆形", "चित्र में कितने वृत्त हैं?"]


def image_encoder(**changes):
    return build_image_encoder(image_params(model=BUNDLED, architecture=None, pretrained=BUNDLED, **changes), seed=1)


def text_encoder(**changes):
    settings = {"model": BUNDLED, "architecture": None, "vocabulary_size": None, "pooling": "mean", "max_tokens": 128}
    return build_text_encoder(text_params(**settings | changes), tokenizer=None, seed=1)


def shipped():
    return [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_both_are_small():
    assert sum(path.stat().st_size for path in shipped() if path.suffix != ".py") <= 14e6
    image, text = image_encoder(tunable_layers="all"), text_encoder(tunable_layers="all")
    assert sum(parameter.numel() for parameter in image.tail.parameters()) <= 4e6
    assert sum(parameter.numel() for parameter in text.tail.parameters()) <= 5e6


@pytest.mark.parametrize("file", ["image/open_clip_model.safetensors", "text/model.safetensors"])
def test_weights_are_float16(file):
    with safe_open(FOLDER / file, "pt") as tensors:
        kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118 - it is no dict
    assert kinds <= {"F16", "I64"}


def test_every_file_goes_into_the_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["arms"]
    packed = {path for pattern in patterns for path in (ROOT / "arms").glob(pattern)}
    assert {path for path in shipped() if path.suffix != ".py"} <= packed


def test_every_file_but_the_page_about_them_has_its_sum():
    named = {path.relative_to(FOLDER).as_posix() for path in shipped() if path.parent != FOLDER}
    assert named == {
        "image/open_clip_config.json",
        "image/open_clip_model.safetensors",
        "text/config.json",
        "text/model.safetensors",
        "text/tokenizer.json",
        "text/tokenizer_config.json",
    }
    for modality in ("image", "text"):
        assert bundled_folder(modality) == FOLDER / modality


def test_open_clip_reads_the_image_tower():
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{FOLDER / 'image'}")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8))
    expected = model.eval().encode_image(preprocess(picture).unsqueeze(0))
    encoder = image_encoder(resize="squash")
    with torch.inference_mode():
        got = encoder.trunk({"pixels": torch.from_numpy(encoder.read(picture)).unsqueeze(0)})["pooled"]
    torch.testing.assert_close(got, expected.detach(), atol=1e-5, rtol=1e-5)


def test_transformers_reads_the_text_tower():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER / "text")
    model = AutoModel.from_pretrained(FOLDER / "text", dtype=torch.float32).eval()
    encoder = text_encoder()
    for question, token_ids in zip(QUESTIONS, encoder.tokenize(QUESTIONS), strict=True):
        inputs = tokenizer(question, return_tensors="pt")
        assert inputs["input_ids"][0].tolist() == token_ids.tolist()
        assert tokenizer.unk_token_id not in token_ids
        with torch.inference_mode():
            expected = model(**inputs).last_hidden_state.mean(dim=1)
            mask = torch.ones(1, len(token_ids), dtype=torch.bool)
            got = encoder.trunk({"token_ids": torch.from_numpy(token_ids).unsqueeze(0), "mask": mask})["pooled"]
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_the_default_pair_is_the_bundled_one():
    assert read_params(ROOT).encoders == BUNDLED
    params = read_encoders_params(BUNDLED, ROOT)
    assert params.image.model == params.image.pretrained == params.text.model == BUNDLED


def test_what_a_router_keeps_of_the_text_encoder_does_not_say_where_it_lay():
    """So that the same run in another folder gives the same bytes."""
    config = text_encoder().config
    assert config["vocab_size"] == 8000
    assert str(FOLDER) not in str(config)


def test_pictures_that_training_never_saw_are_told_apart():
    assert read_settings().seed != HELD_OUT_SEED
    drawn = draw_batch(HELD_OUT_SEED, 0, size=500, image_px=128, same_family_share=0.0)
    encoder = image_encoder()
    with torch.inference_mode():
        features = encoder.trunk({"pixels": torch.from_numpy(drawn.images)})["pooled"].numpy()
    families = np.array(drawn.families)
    model = LogisticRegression(C=0.01, max_iter=500).fit(features[:400], families[:400])
    assert model.score(features[400:], families[400:]) > 0.7
    assert len(attributes()["family"]) == 12  # so that chance is one in twelve


def test_no_profile_of_the_catalogue_is_cut():
    """Not even one whose name begins with an organisation, as in many logs."""
    profiles = [replace(vlm, name=f"organisation/{vlm.name}") for vlm in read_vlms(ROOT / "data" / "vlms.yaml")]
    encodings = text_encoder().tokenizer.encode_batch([profile_sentence(vlm, "full") for vlm in profiles])
    assert [vlm.name for vlm, encoding in zip(profiles, encodings, strict=True) if encoding.overflowing] == []
