"""The text towers of open_clip's models against open_clip's own call and tokenizers."""

import json

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

from arms.encoders.text import build_text_encoder
from arms.encoders.texts.open_clip_towers import clip_tokenizer
from arms.errors import ArmsError
from tests.encoders.cuts import EXACT, TEXTS, check_bfloat16, randomise, run, text_batch
from tests.encoders.libraries import SPECIAL, text_settings
from tests.fakes import VIT, tiny_tokenizer

SMALL = {"context_length": 24, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 2}
SIGLIP = {
    **SMALL,
    "vocab_size": 250,
    "hf_tokenizer_name": "timm/nowhere",
    "tokenizer_kwargs": {"clean": "canonicalize"},
    "no_causal_mask": True,
    "proj_bias": True,
    "pool_type": "last",
    "norm_kwargs": {"eps": 1e-6},
}
TOWERS = {
    "clip": {"text_cfg": SMALL},
    "custom": {"text_cfg": {**SMALL, "pool_type": "eos", "eos_id": 49407}, "custom_text": True},
    "siglip": {"text_cfg": SIGLIP, "custom_text": True},
    "stripped": {
        "text_cfg": {**SIGLIP, "tokenizer_kwargs": {"strip_sep_token": True}, "pool_type": "first"},
        "custom_text": True,
    },
    "coca": {
        "text_cfg": {**SMALL, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {"context_length": 25, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
        "custom_text": True,
    },
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder for each model, as open_clip saves it."""
    root = tmp_path_factory.mktemp("open_clip")
    for name, config in TOWERS.items():
        vision = {**VIT["vision_cfg"], **({"attentional_pool": True, "output_tokens": True} if name == "coca" else {})}
        whole = {"embed_dim": 8, "vision_cfg": vision, **config}
        (root / name).mkdir()
        PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), **SPECIAL).save_pretrained(root / name)
        (root / name / "open_clip_config.json").write_text(json.dumps({"model_cfg": whole, "preprocess_cfg": {}}))
        torch.manual_seed(1)
        clip = open_clip.create_model(f"local-dir:{root / name}", load_weights=False)
        randomise(clip)
        tensors = {key: value.contiguous() for key, value in clip.state_dict().items()}
        save_file(tensors, root / name / "open_clip_model.safetensors")
    return root


def params(hub, name, **changes):
    model = {"library": "open_clip", "model": f"local-dir:{hub / name}", "pretrained": "own", "pooling": "own"}
    return text_settings(hub, **model | changes)


def build(hub, name, **changes):
    return build_text_encoder(params(hub, name, **changes), tokenizer=None, seed=1)


@pytest.mark.parametrize("name", TOWERS)
def test_features_are_open_clips(hub, name):
    encoder = build(hub, name)
    clip = open_clip.create_model(f"local-dir:{hub / name}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{hub / name}")
    batch = text_batch(encoder, TEXTS)
    with torch.inference_mode():
        expected = clip.encode_text(tokenizer(TEXTS))
        _, output = run(encoder, batch)
    torch.testing.assert_close(output["pooled"], expected, **EXACT)
    assert encoder.width == expected.shape[1]
    assert not [key for key in encoder.trunk.state_dict() if "visual" in key or "text_decoder" in key]
    check_bfloat16(encoder, batch)


def test_a_prompt_is_cleaned_with_its_text(hub):
    with_prompt, plain = build(hub, "siglip", prompt="READ: "), build(hub, "siglip")
    (ours,), (expected,) = with_prompt.tokenize(["the SIGN!"]), plain.tokenize(["read the sign"])
    assert ours.tolist() == expected.tolist()
    assert with_prompt.fingerprint != plain.fingerprint


def test_a_long_text_fills_the_context(hub):
    encoder = build(hub, "clip", max_tokens=77)
    (ids,) = encoder.tokenize(["read " * 100])
    assert (len(ids), ids[0], ids[-1]) == (24, 49406, 49407)


SIMPLE = SimpleTokenizer(context_length=200)
FAST = clip_tokenizer(SIMPLE)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=("Cn", "Co", "Cs")), max_size=40))
def test_the_fast_tokenizer_is_clips(text):
    """But for characters that one of two versions of Unicode does not know."""
    ids = SIMPLE([text])[0]
    end = int((ids == SIMPLE.eot_token_id).nonzero()[0])
    if end < 199:
        assert FAST.encode(SIMPLE.clean_fn(text)).ids == ids[: end + 1].tolist()


def test_the_fast_tokenizer_on_questions():
    for text in (
        *TEXTS,
        "It's 12.5% of naïve cafés' ☕️ bills, isn't it?",
        "画像には何が写っていますか",
        "don't\n\n  STOP &amp; go",
    ):
        ids = SIMPLE([text])[0].tolist()
        assert FAST.encode(SIMPLE.clean_fn(text)).ids == ids[: ids.index(SIMPLE.eot_token_id) + 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tunable_layers": 1}, "the text tower of an open_clip model cannot be cut; set tunable_layers: 0, got 1"),
        ({"model": "roberta-ViT-B-32"}, "names a further model, hf_model_name 'roberta-base'"),
    ],
)
def test_what_is_refused(hub, changes, message):
    with pytest.raises(ArmsError, match=message):
        build(hub, "clip", **changes)


def test_a_tokenizer_from_elsewhere(hub, monkeypatch, tmp_path):
    """A model by its name comes without its tokenizer, unless it is CLIP's own."""
    (tmp_path / "tiny-siglip.json").write_text(
        json.dumps({"embed_dim": 8, **VIT, "text_cfg": SIGLIP, "custom_text": True})
    )
    open_clip.add_model_config(tmp_path / "tiny-siglip.json")
    checkpoint = str(hub / "siglip" / "open_clip_model.safetensors")
    with pytest.raises(ArmsError, match=r"its tokenizer timm/nowhere would be loaded from elsewhere; name the model"):
        build(hub, "siglip", model="tiny-siglip", pretrained=checkpoint)


def test_a_way_of_tokenising_that_is_not_known(hub, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for file in (hub / "siglip").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["tokenizer_mode"] = "clips"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    assert HFTokenizer(folder, tokenizer_mode="clips").tokenizer_mode == "clips"  # open_clip's name for it
    with pytest.raises(ArmsError, match="tokenizer_mode 'clips' is not known"):
        build(tmp_path, "clips")
