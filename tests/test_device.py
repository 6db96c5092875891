import contextlib

import pytest
import torch
from torch import nn

from arms.device import Products, choose_device, choose_products, place, resolve_device
from arms.encoders.batch import QueryBatch, move_batch
from arms.errors import ArmsError


def test_choose_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    assert torch.are_deterministic_algorithms_enabled()
    assert resolve_device("auto") == resolve_device("cpu") == "cpu"
    with pytest.raises(
        ArmsError, match=r"runtime\.device: expected a CUDA GPU for 'cuda', found none; use auto or cpu"
    ):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert (resolve_device("auto"), resolve_device("cpu")) == ("cuda", "cpu")


@pytest.mark.parametrize("wanted", ["auto", "float32", "tf32", "bfloat16"])
def test_a_cpu_multiplies_in_float32(wanted):
    cpu = torch.device("cpu")
    assert choose_products(wanted, cpu, tunes_encoders=True) == Products(cpu, "float32")


@pytest.mark.parametrize(
    ("wanted", "capability", "tunes_encoders", "precision"),
    [
        ("auto", (8, 9), True, "bfloat16"),
        ("auto", (8, 9), False, "float32"),
        ("auto", (7, 5), True, "float32"),
        ("float32", (9, 0), True, "float32"),
        ("tf32", (8, 0), False, "tf32"),
        ("bfloat16", (8, 0), False, "bfloat16"),
    ],
)
def test_a_gpu_multiplies_as_asked(monkeypatch, wanted, capability, tunes_encoders, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda")
    assert choose_products(wanted, gpu, tunes_encoders=tunes_encoders) == Products(gpu, precision)


def test_a_gpu_without_the_precision_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Card")
    with pytest.raises(
        ArmsError, match=r"train\.gpu_precision: tf32 needs .* 8\.0 or more, got Card; use auto or float32"
    ):
        choose_products("tf32", torch.device("cuda"), tunes_encoders=True)


def test_only_a_step_multiplies_in_tf32():
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    with Products(torch.device("cpu"), "tf32").step():
        assert matmul.fp32_precision == "tf32"
    assert matmul.fp32_precision == before != "tf32"
    with contextlib.suppress(RuntimeError), Products(torch.device("cpu"), "tf32").step():
        raise RuntimeError("out of memory")
    assert matmul.fp32_precision == before
    with Products(torch.device("cpu"), "float32").step():
        assert matmul.fp32_precision == before


def test_batches_move_whole():
    meta = torch.device("meta")
    batch = {"pooled": torch.zeros(2, 3), "mask": torch.ones(2, 1, dtype=torch.bool)}
    assert {tensor.device for tensor in move_batch(batch, meta).values()} == {meta}
    moved = QueryBatch(batch, batch, torch.tensor([0, 1]), torch.tensor([1, 0])).to(meta)
    tensors = [*moved.images.values(), *moved.questions.values(), moved.image_NP, moved.question_N]
    assert {tensor.device for tensor in tensors} == {meta}


def test_half_precision_is_for_storage_alone():
    batch = {"states": torch.ones(2, 3, dtype=torch.float16), "token_ids": torch.ones(2, dtype=torch.int32)}
    moved = move_batch(batch, torch.device("cpu"))
    assert (moved["states"].dtype, moved["token_ids"].dtype) == (torch.float32, torch.int32)
    assert batch["states"].dtype == torch.float16


class TestPlace:
    def test_moves_and_evaluates(self):
        module = nn.Sequential(nn.Linear(2, 2), nn.Dropout()).train()
        place(module, torch.device("meta"))
        assert {parameter.device.type for parameter in module.parameters()} == {"meta"}
        assert not any(part.training for part in module.modules())

    def test_what_is_there_is_not_walked_through(self, monkeypatch):
        module = nn.Linear(2, 2).eval()
        monkeypatch.setattr(module, "_apply", lambda *_: pytest.fail("it is on its device already"))
        place(module, torch.device("cpu"))

    def test_without_weights(self):
        module = nn.Sequential().train()
        place(module, torch.device("cpu"))
        assert not module.training
