"""What the tests of both encoders share: inputs, weights, and a run through trunk and tail."""

import math

import numpy as np
import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence

from arms.encoders.precision import in_precision

TEXTS = ["How many dots are there in this picture?", "Read the sign.", "?", "What does it say? Read the sign again."]
EXACT = {"atol": 1e-5, "rtol": 1e-5}


def pictures(height=32, width=32, count=3):
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for _ in range(count)]


def image_batch(encoder, images):
    """Images as the encoder reads them."""
    return {"pixels": torch.from_numpy(np.stack([encoder.read(image) for image in images]))}


def text_batch(encoder, texts):
    """Texts as the encoder tokenizes them, padded to the longest."""
    rows = [torch.from_numpy(row) for row in encoder.tokenize(texts)]
    mask = pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in rows], batch_first=True)
    return {"token_ids": pad_sequence(rows, batch_first=True), "mask": mask}


def run(encoder, batch):
    """What comes out of the trunk, and what out of the tail, which is handed no more than what crosses the cut."""
    encoder.tail.eval()
    crossing = encoder.trunk(batch)
    handed = {name: crossing[name] for name in (*encoder.crossing, "mask") if name in crossing}
    return crossing, encoder.tail(handed)


@torch.no_grad()
def randomise(*modules):
    """Give weights and statistics noise: fresh norms, and a fresh ResNet's blocks, could be left out unnoticed."""
    torch.manual_seed(3)
    for name, value in (item for module in modules for item in module.state_dict().items()):
        if value.is_floating_point():
            fan_in = math.prod(value.shape[1:])
            noise = torch.randn_like(value) / (2 * fan_in**0.5)
            value.copy_(value + noise if "running_var" not in name else noise.abs() + 0.5)


def check_gradients(encoder, batch):
    """Gradients reach all of the tail that can be trained, and nothing of the trunk."""
    _, output = run(encoder, batch)
    assert output["pooled"].requires_grad == bool(len(encoder.tail))
    if len(encoder.tail):
        (output["pooled"] * torch.arange(encoder.width)).sum().backward()
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in encoder.tail.parameters())
    assert all(parameter.grad is None for parameter in encoder.trunk.parameters())


def check_bfloat16(encoder, batch):
    """The trunk in bfloat16 computes nearly what it computes in float32, and does so in bfloat16 throughout."""
    lowered = in_precision(encoder, "bfloat16")
    expected, output = encoder.trunk(batch), lowered.trunk(batch)
    for name in encoder.crossing:
        assert output[name].dtype == torch.bfloat16
        # bfloat16 keeps 8 bits of each number; over these few layers, its roundings add up to 1 or 2 % of the whole.
        error = torch.linalg.norm(output[name].float() - expected[name]) / torch.linalg.norm(expected[name])
        assert error < 0.05, name
    return lowered


def num_parameters(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
