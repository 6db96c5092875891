"""Text models of transformers that cannot be cut, frozen whole, against the library's own call."""

import json

import pytest
import torch
import transformers

from arms.encoders.text import build_text_encoder
from arms.errors import ArmsError
from tests.encoders.cuts import EXACT, check_bfloat16, run, text_batch
from tests.encoders.cuts import TEXTS as QUESTIONS
from tests.encoders.libraries import TEXTS, save_text, text_settings

PAIRED_VISION = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
PAIRED = {
    "vision_config": {**PAIRED_VISION, "image_size": 32, "patch_size": 16},
    "text_config": {**PAIRED_VISION, "vocab_size": 250, "max_position_embeddings": 32, "projection_size": 16},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder of models as the hub keeps them."""
    folder = tmp_path_factory.mktemp("texts")
    for name, (family, settings) in TEXTS.items():
        save_text(folder / name, family, settings)
    save_text(folder / "siglip", "Siglip", PAIRED)
    special = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    paired = {**PAIRED, "text_config": PAIRED["text_config"] | special, "projection_dim": 12}
    save_text(folder / "clip", "CLIP", paired)
    return folder


def build(hub, name, **changes):
    return build_text_encoder(text_settings(hub / name, **changes), tokenizer=None, seed=1)


def states_of(folder, texts):
    """The library's own states, each text by itself."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    with torch.inference_mode():
        return [
            model(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).last_hidden_state[0]
            for text in texts
        ]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
def test_features_are_the_librarys(hub, name, pooling):
    encoder = build(hub, name, pooling=pooling)
    with torch.inference_mode():
        _, output = run(encoder, text_batch(encoder, QUESTIONS))
    pick = {
        "cls": lambda states: states[0],
        "mean": lambda states: states.mean(dim=0),
        "last": lambda states: states[-1],
    }
    expected = torch.stack([pick[pooling](states) for states in states_of(hub / name, QUESTIONS)])
    torch.testing.assert_close(output["pooled"], expected, **EXACT)
    assert (encoder.width, encoder.crossing) == (expected.shape[1], ("pooled",))


@pytest.mark.parametrize("name", TEXTS)
def test_in_bfloat16(hub, name):
    encoder = build(hub, name)
    lowered = check_bfloat16(encoder, text_batch(encoder, QUESTIONS))
    for key, value in lowered.trunk.named_buffers():
        assert "inv_freq" not in key or value.dtype == torch.float32


@pytest.mark.parametrize("name", TEXTS)
def test_they_cannot_be_cut(hub, name):
    with pytest.raises(ArmsError) as caught:
        build(hub, name, tunable_layers=1)
    assert str(caught.value) == (
        f"text encoder {hub / name}: a {name} model cannot be cut, as those of the families bert, camembert, "
        "data2vec-text, distilbert, electra, ernie, roberta, xlm-roberta, modernbert can; set tunable_layers: 0, got "
        "1, or use another model"
    )


def test_a_prompt_and_normalisation(hub):
    plain, made = (
        build(hub, "qwen3", pooling="last"),
        build(hub, "qwen3", pooling="last", prompt="Read ", normalise=True),
    )
    with torch.inference_mode():
        _, expected = run(plain, text_batch(plain, [f"Read {text}" for text in QUESTIONS]))
        _, output = run(made, text_batch(made, QUESTIONS))
    torch.testing.assert_close(output["pooled"], torch.nn.functional.normalize(expected["pooled"]), **EXACT)
    assert (made.fingerprint["prompt"], made.fingerprint["normalised"]) == ("Read ", True)
    assert not {"prompt", "normalised"} & plain.fingerprint.keys()


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_the_text_tower_of_a_pair(hub, name):
    """SigLIP sees its padding, and is called with texts padded to all positions."""
    encoder = build(hub, name, pooling="own")
    model = transformers.AutoModel.from_pretrained(hub / name).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(hub / name)
    padding = {"padding": "max_length", "max_length": 32} if name == "siglip" else {"padding": True}
    inputs = tokenizer(QUESTIONS, return_tensors="pt", return_token_type_ids=False, **padding)
    if name == "siglip":
        del inputs["attention_mask"]
    with torch.inference_mode():
        expected = model.get_text_features(**inputs).pooler_output
        _, output = run(encoder, text_batch(encoder, QUESTIONS))
    torch.testing.assert_close(output["pooled"], expected, **EXACT)


def test_the_fingerprint(hub):
    fingerprint = build(hub, "qwen3").fingerprint
    assert json.loads(json.dumps(fingerprint)) == fingerprint == build(hub, "qwen3").fingerprint
    assert fingerprint != build(hub, "qwen3", pooling="last").fingerprint


def test_a_vector_that_there_is_not(hub):
    with pytest.raises(ArmsError, match=r"has no vector of its own for a text; set text.pooling: cls, mean or last"):
        build(hub, "mpnet", pooling="own")


def test_files_that_lack_weights(tmp_path):
    folder = save_text(tmp_path / "mpnet", *TEXTS["mpnet"])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(ArmsError, match=r"its files hold no weights for encoder.layer.3"):
        build_text_encoder(text_settings(folder), tokenizer=None, seed=1)
