"""Trunks in lower precision against the same trunks in float32."""

import logging
from dataclasses import replace

import pytest
import torch

from arms.encoders import precision
from arms.encoders.base import hash_weights
from arms.encoders.batch import move_batch
from arms.encoders.image import build_image_encoder
from arms.encoders.precision import fastest_precision, in_precision
from arms.encoders.text import build_text_encoder
from tests.encoders.cuts import TEXTS, check_bfloat16, image_batch, pictures, randomise, text_batch
from tests.fakes import CPU, RESNET, VIT, image_params, text_params, tiny_tokenizer

DEPTHS = {"vit": 3, "resnet": 4, "distilbert": 2}
CUTS = [(name, layers) for name, depth in DEPTHS.items() for layers in range(depth)]


def build(name, tunable_layers):
    if name == "distilbert":
        encoder = build_text_encoder(text_params(tunable_layers=tunable_layers), tokenizer=tiny_tokenizer(), seed=1)
        return encoder, text_batch(encoder, TEXTS)
    architecture = {"vit": VIT, "resnet": RESNET}[name]
    encoder = build_image_encoder(image_params(architecture=architecture, tunable_layers=tunable_layers), seed=1)
    return encoder, image_batch(encoder, pictures())


@pytest.mark.parametrize(("name", "tunable_layers"), CUTS)
def test_a_trunk_in_bfloat16(name, tunable_layers):
    encoder, batch = build(name, tunable_layers)
    randomise(encoder.trunk)
    lowered = check_bfloat16(encoder, batch)
    assert type(lowered) is type(encoder)
    assert lowered.tail is encoder.tail
    assert all(parameter.dtype == torch.float32 for parameter in encoder.tail.parameters())
    assert not any(parameter.requires_grad for parameter in lowered.trunk.parameters())
    assert not any(module.training for module in lowered.trunk.modules())


@pytest.mark.parametrize(("name", "tunable_layers"), CUTS)
def test_the_encoder_handed_in_stays_as_it_is(name, tunable_layers):
    encoder, batch = build(name, tunable_layers)
    trunk, fingerprint, expected = encoder.trunk, dict(encoder.fingerprint), encoder.trunk(batch)
    in_precision(encoder, "bfloat16")
    fastest_precision(encoder, CPU)
    assert encoder.trunk is trunk
    assert encoder.fingerprint == {**fingerprint, "weights": hash_weights(trunk)}
    assert all(torch.equal(value, expected[key]) for key, value in trunk(batch).items())


@pytest.mark.parametrize(("name", "tunable_layers"), CUTS)
def test_the_fingerprint_tells(name, tunable_layers):
    encoder, _ = build(name, tunable_layers)
    lowered = in_precision(encoder, "bfloat16")
    differing = {key for key in encoder.fingerprint if encoder.fingerprint[key] != lowered.fingerprint[key]}
    assert encoder.fingerprint.keys() == lowered.fingerprint.keys()
    assert differing == {"precision", "weights"}
    assert (encoder.fingerprint["precision"], lowered.fingerprint["precision"]) == ("float32", "bfloat16")
    assert lowered.fingerprint["weights"] == hash_weights(lowered.trunk)


@pytest.mark.parametrize("name", DEPTHS)
def test_the_same_precision_shares_the_trunk(name):
    encoder, _ = build(name, 1)
    same = in_precision(encoder, "float32")
    assert same.trunk is encoder.trunk
    assert same.fingerprint == encoder.fingerprint
    # The trunk itself tells its precision, whatever a checkpoint's fingerprint says it was.
    claimed = replace(encoder, fingerprint=in_precision(encoder, "bfloat16").fingerprint)
    assert next(in_precision(claimed, "bfloat16").trunk.parameters()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", DEPTHS)
def test_without_a_trunk_there_is_nothing_to_lower(name):
    encoder, _ = build(name, "all")
    assert in_precision(encoder, "bfloat16") is encoder
    assert "precision" not in encoder.fingerprint
    assert fastest_precision(encoder, CPU) == "float32"


def test_pixels_are_normalised_in_float32():
    encoder, batch = build("vit", 0)
    expected = encoder.trunk[0][0](batch)["pixels"]
    lowered = in_precision(encoder, "bfloat16")
    assert torch.equal(lowered.trunk[0][0](batch)["pixels"], expected)


def test_a_mean_over_many_tokens():
    """The number of tokens is exact, though bfloat16 itself cannot count to 301."""
    encoder, _ = build("distilbert", 0)
    mask = torch.arange(301) < torch.tensor([[301], [3]])
    pooled = encoder.trunk[-1]({"states": torch.ones(2, 301, 8, dtype=torch.bfloat16), "mask": mask})["pooled"]
    assert torch.equal(pooled, torch.ones(2, 8, dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("times", "choice"), [(1.19, "float32"), (1.2, "bfloat16"), (3.0, "bfloat16"), (0.3, "float32")]
)
def test_bfloat16_must_be_clearly_faster(monkeypatch, caplog, times, choice):
    encoder, _ = build("vit", 1)
    timed = []

    def time_trunk(trunk, batch, device):
        timed.append((next(trunk.parameters()).dtype, batch["pixels"].shape, device))
        return 0.25 if timed[-1][0] == torch.bfloat16 else 0.25 * times

    monkeypatch.setattr(precision, "_time_trunk", time_trunk)
    with caplog.at_level(logging.INFO, logger="arms"):
        assert fastest_precision(encoder, CPU) == choice
    assert timed == [(dtype, (4, 3, 32, 32), CPU) for dtype in (torch.float32, torch.bfloat16)]
    assert caplog.messages == [
        f"own architecture, seed 1: bfloat16 is {times:.2f} times as fast as float32 on cpu; using {choice}"
    ]


@pytest.mark.parametrize("name", DEPTHS)
def test_measured(name):
    encoder, _ = build(name, 0)
    assert fastest_precision(encoder, CPU) in ("float32", "bfloat16")


@pytest.mark.gpu
@pytest.mark.parametrize("name", DEPTHS)
def test_measured_on_a_gpu(name):
    encoder, batch = build(name, 0)
    device = torch.device("cuda")
    assert fastest_precision(encoder, device) in ("float32", "bfloat16")
    check_bfloat16(encoder, move_batch(batch, device))


@pytest.mark.parametrize("max_tokens", [1, 3, 32])
def test_example_texts_are_no_longer_than_allowed(max_tokens):
    encoder = build_text_encoder(text_params(max_tokens=max_tokens), tokenizer=tiny_tokenizer(), seed=1)
    batch = encoder.example(5)
    assert batch["token_ids"].shape == batch["mask"].shape == (5, max_tokens)
    assert batch["mask"].any(dim=1).all()
    assert torch.isfinite(encoder.trunk(batch)["pooled"]).all()
