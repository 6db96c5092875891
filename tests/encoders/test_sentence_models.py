"""Models of sentence-transformers against the library's own `encode`."""

import json
import shutil

import pytest
import torch

from arms.encoders.pretrained.sentences import load_sentence_model
from arms.encoders.text import build_text_encoder
from arms.errors import ArmsError
from tests.encoders.cuts import EXACT, check_bfloat16, run, text_batch
from tests.encoders.cuts import TEXTS as QUESTIONS
from tests.encoders.libraries import TEXTS, save_text, text_settings

sentence_transformers = pytest.importorskip("sentence_transformers", reason="pip install 'arms[sentences]'")
from sentence_transformers.sentence_transformer.modules import (  # noqa: E402
    Dense,
    Normalize,
    Pooling,
    StaticEmbedding,
    Transformer,
)

PROMPTS = {"query": "Read the sign: ", "document": ""}
_QWEN = {**TEXTS["qwen3"][1], "max_position_embeddings": 64}


def build_module(folder, name):
    """The modules of a model as popular ones have them, on a small transformer."""
    family, settings = TEXTS["qwen3"][0], _QWEN
    if name != "last":
        family, settings = TEXTS["mpnet"]
    first = Transformer(str(save_text(folder, family, settings)), max_seq_length=30)
    pooling = Pooling(16, pooling_mode={"last": "lasttoken", "first": "cls"}.get(name, "mean"))
    further = {"dense": [Dense(16, 6)], "normalised": [Normalize()], "last": [Normalize()]}
    return [first, pooling, *further.get(name, [])]


NAMES = ("first", "mean", "dense", "normalised", "last", "prompted", "without-prompt")


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder for each model, as the library saves it."""
    root = tmp_path_factory.mktemp("sentences")
    for name in NAMES:
        prompted = {"prompts": PROMPTS, "default_prompt_name": "query"} if "prompt" in name else {"prompts": PROMPTS}
        modules = build_module(root / "parts" / name, name)
        model = sentence_transformers.SentenceTransformer(modules=modules, device="cpu", **prompted)
        if name == "without-prompt":
            model.set_pooling_include_prompt(False)
        model.save(str(root / name))
    return root


def params(folder, **changes):
    return text_settings(folder, **{"library": "sentence-transformers", "pooling": "own"} | changes)


def build(folder, **changes):
    return build_text_encoder(params(folder, **changes), tokenizer=None, seed=1)


def encode(encoder, texts):
    with torch.inference_mode():
        return run(encoder, text_batch(encoder, texts))[1]["pooled"]


def librarys_own(folder, texts, **settings):
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    return torch.from_numpy(model.encode(texts, **settings))


@pytest.mark.parametrize("name", NAMES)
def test_features_are_the_librarys(hub, name):
    encoder = build(hub / name)
    expected = librarys_own(hub / name, QUESTIONS)
    torch.testing.assert_close(encode(encoder, QUESTIONS), expected, **EXACT)
    assert (encoder.width, encoder.crossing) == (expected.shape[1], ("pooled",))
    check_bfloat16(encoder, text_batch(encoder, QUESTIONS))


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("query", {"prompt_name": "query"}),
        ("document", {"prompt_name": "document"}),
        ("Count: ", {"prompt": "Count: "}),
    ],
)
def test_prompts(hub, prompt, named):
    for name in ("mean", "prompted", "without-prompt"):
        encoder = build(hub / name, prompt=prompt)
        expected = librarys_own(hub / name, QUESTIONS, **named)
        torch.testing.assert_close(encode(encoder, QUESTIONS), expected, **EXACT)
    assert build(hub / "mean", prompt="query").fingerprint != build(hub / "mean").fingerprint


def test_texts_are_read_as_far_as_the_model_does(hub):
    assert build(hub / "mean", max_tokens=512).max_tokens == 30


def test_the_fingerprint(hub):
    fingerprint = build(hub / "dense").fingerprint
    assert json.loads(json.dumps(fingerprint)) == fingerprint == build(hub / "dense").fingerprint
    assert fingerprint["encoder"] == f"sentence-transformers/{hub / 'dense'}"
    assert build(hub / "first").fingerprint["config"] != build(hub / "mean").fingerprint["config"]


def test_it_cannot_be_cut(hub):
    with pytest.raises(ArmsError, match="models of sentence-transformers cannot be cut; set tunable_layers: 0, got 1"):
        build(hub / "mean", tunable_layers=1)


class TestNoCodeOfTheirOwn:
    @pytest.fixture
    def folder(self, hub, tmp_path):
        shutil.copytree(hub / "mean", tmp_path / "evil")
        (tmp_path / "evil" / "evil.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w').close()\n")
        yield tmp_path / "evil"
        assert not (tmp_path / "trace").exists()

    def test_modules(self, folder):
        listed = json.loads((folder / "modules.json").read_text())
        listed[1]["type"] = "evil.Pooling"
        (folder / "modules.json").write_text(json.dumps(listed))
        with pytest.raises(
            ArmsError, match=r"evil' could not be loaded: it wants to run modules of its own \(evil.Pool"
        ):
            build(folder)

    def test_a_family(self, folder):
        config = json.loads((folder / "config.json").read_text())
        own = {"model_type": "evil", "auto_map": {"AutoModel": "evil.EvilModel"}}
        (folder / "config.json").write_text(json.dumps(config | own))
        with pytest.raises(
            ArmsError, match="a 'evil' model is of no family that transformers knows, it wants to run code"
        ):
            build(folder)

    def test_a_setting_that_trusts_it(self, folder):
        (folder / "sentence_bert_config.json").write_text(
            json.dumps({"max_seq_length": 30, "model_args": {"trust_remote_code": True}}, indent=None)
        )
        with pytest.raises(ArmsError, match=r"sentence_bert_config.json asks to run code that comes with it"):
            build(folder)


def test_a_model_that_reads_no_tokens(tmp_path):
    from tests.fakes import tiny_tokenizer

    model = sentence_transformers.SentenceTransformer(
        modules=[StaticEmbedding(tiny_tokenizer(), embedding_dim=8)], device="cpu"
    )
    model.save(str(tmp_path / "static"))
    with pytest.raises(ArmsError, match="expected a model that reads plain tokens, got one that begins with a Static"):
        build(tmp_path / "static")


def test_without_the_library(hub, monkeypatch):
    monkeypatch.setattr("arms.encoders.pretrained.sentences.find_spec", lambda name: None)
    with pytest.raises(ArmsError, match=r"is not installed; run: pip install 'arms\[sentences\]'"):
        load_sentence_model(str(hub / "mean"), download=True, sha256=None)
