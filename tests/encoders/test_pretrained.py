"""No door for a model's own code: not for its files, not for a question, not for a hub that a router names."""

import builtins
import json
import re
import shutil
from pathlib import Path

import open_clip
import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel

import arms
from arms.encoders import origins
from arms.encoders.image import build_image_encoder
from arms.encoders.pretrained.folders import hash_file, model_folder
from arms.encoders.pretrained.transformers_models import make_text_model
from arms.encoders.text import build_text_encoder
from arms.errors import ArmsError
from arms.routers.saved import load_router
from tests.encoders.hostile import COMMIT, hostile, router_with
from tests.fakes import DISTILBERT, VIT, image_params, text_params, tiny_tokenizer

NO_MODEL = {"architecture": None, "vocabulary_size": None}


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty working directory, where nothing is known and nobody is asked."""
    monkeypatch.setattr(origins, "_known", set())
    monkeypatch.setattr(origins, "_projects", set())
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("a question was asked"))
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"model": "local-dir:{folder}", "pretrained": None}, "image encoder '{folder}': the router names a path"),
        ({"model": "ViT-B-32", "pretrained": "{folder}/a.pt"}, "image encoder's weights '{folder}/a.pt': the router"),
        ({"model": "ViT-B-32", "pretrained": "openai"}, "image encoder 'ViT-B-32' with weights 'openai' could not be"),
        (
            {"model": None, "pretrained": None, "architecture": {"vision_cfg": {"timm_model_name": "hf-hub:a/b"}}},
            "image.architecture names a further model, timm_model_name 'hf-hub:a/b'",
        ),
    ],
)
def test_image_encoders_that_a_router_may_not_name(tmp_path, work, monkeypatch, image, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    filled = {key: value.format(folder=tmp_path) if isinstance(value, str) else value for key, value in image.items()}
    router = router_with(tmp_path / "router", image=filled)
    with pytest.raises(ArmsError, match=re.escape(message.format(folder=tmp_path))):
        load_router(router, device="cpu")


def test_weights_at_an_address_are_not_fetched_for_a_router(tmp_path, work, monkeypatch):
    tag = {"url": "http://127.0.0.1:9/clip.pt", "hf_hub": ""}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda model, tag_name: tag)
    monkeypatch.setattr("arms.encoders.pretrained.clips.URL_CACHE", str(tmp_path))
    router = router_with(tmp_path / "router", image={"model": "ViT-B-32", "pretrained": "there"})
    with pytest.raises(ArmsError, match=r"clip\.pt is not on this machine, and loading a router downloads nothing"):
        load_router(router, device="cpu")


@pytest.mark.parametrize("model_type", ["evil", "distilbert"])
def test_settings_that_name_a_folder_with_code_run_none_of_it(tmp_path, work, model_type):
    """A family that transformers knows is built by transformers; any other is refused."""
    size = {"dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "vocab_size": 250}
    model = hostile(tmp_path / "evil", model_type=model_type, attn_implementation="acme/kernel", **size)
    if model_type == "distilbert":
        config = DistilBertConfig(**size)
        DistilBertModel(config).save_pretrained(tmp_path / "plain")
        shutil.copy(tmp_path / "plain/model.safetensors", model)
    params = text_params(model=str(model), **NO_MODEL)
    if model_type == "evil":
        with pytest.raises(ArmsError, match="could not be loaded"):
            build_text_encoder(params, tokenizer=None, seed=1)
        with pytest.raises(ArmsError, match="could not be loaded"):
            build_text_encoder(params, tokenizer=tiny_tokenizer(), seed=1)
    else:
        encoder = build_text_encoder(params, tokenizer=tiny_tokenizer(), seed=1)
        assert encoder.width == 8
        assert "auto_map" not in encoder.config
    assert not (model / "trace").exists()


def test_a_saved_configuration_names_no_code(work):
    plain = DistilBertConfig(**DISTILBERT, vocab_size=50)
    config = {
        **plain.to_dict(),
        "auto_map": {"AutoModel": "acme/evil--evil.EvilModel"},
        "attn_implementation": "acme/kernel",
        "_attn_implementation_internal": "acme/kernel",
    }
    model = make_text_model(config)
    assert type(model) is DistilBertModel
    assert model.config._attn_implementation in ("sdpa", "eager")
    for broken in ({}, {"model_type": "evil"}, {"model_type": 3}, {"model_type": "distilbert", "dim": "wide"}):
        with pytest.raises(ArmsError, match="text encoder: its configuration cannot be used"):
            make_text_model(broken)


def test_a_name_on_the_hub_has_to_be_pinned(work):
    with pytest.raises(ArmsError, match="text encoder 'acme/bert': expected a pinned commit, as in acme/bert@COMMIT"):
        build_text_encoder(text_params(model="acme/bert", **NO_MODEL), tokenizer=None, seed=1)
    params = image_params(model="hf-hub:acme/clip", architecture=None)
    with pytest.raises(ArmsError, match="image encoder 'acme/clip': expected a pinned commit"):
        build_image_encoder(params, seed=1)


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A hub's cache with a text model and an open_clip model, each at a commit."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    text, image = (tmp_path / f"hub/models--acme--{name}/snapshots/{COMMIT}" for name in ("bert", "clip"))
    DistilBertModel(DistilBertConfig(**DISTILBERT, vocab_size=250)).save_pretrained(text)
    image.mkdir(parents=True)
    model = {**VIT, "text_cfg": {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}}
    (image / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))
    torch.save(open_clip.CLIP(**model).state_dict(), image / "open_clip_pytorch_model.bin")
    names = f"acme/bert@{COMMIT}", f"hf-hub:acme/clip@{COMMIT}"
    files = text / "model.safetensors", image / "open_clip_pytorch_model.bin"
    return [{"model": name, "sha256": {file.name: hash_file(file)}} for name, file in zip(names, files, strict=True)]


def test_what_the_cache_has_may_be_named_by_routers_too(work, cached):
    text, image = cached
    for download in (True, False):
        params = text_params(**text, **NO_MODEL)
        built = build_text_encoder(params, tokenizer=tiny_tokenizer(), seed=1, download=download)
        assert built.fingerprint["encoder"] == text["model"]
        params = image_params(**image, architecture=None)
        assert build_image_encoder(params, seed=1, download=download).width == VIT["embed_dim"]
    other = text | {"model": text["model"].replace(COMMIT, "0" * 40)}
    with pytest.raises(ArmsError, match=f"not on this machine.* --revision {'0' * 40}"):
        build_text_encoder(text_params(**other, **NO_MODEL), tokenizer=tiny_tokenizer(), seed=1, download=False)
    with pytest.raises(
        ArmsError, match="not on this machine, and the hub cannot be reached; where it can, run: hf down"
    ):
        build_text_encoder(text_params(**other, **NO_MODEL), tokenizer=tiny_tokenizer(), seed=1)


def test_routers_of_before_name_no_hashes(work, cached):
    text, image = ({"model": named["model"]} for named in cached)
    params = text_params(**text, **NO_MODEL)
    assert build_text_encoder(params, tokenizer=tiny_tokenizer(), seed=1, download=False).width == 8
    params = image_params(**image, architecture=None)
    assert build_image_encoder(params, seed=1, download=False).width == VIT["embed_dim"]


def test_a_download_needs_the_hash_of_its_weights(work, cached):
    text, image = ({"model": named["model"]} for named in cached)
    expected = "expected the sha256 of its weights beside its name"
    with pytest.raises(ArmsError, match=f"text encoder 'acme/bert': {expected}"):
        build_text_encoder(text_params(**text, **NO_MODEL), tokenizer=tiny_tokenizer(), seed=1)
    with pytest.raises(ArmsError, match=f"image encoder 'acme/clip': {expected}"):
        build_image_encoder(image_params(**image, architecture=None), seed=1)


@pytest.mark.parametrize("download", [True, False])
def test_other_weights_than_those_that_are_pinned(work, cached, download):
    text = cached[0] | {"sha256": {"model.safetensors": "0" * 64}}
    with pytest.raises(ArmsError, match=f"expected model.safetensors with sha256 {'0' * 64}, got {hash_of(cached[0])}"):
        build_text_encoder(text_params(**text, **NO_MODEL), tokenizer=tiny_tokenizer(), seed=1, download=download)
    absent = cached[0] | {"sha256": {"pytorch_model.bin": "0" * 64}}
    with pytest.raises(ArmsError, match=f"expected pytorch_model.bin with sha256 {'0' * 64}, got no such file"):
        build_text_encoder(text_params(**absent, **NO_MODEL), tokenizer=tiny_tokenizer(), seed=1, download=download)


def hash_of(named):
    (value,) = named["sha256"].values()
    return value


def test_weights_that_would_be_loaded_have_to_be_pinned(work, cached, tmp_path):
    """Of a repository with two files, every library takes the safetensors."""
    (folder,) = (tmp_path / "hub/models--acme--bert").rglob(COMMIT)
    (folder / "pytorch_model.bin").write_bytes(b"weights")
    pinned = cached[0] | {"sha256": {"pytorch_model.bin": hash_file(folder / "pytorch_model.bin")}}
    with pytest.raises(ArmsError, match=r"expected sha256 of model.safetensors too, which would be loaded"):
        build_text_encoder(text_params(**pinned, **NO_MODEL), tokenizer=tiny_tokenizer(), seed=1)
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ArmsError, match=r"expected sha256 of model-2.safetensors too, which would be loaded"):
        build_text_encoder(text_params(**cached[0], **NO_MODEL), tokenizer=tiny_tokenizer(), seed=1)


def test_a_download_brings_no_code(work, monkeypatch, tmp_path):
    """Only configurations, vocabularies and the weights that are pinned are asked for."""
    asked = {}

    def download(repository, **settings):
        asked.update(settings, repository=repository)
        return str(tmp_path)

    monkeypatch.setattr("arms.encoders.pretrained.folders.snapshot_download", download)
    (tmp_path / "a.safetensors").touch()
    pinned = {"a.safetensors": hash_file(tmp_path / "a.safetensors")}
    assert model_folder(f"acme/bert@{COMMIT}", pinned, "text encoder", download=True) == tmp_path
    assert asked == {
        "repository": "acme/bert",
        "revision": COMMIT,
        "allow_patterns": ["*.json", "*.txt", "*.model", "*.jinja", "a.safetensors"],
        "local_files_only": False,
    }


class TestTag:
    """A tag of open_clip that comes from the hub."""

    @pytest.fixture
    def tag(self, work, cached, monkeypatch, tmp_path):
        (folder,) = (tmp_path / "hub/models--acme--clip").rglob(COMMIT)
        content = json.loads((folder / "open_clip_config.json").read_text())
        (tmp_path / "mine.json").write_text(json.dumps(content["model_cfg"]))
        open_clip.add_model_config(tmp_path / "mine.json")
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "mine", {"acme": {"hf_hub": "acme/clip/", "url": "u"}})
        return {"model": "mine", "architecture": None, "pretrained": f"acme@{COMMIT}", "sha256": cached[1]["sha256"]}

    @pytest.mark.parametrize("download", [True, False])
    def test_its_commit_and_its_hash(self, tag, download):
        encoder = build_image_encoder(image_params(**tag), seed=1, download=download)
        assert encoder.name == f"mine/acme@{COMMIT}"

    def test_without_either(self, tag):
        with pytest.raises(
            ArmsError, match="image encoder's weights 'acme': expected a pinned commit, as in acme@COMM"
        ):
            build_image_encoder(image_params(**tag | {"pretrained": "acme"}), seed=1)
        with pytest.raises(ArmsError, match="image encoder's weights 'acme': expected the sha256 of its weights"):
            build_image_encoder(image_params(**tag | {"sha256": None}), seed=1)

    def test_another_file(self, tag):
        other = tag | {"sha256": {"open_clip_pytorch_model.bin": "0" * 64}}
        with pytest.raises(ArmsError, match=f"expected open_clip_pytorch_model.bin with sha256 {'0' * 64}"):
            build_image_encoder(image_params(**other), seed=1, download=False)


def test_an_open_clip_folder_that_names_a_further_model(work, cached, tmp_path):
    (file,) = (tmp_path / "hub/models--acme--clip").rglob("open_clip_config.json")
    content = json.loads(file.read_text())
    content["model_cfg"]["text_cfg"]["hf_model_name"] = "acme/evil"
    file.write_text(json.dumps(content))
    for named in (cached[1], {"model": f"local-dir:{file.parent}"}):
        with pytest.raises(ArmsError, match="names a further model, hf_model_name 'acme/evil'"):
            build_image_encoder(image_params(**named, architecture=None), seed=1)
    with pytest.raises(ArmsError, match="'roberta-ViT-B-32' names a further model, hf_model_name 'roberta-base'"):
        build_image_encoder(image_params(model="roberta-ViT-B-32", architecture=None), seed=1)


def test_nothing_else_in_the_library_loads_models():
    root = Path(arms.__file__).parent
    calls = re.compile(
        r"(?<!Router)\.from_pretrained\(|\bAuto\w+\.|create_model\(\s*[a-z_\"\'A-Z]*(?:clip|model|local|name|ARCH)|SentenceTransformer\(|trust_remote_code|torch\.load\("
    )
    users = {file.relative_to(root.parent).as_posix() for folder in (root, root.parent / "stages")
             for file in folder.rglob("*.py") if calls.search(file.read_text())}  # fmt: skip
    loaders = {
        f"arms/encoders/pretrained/{name}.py" for name in ("clips", "sentences", "timm_models", "transformers_models")
    }
    weights_only = {"arms/encoders/pretrained/timm_models.py", "arms/training/snapshot.py"}
    assert users == {*loaders, *weights_only}
    for other in weights_only:
        assert "weights_only=True" in (root.parent / other).read_text()
    for loader in loaders:
        assert not re.search(r"trust_remote_code\W+True", (root.parent / loader).read_text())
