"""Trunk and tail against transformers' own models, cut everywhere, for every family that can be cut."""

import pytest
import torch
import transformers
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

from arms.encoders.text import build_text_encoder
from tests.encoders.cuts import (
    EXACT,
    TEXTS,
    check_bfloat16,
    check_gradients,
    num_parameters,
    randomise,
    run,
    text_batch,
)
from tests.encoders.libraries import MODERNBERT
from tests.fakes import DISTILBERT, VOCABULARY_SIZE, text_params, tiny_tokenizer

SIZES = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 16}
COMMON = {**SIZES, "vocab_size": VOCABULARY_SIZE, "max_position_embeddings": 32}
# Family: its transformers class, its settings, and how many tokens 32 positions are enough for.
FAMILIES = {
    "bert": ("Bert", COMMON, 32),
    "camembert": ("Camembert", {**COMMON, "pad_token_id": 1}, 30),
    "data2vec-text": ("Data2VecText", {**COMMON, "pad_token_id": 1}, 30),
    "distilbert": ("DistilBert", {**DISTILBERT, "n_layers": 3, "vocab_size": VOCABULARY_SIZE}, 32),
    "distilbert-sines": (
        "DistilBert",
        {**DISTILBERT, "n_layers": 3, "vocab_size": VOCABULARY_SIZE, "sinusoidal_pos_embds": True},
        32,
    ),
    "electra": ("Electra", {**COMMON, "embedding_size": 4}, 32),
    "electra-unprojected": ("Electra", {**COMMON, "embedding_size": 8}, 32),
    "ernie": ("Ernie", {**COMMON, "use_task_id": True}, 32),
    "modernbert": ("ModernBert", {**MODERNBERT, **COMMON}, 32),
    "roberta": ("Roberta", {**COMMON, "pad_token_id": 1}, 30),
    "roberta-other-padding": ("Roberta", {**COMMON, "pad_token_id": 3}, 28),
    "xlm-roberta": ("XLMRoberta", {**COMMON, "pad_token_id": 1}, 30),
}
EVERY_CUT = [(name, layers) for name in FAMILIES for layers in (0, 1, 2, 3, "all")]


def model_class(name):
    return getattr(transformers, f"{FAMILIES[name][0]}Model")


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder of small models as the hub keeps them, tokenizer files and all."""
    folder = tmp_path_factory.mktemp("hub")
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    for name, (family, settings, *_) in FAMILIES.items():
        model = model_class(name)(getattr(transformers, f"{family}Config")(**settings))
        randomise(model)
        model.save_pretrained(folder / name)
        PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), **special).save_pretrained(folder / name)
    return folder


def from_hub(hub, name, **changes):
    params = text_params(model=str(hub / name), architecture=None, vocabulary_size=None, **changes)
    return build_text_encoder(params, tokenizer=None, seed=1)


def expected_states(model, encoder, texts):
    """Last states of transformers' own model for each text by itself, found again in one padded batch."""
    batch = text_batch(encoder, texts)
    padded = batch["token_ids"].long().masked_fill(~batch["mask"], model.config.pad_token_id)
    with torch.inference_mode():
        together = model.eval()(input_ids=padded, attention_mask=batch["mask"].long()).last_hidden_state
        apart = [
            model(input_ids=row[mask][None]).last_hidden_state[0]
            for row, mask in zip(padded, batch["mask"], strict=True)
        ]
    torch.testing.assert_close(together[batch["mask"]], torch.cat(apart), **EXACT)
    return apart


def check_against(model, encoder, texts, pooling):
    """Pooled embeddings, and token states where there are any, are transformers' own."""
    with torch.inference_mode():
        _, output = run(encoder, text_batch(encoder, texts))
    states = expected_states(model, encoder, texts)
    pooled = torch.stack([state[0] if pooling == "cls" else state.mean(dim=0) for state in states])
    torch.testing.assert_close(output["pooled"], pooled, **EXACT)
    if "tokens" in output:
        torch.testing.assert_close(output["tokens"][output["mask"]], torch.cat(states), **EXACT)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize(("name", "tunable_layers"), EVERY_CUT)
def test_trunk_and_tail_are_transformers_model(hub, name, tunable_layers, pooling):
    encoder = from_hub(hub, name, tunable_layers=tunable_layers, pooling=pooling)
    check_against(model_class(name).from_pretrained(hub / name), encoder, TEXTS, pooling)
    kinds = {0: ("pooled",), 1: ("states",), 2: ("states",), 3: ("token_ids",), "all": ("token_ids",)}
    assert encoder.crossing == kinds[tunable_layers]
    assert (encoder.width, encoder.token_width) == (8, 8)


@pytest.mark.parametrize(("name", "tunable_layers"), EVERY_CUT)
def test_gradients_reach_exactly_the_tail(hub, name, tunable_layers):
    encoder = from_hub(hub, name, tunable_layers=tunable_layers)
    check_gradients(encoder, text_batch(encoder, TEXTS))
    model = model_class(name).from_pretrained(hub / name)
    model.pooler = torch.nn.Identity()  # of a pretraining task; not on the way to the states
    assert num_parameters(encoder.trunk, encoder.tail) == num_parameters(model)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("tunable_layers", [0, 1])
def test_in_bfloat16(hub, name, tunable_layers):
    encoder = from_hub(hub, name, tunable_layers=tunable_layers)
    check_bfloat16(encoder, text_batch(encoder, TEXTS))


@pytest.mark.parametrize("name", FAMILIES)
def test_texts_as_long_as_there_are_positions(hub, name):
    """An encoder reads a text as long as its positions allow, whatever max_tokens says."""
    encoder = from_hub(hub, name, max_tokens=512)
    texts = ["read " * 100, "read"]
    assert [len(row) for row in encoder.tokenize(texts)] == [FAMILIES[name][2], 3]
    check_against(model_class(name).from_pretrained(hub / name), encoder, texts, "mean")


@pytest.mark.parametrize("tunable_layers", [0, 1, "all"])
def test_an_architecture_of_ones_own_is_transformers_from_the_seed(tunable_layers):
    encoder = build_text_encoder(text_params(tunable_layers=tunable_layers), tokenizer=tiny_tokenizer(), seed=5)
    torch.manual_seed(5)
    config = DistilBertConfig(**DISTILBERT, vocab_size=encoder.tokenizer.get_vocab_size(), pad_token_id=0)
    check_against(DistilBertModel(config), encoder, TEXTS, "mean")


@pytest.mark.slow
def test_a_full_size_distilbert():
    tokenizer = tiny_tokenizer()
    torch.manual_seed(2)
    model = DistilBertModel(DistilBertConfig(vocab_size=tokenizer.get_vocab_size()))
    for tunable_layers in (*range(7), "all"):
        params = text_params(architecture={}, max_tokens=512, pooling="cls", tunable_layers=tunable_layers)
        encoder = build_text_encoder(params, tokenizer=tokenizer, seed=2)
        check_against(model, encoder, TEXTS, "cls")
        assert encoder.width == 768
