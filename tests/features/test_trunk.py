"""Running the trunk: batches that do not fit in memory, and a GPU where there is one."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from arms.features.arrays import Ragged
from arms.features.trunk import TrunkRunner, run_trunk
from tests.fakes import CPU, QUESTIONS, make_encoders, make_queries

OUT_OF_MEMORY = {
    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: not enough memory"),
    "numpy": MemoryError(),
}


class Limited(nn.Module):
    """Fails on batches larger than a limit."""

    def __init__(self, limit, error):
        super().__init__()
        self.limit, self.error = limit, error
        self.sizes = []

    def forward(self, batch):
        size = len(next(iter(batch.values())))
        self.sizes.append(size)
        if size > self.limit:
            raise self.error
        return batch


def limited(encoder, limit, error):
    return replace(encoder, trunk=nn.Sequential(Limited(limit, error), *encoder.trunk))


def inputs_of(encoder, modality, count=11):
    if modality == "image":
        return [encoder.read(picture) for picture in make_queries(count).pictures]
    return encoder.tokenize([QUESTIONS[n % 4] + " dots" * (n % 3) for n in range(count)])


@pytest.mark.parametrize("modality", ["image", "text"])
@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_batch_that_does_not_fit_is_halved(modality, error, caplog):
    encoder = getattr(make_encoders(**{modality: {"tunable_layers": 1}}), modality)
    inputs = inputs_of(encoder, modality)
    expected = run_trunk(encoder, inputs, CPU)["states"]
    small = limited(encoder, 3, OUT_OF_MEMORY[error])
    runner = TrunkRunner(small, CPU)
    with caplog.at_level(logging.WARNING):
        got = runner.finish(runner.start(inputs))["states"]
    assert [record.message for record in caplog.records] == [
        "a batch of 11 does not fit in memory; going on with 5",
        "a batch of 5 does not fit in memory; going on with 2",
    ]
    if isinstance(expected, Ragged):
        np.testing.assert_array_equal(got.offsets, expected.offsets)
        got, expected = got.values, expected.values
    np.testing.assert_allclose(got.astype(float), expected.astype(float), atol=2e-3)
    caplog.clear()
    small.trunk[0].sizes.clear()
    runner.finish(runner.start(inputs))
    assert small.trunk[0].sizes == [2, 2, 2, 2, 2, 1]  # the size that failed is not tried again
    assert caplog.records == []


@pytest.mark.parametrize("error", [*OUT_OF_MEMORY.values(), RuntimeError("shapes cannot be multiplied")])
def test_what_halving_cannot_mend_is_raised(error):
    encoder = make_encoders(image={"tunable_layers": 1}).image
    runner = TrunkRunner(limited(encoder, 0, error), CPU)
    with pytest.raises(type(error)):
        runner.start(inputs_of(encoder, "image", 4))


@pytest.mark.gpu
@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_gpu_gives_what_the_cpu_gives(modality):
    encoder = getattr(make_encoders(**{modality: {"tunable_layers": 1}}), modality)
    inputs = inputs_of(encoder, modality)
    expected = run_trunk(encoder, inputs, CPU)["states"]
    runner = TrunkRunner(encoder, torch.device("cuda"))
    first, second = runner.start(inputs[:6]), runner.start(inputs[6:])  # both under way at once
    for parts, rows in ((first, slice(0, 6)), (second, slice(6, None))):
        wanted = expected[rows] if isinstance(expected, np.ndarray) else run_trunk(encoder, inputs[rows], CPU)["states"]
        got = runner.finish(parts)["states"]
        if isinstance(got, Ragged):
            got, wanted = got.values, wanted.values
        np.testing.assert_allclose(got.astype(float), wanted.astype(float), atol=5e-3)
    encoder.trunk.to("cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_compiled_trunk_gives_the_same():
    encoder = make_encoders(image={"tunable_layers": 1}).image
    inputs = inputs_of(encoder, "image")
    expected = run_trunk(encoder, inputs, CPU)["states"]
    runner = TrunkRunner(encoder, CPU, compiled=True)
    for batch, wanted in ((inputs, expected), (inputs[:5], expected[:5])):
        got = runner.finish(runner.start(batch))["states"]
        np.testing.assert_allclose(got.astype(float), wanted.astype(float), atol=2e-3)


@pytest.mark.parametrize(("architecture", "most"), [("convolutional", 8), ("transformer", 11)])
def test_a_cpu_computes_few_images_of_a_convolutional_net_at_a_time(architecture, most):
    encoder = make_encoders(image={"tunable_layers": 1}).image
    trunk = nn.Sequential(Limited(99, None), *encoder.trunk)
    if architecture == "convolutional":
        trunk[0].convolution = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    run_trunk(replace(encoder, trunk=trunk), inputs_of(encoder, "image"), CPU)
    assert trunk[0].sizes == [most, 11 - most][: 1 + (most < 11)]
