"""The text encoder against transformers' own models."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import BertConfig, BertJapaneseTokenizer, BertModel, PreTrainedTokenizerFast
from transformers.utils import logging as hub_logging

from arms.encoders.text import build_text_encoder, train_tokenizer
from arms.errors import ArmsError
from tests.encoders.cuts import TEXTS, run, text_batch
from tests.fakes import DISTILBERT, text_params, tiny_tokenizer


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A folder of a small model as the hub keeps it, tokenizer files and all."""
    folder = tmp_path_factory.mktemp("hub") / "bert"
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    tokenizer = tiny_tokenizer()
    BertModel(BertConfig(**sizes, vocab_size=tokenizer.get_vocab_size())).save_pretrained(folder)
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return folder


def test_building_leaves_the_global_random_state_alone():
    tokenizer = tiny_tokenizer()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    encoder = build_text_encoder(text_params(), tokenizer=tokenizer, seed=5)
    build_text_encoder(text_params(), tokenizer=tokenizer, seed=5, config=encoder.config)
    assert torch.rand(1) == expected


def test_built_from_its_configuration(bert):
    """A checkpoint brings weights of its own, so the model's are not looked for."""

    def build(model, **kwargs):
        settings = {"model": model, "architecture": None, "vocabulary_size": None, "tunable_layers": "all"}
        return build_text_encoder(text_params(**settings), seed=1, **kwargs)

    encoder = build(str(bert), tokenizer=None)
    config = json.loads(json.dumps(encoder.config))
    other = build("/nowhere", tokenizer=encoder.tokenizer, config=config)
    other.tail.load_state_dict(encoder.tail.state_dict())
    batch = text_batch(encoder, TEXTS)
    assert torch.equal(run(other, batch)[1]["pooled"], run(encoder, batch)[1]["pooled"])


def test_a_model_in_a_folder_is_loaded_without_a_bar(bert, capfd):
    params = text_params(model=str(bert), architecture=None, vocabulary_size=None)
    build_text_encoder(params, tokenizer=None, seed=0)
    assert "Loading" not in capfd.readouterr().err
    assert hub_logging.is_progress_bar_enabled()


def test_a_tokenizer_that_runs_only_in_python(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    BertJapaneseTokenizer(tmp_path / "vocab.txt", word_tokenizer_type="basic").save_pretrained(tmp_path)
    BertConfig().save_pretrained(tmp_path)
    params = text_params(model=str(tmp_path), architecture=None, vocabulary_size=None)
    with pytest.raises(ArmsError, match="its BertJapaneseTokenizer runs only in Python; use a model that comes with"):
        build_text_encoder(params, tokenizer=None, seed=1)


class TestTokenizer:
    def test_it_is_the_same_in_any_process(self):
        """Hash maps are ordered anew in each process; the vocabulary must not be."""
        texts = [f"{count} {colour} dots" for count in range(30) for colour in ("red", "green", "turquoise", "mauve")]
        code = f"""
from arms.encoders.text import train_tokenizer
print(train_tokenizer({texts!r}, vocabulary_size=80).to_str())
"""
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE
            )
            for seed in ("0", "1")
        ]
        expected = train_tokenizer(texts, vocabulary_size=80).to_str()
        assert [process.communicate()[0].decode().strip() for process in processes] == [expected, expected]

    def test_it_does_not_depend_on_the_order_of_texts(self):
        texts = [f"The {colour} sign says {word}." for colour in ("red", "blue") for word in ("stop", "go", "wait")]
        assert train_tokenizer(texts, vocabulary_size=60).to_str() == (
            train_tokenizer([*reversed(texts), *texts], vocabulary_size=60).to_str()
        )

    def test_accents_may_be_kept(self):
        texts = ["चित्र में कितने वृत्त हैं?", "überlappende Kreise"]
        kept = train_tokenizer(texts, vocabulary_size=200, keep_accents=True)
        assert kept.encode(texts[0]).tokens == ["[CLS]", "चित्र", "में", "कितने", "वृत्त", "हैं", "?", "[SEP]"]
        assert "ü" in "".join(kept.encode(texts[1]).tokens)
        assert "ü" not in "".join(train_tokenizer(texts, vocabulary_size=200).encode(texts[1]).tokens)

    def test_an_unknown_word_falls_back_to_its_pieces(self):
        tokenizer = train_tokenizer(["count the dots", "read the sign"], vocabulary_size=60)
        assert tokenizer.encode("Count the signs").tokens == ["[CLS]", "count", "the", "sign", "##s", "[SEP]"]
        tokens = tokenizer.encode("crane").tokens
        assert "[UNK]" not in tokens
        assert "".join(token.removeprefix("##") for token in tokens[1:-1]) == "crane"
        assert tokenizer.encode("Ω").tokens == ["[CLS]", "[UNK]", "[SEP]"]

    def test_several_scripts(self):
        texts = [
            "Сколько точек?",
            "有几个点?",
            "كم عدد النقاط؟",
            "बिंदु कितने हैं?",
            "점이 몇 개입니까?",
            "¿Cuántos puntos?",
        ]
        tokenizer = train_tokenizer(texts, vocabulary_size=200)
        for text in texts:
            assert "[UNK]" not in tokenizer.encode(text).tokens, text
        for unseen in ("точке", "кот", "有点", "몇개"):
            assert "[UNK]" not in tokenizer.encode(unseen).tokens, unseen
        assert tokenizer.encode("CUANTOS").tokens == tokenizer.encode("cuántos").tokens

    def test_special_tokens_and_size(self):
        tokenizer = train_tokenizer(["count the dots in the picture", "read the sign"], vocabulary_size=40)
        assert tokenizer.get_vocab_size() <= 40
        assert [tokenizer.token_to_id(f"[{name}]") for name in ("PAD", "UNK", "CLS", "SEP", "MASK")] == [*range(5)]
        assert tokenizer.encode("").tokens == ["[CLS]", "[SEP]"]

    def test_it_survives_a_file(self, tmp_path):
        tokenizer = tiny_tokenizer()
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        read = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        assert [read.encode(text).ids for text in TEXTS] == [tokenizer.encode(text).ids for text in TEXTS]

    @settings(deadline=None, max_examples=50)
    @given(st.text())
    def test_any_text_can_be_read(self, text):
        ids = tiny_encoder().tokenize([text])[0]
        assert ids.dtype == np.int32
        assert 2 <= len(ids) <= 32


_ENCODERS = []


def tiny_encoder():
    """One encoder for many examples."""
    if not _ENCODERS:
        _ENCODERS.append(build_text_encoder(text_params(), tokenizer=tiny_tokenizer(), seed=1))
    return _ENCODERS[0]


def test_truncation_is_logged_once_with_a_text_by_name(caplog, monkeypatch):
    monkeypatch.setattr("arms.encoders.text._reported", set())
    encoder = build_text_encoder(text_params(max_tokens=6), tokenizer=tiny_tokenizer(), seed=1)
    with caplog.at_level(logging.WARNING):
        assert [len(row) for row in encoder.tokenize(["Read the sign", "Read the sign.", "?"])] == [5, 6, 3]
        assert not caplog.messages
        rows = encoder.tokenize(TEXTS)
    assert [len(row) for row in rows] == [6, 6, 3, 6]
    assert rows[0][-1] == encoder.tokenizer.token_to_id("[SEP]")
    encoder.tokenize(TEXTS)
    assert caplog.messages == [
        f"2 of 4 texts are longer than max_tokens (6): their middle is left out, such as that of {TEXTS[0]!r}"
    ]
    caplog.clear()
    long = "How many dots? " * 20
    encoder.tokenize([TEXTS[0], long])
    assert caplog.messages == [
        f"2 of 2 texts are longer than max_tokens (6): their middle is left out, such as that of {long[:60] + '...'!r}"
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tunable_layers": 3},
            "tunable_layers: text encoder own architecture, seed 1 has 2 layers, got 3; use 0 to 2",
        ),
        (
            {"architecture": {"dims": 8}},
            "text.architecture: unknown keys ['dims']; expected those of a DistilBertConfig",
        ),
        (
            {"model": "/nowhere/at-all", "architecture": None, "vocabulary_size": None},
            "text encoder '/nowhere/at-all' could not be loaded",
        ),
    ],
)
def test_errors(changes, message):
    with pytest.raises(ArmsError) as caught:
        build_text_encoder(text_params(**changes), tokenizer=tiny_tokenizer(), seed=1)
    assert message in str(caught.value)


class TestFingerprint:
    """It changes when, and only when, what crosses the cut changes."""

    @staticmethod
    def of(seed=1, tokenizer=None, architecture=None, **changes):
        params = text_params(architecture={**DISTILBERT, **(architecture or {})}, **changes)
        return build_text_encoder(params, tokenizer=tokenizer or tiny_tokenizer(), seed=seed).fingerprint

    def test_it_is_json(self):
        for tunable_layers in (0, 1, "all"):
            fingerprint = self.of(tunable_layers=tunable_layers)
            assert json.loads(json.dumps(fingerprint)) == fingerprint

    def test_token_ids_depend_on_the_tokenizer_alone(self):
        ids = self.of(tunable_layers="all")
        assert ids == self.of(tunable_layers=2, seed=2, architecture={"dim": 16}, pooling="cls")
        assert ids != self.of(tunable_layers="all", max_tokens=16)
        assert ids != self.of(tunable_layers="all", tokenizer=train_tokenizer(TEXTS, vocabulary_size=60))

    def test_states_depend_on_the_trunk(self):
        states = self.of(tunable_layers=1)
        assert states == self.of(tunable_layers=1, pooling="cls")
        others = (
            self.of(tunable_layers=0),
            self.of(tunable_layers="all"),
            self.of(tunable_layers=1, seed=2),
            self.of(tunable_layers=1, max_tokens=16),
            self.of(tunable_layers=1, architecture={"n_heads": 4}),  # of the same weights
        )
        assert all(states != other for other in others)

    def test_pooled_depends_on_the_pooling(self):
        assert self.of(pooling="cls") != self.of(pooling="mean")
