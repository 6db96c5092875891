"""What is exported is loaded by open_clip, by transformers and by ARMS, and gives the same."""

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoTokenizer

from arms.encoders import bundled
from arms.encoders.image import build_image_encoder
from arms.encoders.text import build_text_encoder
from arms.errors import ArmsError
from pretrain.export import export
from pretrain.losses import normalise
from pretrain.settings import PretrainParams, read_settings
from pretrain.train import build_net
from pretrain.vocabulary import learn_vocabulary
from tests.fakes import image_params, text_params

TEXTS = ["How many shapes are there?", "Zwei rote Kreise", "这里有什么"]


@pytest.fixture(scope="module")
def pair():
    """Settings, tokenizer and an untrained net."""
    content = read_settings().model_dump()
    content["vocabulary"] = {"size": 1500, "num_texts": 300}
    content["image"] = {
        "embed_dim": 8,
        "vision_cfg": {"layers": [1, 1, 1, 1], "width": 8, "head_width": 32, "image_size": 32},
    }
    content["text"] = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 64}
    settings = PretrainParams.model_validate(content)
    tokenizer = learn_vocabulary(settings)
    torch.manual_seed(0)
    net = build_net(settings, tokenizer).eval()
    for name, buffer in net.clip.visual.named_buffers():  # a net that was trained has some of its own
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5) if "var" in name else buffer.normal_()
    with torch.no_grad():  # as they are stored
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half())
    return settings, tokenizer, net


@pytest.fixture
def folder(pair, tmp_path, monkeypatch):
    settings, tokenizer, net = pair
    export(net, tokenizer, settings, tmp_path / "bundled")
    monkeypatch.setattr(bundled, "_FOLDER", tmp_path / "bundled")
    bundled.bundled_folder.cache_clear()
    yield tmp_path / "bundled"
    bundled.bundled_folder.cache_clear()


def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))


def test_open_clip_loads_the_image_tower(folder, pair):
    net = pair[2]
    clip, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder / 'image'}")
    pixels = transform(picture())[None]
    squashed = np.asarray(picture().resize((32, 32), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    expected = normalise(torch.from_numpy(squashed.copy())[None])
    torch.testing.assert_close(pixels, expected)
    with torch.inference_mode():
        torch.testing.assert_close(clip.eval().visual(pixels), net.clip.visual(expected))


def test_transformers_loads_the_text_tower(folder, pair):
    _, tokenizer, net = pair
    loaded, model = AutoTokenizer.from_pretrained(folder / "text"), AutoModel.from_pretrained(folder / "text")
    batch = loaded(TEXTS, padding=True, return_tensors="pt")
    for text, ids, mask in zip(TEXTS, batch["input_ids"], batch["attention_mask"], strict=True):
        assert ids[mask.bool()].tolist() == tokenizer.encode(text).ids
    with torch.inference_mode():
        states = model.float().eval()(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        expected = net.text_states(batch["input_ids"], batch["attention_mask"].bool())
    mask = batch["attention_mask"].bool()
    torch.testing.assert_close(states[mask], expected[mask], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tunable_layers", [0, 1, "all"])
def test_arms_loads_both(folder, pair, tunable_layers):
    net = pair[2]
    settings = {"model": "bundled", "architecture": None, "tunable_layers": tunable_layers}
    image = build_image_encoder(image_params(pretrained="bundled", store_tokens=False, **settings), seed=1)
    text = build_text_encoder(text_params(vocabulary_size=None, **settings), tokenizer=None, seed=1)
    assert (image.name, text.name) == ("bundled", "bundled")
    image.tail.eval(), text.tail.eval()
    pixels = torch.from_numpy(image.read(picture()))[None]
    ids = torch.tensor(text.tokenize(TEXTS[:1])[0])[None]
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.inference_mode():
        got = image.tail(image.trunk({"pixels": pixels}))["pooled"]
        torch.testing.assert_close(got, net.clip.visual(normalise(pixels)), atol=1e-5, rtol=1e-5)
        got = text.tail(text.trunk({"token_ids": ids, "mask": mask}))["pooled"]
        torch.testing.assert_close(got, net.text_states(ids.long(), mask).mean(1), atol=1e-5, rtol=1e-5)


def test_the_image_tower_without_its_weights(folder):
    settings = image_params(model="bundled", architecture=None, pretrained=None, tunable_layers=0)
    one, other = (build_image_encoder(settings, seed=seed) for seed in (1, 2))
    assert one.name == "bundled/seed 1"
    assert one.fingerprint["weights"] != other.fingerprint["weights"]


@pytest.mark.parametrize(("modality", "file"), [("image", "open_clip_model.safetensors"), ("text", "tokenizer.json")])
def test_damage(folder, modality, file):
    content = bytearray((folder / modality / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / modality / file).write_bytes(content)
    with pytest.raises(ArmsError, match=rf"{file}: expected sha256 \w+, got \w+; the installation is damaged"):
        bundled.bundled_folder(modality)
    (folder / modality / file).unlink()
    with pytest.raises(ArmsError, match=rf"{file}: expected sha256 \w+, got no such file"):
        bundled.bundled_folder(modality)
    (folder / "sha256.json").unlink()
    with pytest.raises(ArmsError, match="the bundled encoders are not there"):
        bundled.bundled_folder(modality)
