"""The joint encoder against transformers' own calls: what it makes of pictures and a question, and what it refuses."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from arms.encoders import origins
from arms.encoders.joint import build_joint_encoder
from arms.encoders.pair import build_encoders
from arms.encoders.precision import in_precision
from arms.errors import ArmsError
from arms.features.trunk import run_trunk
from arms.params.encoders import EncodersParams, PairEncoderParams
from tests.encoders.cuts import EXACT
from tests.encoders.joint_models import FAMILIES, POOLINGS, pair_params, save_joint, transformers_own
from tests.encoders.libraries import TEXTS, save_text
from tests.fakes import CPU, image_params, text_params, tiny_tokenizer

QUESTION = "How many dots are there in this picture?"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A model of each family, as transformers saves it."""
    root = tmp_path_factory.mktemp("models")
    return {family: save_joint(root / family, family) for family in FAMILIES}


def encoders_params(folder, family, **changes):
    image = changes.pop("image", {})
    return EncodersParams(image=image_params(**image), text=text_params(), pair=pair_params(folder, family, **changes))


def build(hub, family, **changes):
    return build_joint_encoder(encoders_params(hub[family], family, **changes))


def noise(*sizes):
    rng = np.random.default_rng(1)
    return [Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in sizes]


def vector(encoder, pictures, question=QUESTION):
    return torch.from_numpy(run_trunk(encoder, [encoder.read(pictures, question)], CPU)["pooled"][0])


def pooled(states, pooling):
    return {"cls": states[0], "last": states[-1], "mean": states.mean(dim=0)}[pooling]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pairs_vector_is_that_of_transformers(hub, family):
    encoder = build(hub, family)
    for pictures in (noise((60, 45)), noise((20, 50))):
        states = transformers_own(hub[family], family, pictures, QUESTION)
        torch.testing.assert_close(vector(encoder, pictures), pooled(states, POOLINGS[family]), **EXACT)
    assert encoder.width == 16


@pytest.mark.parametrize("family", ["idefics3", "llava", "qwen2-vl"])
def test_of_several_pictures_and_of_none(hub, family):
    encoder = build(hub, family)
    assert encoder.takes_no_picture
    for pictures in (noise((60, 45), (33, 64)), []):
        states = transformers_own(hub[family], family, pictures, QUESTION)
        torch.testing.assert_close(vector(encoder, pictures), pooled(states, POOLINGS[family]), **EXACT)


@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
def test_pooling_prompt_and_norm(hub, pooling):
    encoder = build(hub, "llava", pooling=pooling, prompt="Read the sign. ", normalise=True)
    states = transformers_own(hub["llava"], "llava", noise((60, 45)), f"Read the sign. {QUESTION}")
    expected = torch.nn.functional.normalize(pooled(states, pooling), dim=0)
    torch.testing.assert_close(vector(encoder, noise((60, 45))), expected, **EXACT)


def test_pictures_are_made_smaller_and_those_beyond_the_limit_left_out(hub):
    encoder = build(hub, "idefics3", longest_px=40, max_images=2)
    assert [encoder.fitted(picture).size for picture in noise((100, 50), (9, 8000), (40, 7))] == [
        (40, 20), (3, 40), (40, 7)
    ]  # fmt: skip
    thin = np.asarray(encoder.fitted(Image.new("RGB", (8000, 9))))
    assert thin[:, 0, 0].tolist() == [255, 0, 255]
    three = noise((40, 20), (20, 40), (30, 30))
    torch.testing.assert_close(vector(encoder, three), vector(encoder, three[:2]))
    assert encoder.key(["a", "b", "c"], "q") == encoder.key(["a", "b"], "q")
    fewer = build_joint_encoder(encoders_params(hub["idefics3"], "idefics3", image={"max_images": 1}))
    assert fewer.max_images == 1, "what the image encoder does not read, routing does not have"


def test_keys(hub):
    encoder = build(hub, "llava")
    asked = [(["a", "b"], "q"), (["b", "a"], "q"), (["a"], "q"), (["a"], "r"), ([], "q"), ([], "a")]
    keys = [encoder.key(*pair) for pair in asked]
    assert len({*keys, encoder.key(["ab"], "q")}) == 7
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)
    assert keys[0] == build(hub, "qwen2-vl").key(["a", "b"], "q")
    assert encoder.key([], "\ud83d") != encoder.key([], "\ufffd")


def test_a_model_that_needs_a_picture(hub, caplog):
    with caplog.at_level("INFO"):
        encoder = build(hub, "vilt")
    assert not encoder.takes_no_picture
    assert encoder.key([], "q") is None
    assert "vilt cannot take a question without a picture" in caplog.text


@pytest.mark.parametrize("family", FAMILIES)
def test_any_question(hub, family):
    """None, one too long, one that names the model's own tokens, and one that is no text."""
    encoder = build(hub, family)
    picture = noise((60, 45))
    for question in ("", "dots " * 5000, "<image><|image_pad|> [SEP] <|vision_start|><ima<image>ge>", "\ud83d?"):
        assert vector(encoder, picture, question).isfinite().all()
    empty = pooled(transformers_own(hub[family], family, picture, ""), POOLINGS[family])
    torch.testing.assert_close(vector(encoder, picture, ""), empty, **EXACT)


@pytest.mark.parametrize("family", FAMILIES)
def test_any_picture(hub, family):
    encoder = build(hub, family)
    # The small ViLT has small pictures, and takes none that is thinner than these.
    sizes = ((1, 1), (20, 60), (64, 64)) if family == "vilt" else ((1, 1), (1, 9000), (9000, 1), (64, 64))
    for picture in noise(*sizes):
        assert vector(encoder, [encoder.fitted(picture)]).isfinite().all()


def test_a_picture_that_a_family_cannot_take(hub):
    encoder = build(hub, "qwen2-vl")
    with pytest.raises(ArmsError, match=r"joint encoder .*qwen2-vl cannot take this query \(500 x 1\): ValueError: "):
        encoder.read(noise((500, 1)), QUESTION)


def test_of_a_long_question_the_middle_is_left_out(hub):
    encoder = build(hub, "llava", max_tokens=6)
    front, back = "Read the sign", "count the dots"
    long = f"{front} {'picture ' * 20}{back}"
    torch.testing.assert_close(vector(encoder, [], long), vector(encoder, [], f"{front} {back}"))


def test_the_fingerprint(hub):
    encoder = build(hub, "llava")
    assert json.loads(json.dumps(encoder.fingerprint)) == encoder.fingerprint
    assert build(hub, "llava").fingerprint == encoder.fingerprint
    changes = [{"pooling": "mean"}, {"normalise": True}, {"prompt": "x"}, {"longest_px": 32}, {"max_tokens": 9}]
    others = [build(hub, "llava", **change).fingerprint for change in changes]
    others += [in_precision(encoder, "bfloat16").fingerprint, build(hub, "qwen2-vl").fingerprint]
    assert len({json.dumps(one, sort_keys=True) for one in [encoder.fingerprint, *others]}) == len(others) + 1


def test_in_bfloat16(hub):
    encoder = build(hub, "qwen2-vl", normalise=True)
    rounded = in_precision(encoder, "bfloat16")
    picture = noise((60, 45))
    assert torch.cosine_similarity(vector(encoder, picture), vector(rounded, picture), dim=0) > 0.99


def test_copies_share_the_model_and_other_processes_do_without(hub):
    encoder = build(hub, "llava")
    assert copy.deepcopy(encoder) is encoder
    there = pickle.loads(pickle.dumps(encoder))
    assert (len(there.trunk), there.fingerprint, there.width) == (0, encoder.fingerprint, 16)
    assert len(pickle.dumps(encoder)) < 100_000


def test_a_pair_without_it_is_as_before():
    params = EncodersParams(image=image_params(), text=text_params())
    encoders = build_encoders(params, seed=1, tokenizer=tiny_tokenizer())
    assert encoders.joint is None
    assert encoders.fingerprints.keys() == {"image", "text"}
    assert params.saved().keys() == {"image", "text"}


class TestRefusals:
    def test_of_what_is_not_frozen(self, hub):
        with pytest.raises(ValueError, match="a joint encoder is frozen; set tunable_layers: 0, got 2"):
            pair_params(hub["llava"], "llava", tunable_layers=2)

    @pytest.mark.parametrize("model", ["bundled", "natural"])
    def test_of_pairs_that_have_none(self, model):
        with pytest.raises(ValueError, match=f"a folder, got '{model}', which has no joint encoder"):
            pair_params(model, "llava")

    def test_of_a_model_of_texts(self, tmp_path):
        save_text(tmp_path, *TEXTS["mpnet"])
        with pytest.raises(ArmsError, match="expected a model of pictures and texts, got one with a"):
            build({"text": tmp_path, "llava": tmp_path}, "llava")

    def test_of_a_model_of_pictures_and_texts_apart(self, tmp_path):
        import transformers

        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
        vision = {**sizes, "image_size": 32, "patch_size": 16}
        transformers.CLIPModel(
            transformers.CLIPConfig(text_config={**sizes, "vocab_size": 300}, vision_config=vision)
        ).save_pretrained(tmp_path)
        pictures = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), pad_token="[PAD]")
        transformers.CLIPProcessor(pictures, tokenizer).save_pretrained(tmp_path)
        with pytest.raises(ArmsError, match=r"cannot be run on a picture and a question: .*it hands out no states"):
            build({"llava": tmp_path}, "llava")

    def test_of_several_pictures_for_a_model_of_one(self, hub):
        with pytest.raises(ArmsError, match=r"vilt takes one picture, not several .*; set pair.max_images: 1"):
            build(hub, "vilt", max_images=2)

    def test_of_more_tokens_than_there_are_positions(self, hub):
        with pytest.raises(ArmsError, match=r"has positions for 40 tokens: expected pair.max_tokens of 36 at most"):
            build(hub, "vilt", max_tokens=37)

    def test_of_a_model_with_code_of_its_own(self, hub, tmp_path):
        save_joint(tmp_path / "model", "llava")
        config = json.loads((tmp_path / "model/config.json").read_text())
        config |= {"model_type": "unheard-of", "auto_map": {"AutoModel": "modeling.Model"}}
        (tmp_path / "model/config.json").write_text(json.dumps(config))
        (tmp_path / "model/modeling.py").write_text("raise SystemExit('it ran')")
        with pytest.raises(ArmsError, match=r"joint encoder .* wants to run code of its own \(AutoModel\)"):
            build({"llava": tmp_path / "model"}, "llava")

    def test_of_a_name_without_a_commit_or_a_hash(self):
        params = {"pooling": "last", "max_tokens": 9, "max_images": 1, "longest_px": 64, "precision": "float32"}
        both = {"image": image_params(), "text": text_params()}
        unpinned = EncodersParams(**both, pair=PairEncoderParams(model="some/model", **params))
        with pytest.raises(ArmsError, match="joint encoder 'some/model': expected a pinned commit"):
            build_joint_encoder(unpinned)
        unhashed = EncodersParams(**both, pair=PairEncoderParams(model=f"some/model@{'0' * 40}", **params))
        with pytest.raises(ArmsError, match="joint encoder 'some/model': expected the sha256 of its weights"):
            build_joint_encoder(unhashed)

    def test_of_other_weights_than_those_that_are_pinned(self, hub):
        with pytest.raises(ArmsError, match=r"joint encoder '.*': expected model.safetensors with sha256 0000"):
            build(hub, "llava", sha256="0" * 64)

    def test_of_weights_that_lack_a_part(self, tmp_path):
        from safetensors.torch import load_file, save_file

        file = save_joint(tmp_path, "llava") / "model.safetensors"
        tensors = load_file(file)
        lacking = next(name for name in tensors if "norm" in name)
        save_file({name: tensor for name, tensor in tensors.items() if name != lacking}, file, {"format": "pt"})
        with pytest.raises(ArmsError, match="its files hold no weights for"):
            build({"llava": tmp_path}, "llava")

    def test_of_a_path_that_only_a_router_names(self, hub, monkeypatch):
        monkeypatch.setattr(origins, "_known", set())
        with pytest.raises(ArmsError, match=r"joint encoder '.*': the router names a path that the settings of this"):
            build_joint_encoder(encoders_params(hub["llava"], "llava"), download=False)
