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
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from arms.encoders.text import build_text_encoder, train_tokenizer
from arms.errors import ArmsError
from arms.features.loader import Ragged
from tests.fakes import DISTILBERT, VOCABULARY_SIZE, text_params, tiny_tokenizer

TEXTS = ["How many dots are there in this picture?", "Read the sign.", "?", "What does it say? Read the sign again."]
SIZES = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 16}
COMMON = {**SIZES, "vocab_size": VOCABULARY_SIZE, "max_position_embeddings": 32}
FAMILIES = {
    "distilbert": lambda: DistilBertModel(
        DistilBertConfig(**{**DISTILBERT, "n_layers": 3}, vocab_size=VOCABULARY_SIZE)
    ),
    "bert": lambda: BertModel(BertConfig(**COMMON)),
    "roberta": lambda: RobertaModel(RobertaConfig(**COMMON, pad_token_id=1)),
    "electra": lambda: ElectraModel(ElectraConfig(**COMMON, embedding_size=4)),
    "albert": lambda: AlbertModel(AlbertConfig(**COMMON, embedding_size=4)),
}
CUTTABLE = [name for name in FAMILIES if name != "albert"]
EVERY_CUT = [(name, layers) for name in CUTTABLE for layers in (0, 1, 2, 3, "all")]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder of small models as the hub keeps them, tokenizer files and all."""
    folder = tmp_path_factory.mktemp("hub")
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    for name, make in FAMILIES.items():
        torch.manual_seed(3)
        model = make()
        with torch.no_grad():
            for parameter in model.parameters():  # fresh biases and norms would go unnoticed
                parameter.add_(torch.randn_like(parameter) * 0.2)
        model.save_pretrained(folder / name)
        PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), **special).save_pretrained(folder / name)
    return folder


def from_hub(hub, name, **changes):
    params = text_params(model=str(hub / name), architecture=None, vocabulary_size=None, **changes)
    return build_text_encoder(params, tokenizer=None, seed=1)


def run(encoder, texts):
    """What crosses the cut, and what comes out, for texts padded to the longest."""
    encoder.tail.eval()
    token_ids, mask = Ragged.join(encoder.tokenize(texts)).pad(np.arange(len(texts)))
    crossing = encoder.trunk({"token_ids": torch.from_numpy(token_ids), "mask": torch.from_numpy(mask)})
    handed = {name: crossing[name] for name in encoder.crossing}
    if encoder.crossing != ("pooled",):
        handed["mask"] = crossing["mask"]
    return crossing, encoder.tail(handed)


def expected_states(model, encoder, texts, pad_token_id):
    """Last states of transformers' own model, each text by itself and again in one padded batch."""
    rows = encoder.tokenize(texts)
    width = max(map(len, rows))
    padded = torch.full((len(rows), width), pad_token_id)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = torch.from_numpy(row)
        mask[i, : len(row)] = 1
    with torch.inference_mode():
        batch = model.eval()(input_ids=padded, attention_mask=mask).last_hidden_state
        alone = [model(input_ids=torch.from_numpy(row)[None].long()).last_hidden_state[0] for row in rows]
    for i, row in enumerate(rows):
        torch.testing.assert_close(batch[i, : len(row)], alone[i], atol=1e-5, rtol=1e-5)
    return alone


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize(("name", "tunable_layers"), EVERY_CUT)
def test_trunk_and_tail_are_transformers_model(hub, name, tunable_layers, pooling):
    encoder = from_hub(hub, name, tunable_layers=tunable_layers, pooling=pooling)
    _, output = run(encoder, TEXTS)
    model = type(FAMILIES[name]()).from_pretrained(hub / name)
    states = expected_states(model, encoder, TEXTS, model.config.pad_token_id)
    expected = torch.stack([state[0] if pooling == "cls" else state.mean(dim=0) for state in states])
    torch.testing.assert_close(output["pooled"], expected, atol=1e-5, rtol=1e-5)
    if "tokens" in output:
        ours = output["tokens"][output["mask"]]
        torch.testing.assert_close(ours, torch.cat(states), atol=1e-5, rtol=1e-5)
    kinds = {0: ("pooled",), 1: ("states",), 2: ("states",), 3: ("token_ids",), "all": ("token_ids",)}
    assert encoder.crossing == kinds[tunable_layers]
    assert (encoder.width, encoder.token_width) == (8, 8)


@pytest.mark.parametrize(("name", "tunable_layers"), [case for case in EVERY_CUT if case[1] != 0])
def test_gradients_reach_exactly_the_tail(hub, name, tunable_layers):
    encoder = from_hub(hub, name, tunable_layers=tunable_layers)
    (run(encoder, TEXTS)[1]["pooled"] * torch.arange(8)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.tail.parameters())
    assert all(parameter.grad is None for parameter in encoder.trunk.parameters())
    model = type(FAMILIES[name]()).from_pretrained(hub / name)
    counted = sum(parameter.numel() for part in (encoder.trunk, encoder.tail) for parameter in part.parameters())
    pooler = sum(parameter.numel() for key, parameter in model.named_parameters() if key.startswith("pooler."))
    assert counted == sum(parameter.numel() for parameter in model.parameters()) - pooler


@pytest.mark.parametrize("tunable_layers", [0, 1, "all"])
def test_an_architecture_of_ones_own_is_transformers_from_the_seed(tunable_layers):
    encoder = build_text_encoder(text_params(tunable_layers=tunable_layers), tokenizer=tiny_tokenizer(), seed=5)
    torch.manual_seed(5)
    config = DistilBertConfig(**DISTILBERT, vocab_size=encoder.tokenizer.get_vocab_size(), pad_token_id=0)
    states = expected_states(DistilBertModel(config), encoder, TEXTS, 0)
    expected = torch.stack([state.mean(dim=0) for state in states])
    torch.testing.assert_close(run(encoder, TEXTS)[1]["pooled"], expected, atol=1e-5, rtol=1e-5)


def test_building_leaves_the_global_random_state_alone():
    tokenizer = tiny_tokenizer()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    encoder = build_text_encoder(text_params(), tokenizer=tokenizer, seed=5)
    build_text_encoder(text_params(), tokenizer=tokenizer, seed=5, config=encoder.config)
    assert torch.rand(1) == expected


def test_built_from_its_configuration(hub):
    """A checkpoint brings weights of its own, so the model's are not looked for."""
    encoder = from_hub(hub, "bert", tunable_layers="all")
    params = text_params(model="/nowhere", architecture=None, vocabulary_size=None, tunable_layers="all")
    config = json.loads(json.dumps(encoder.config))
    other = build_text_encoder(params, tokenizer=encoder.tokenizer, seed=1, config=config)
    other.tail.load_state_dict(encoder.tail.state_dict())
    assert torch.equal(run(other, TEXTS)[1]["pooled"], run(encoder, TEXTS)[1]["pooled"])


@pytest.mark.slow
@pytest.mark.parametrize("tunable_layers", [0, 1, 3, "all"])
def test_a_full_size_distilbert(tunable_layers):
    params = text_params(architecture={}, max_tokens=512, pooling="cls", tunable_layers=tunable_layers)
    encoder = build_text_encoder(params, tokenizer=tiny_tokenizer(), seed=2)
    torch.manual_seed(2)
    model = DistilBertModel(DistilBertConfig(vocab_size=encoder.tokenizer.get_vocab_size()))
    states = expected_states(model, encoder, TEXTS, 0)
    with torch.inference_mode():
        pooled = run(encoder, TEXTS)[1]["pooled"]
    torch.testing.assert_close(pooled, torch.stack([state[0] for state in states]), atol=1e-5, rtol=1e-5)
    assert encoder.width == 768


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


def test_truncation_is_logged(caplog):
    encoder = build_text_encoder(text_params(max_tokens=6), tokenizer=tiny_tokenizer(), seed=1)
    with caplog.at_level(logging.WARNING):
        assert [len(row) for row in encoder.tokenize(["Read the sign", "Read the sign.", "?"])] == [5, 6, 3]
        assert not caplog.messages
        rows = encoder.tokenize(TEXTS)
    assert [len(row) for row in rows] == [6, 6, 3, 6]
    assert rows[0][-1] == encoder.tokenizer.token_to_id("[SEP]")
    assert caplog.messages == ["2 of 4 texts are longer than max_tokens (6) and were cut off"]


def test_no_more_tokens_than_positions(hub):
    """An encoder reads a text as long as its positions allow, whatever max_tokens says."""
    long = "read " * 100
    for name, limit in (("distilbert", 32), ("bert", 32), ("roberta", 30), ("electra", 32)):
        encoder = from_hub(hub, name, max_tokens=512)
        assert len(encoder.tokenize([long])[0]) == limit
        assert torch.isfinite(run(encoder, [long, "read"])[1]["pooled"]).all()


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
        ({"model": "/nowhere/at-all"}, "text encoder '/nowhere/at-all' could not be loaded"),
        ({"model": "albert"}, "a albert model cannot be cut; use a distilbert, bert, roberta or electra model"),
    ],
)
def test_errors(hub, changes, message):
    if "model" in changes:
        own = {"architecture": None, "vocabulary_size": None}
        changes = {"model": changes["model"].replace("albert", str(hub / "albert")), **own}
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
