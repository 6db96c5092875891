import pytest
import torch

from arms.device import choose_device, resolve_device
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


def test_batches_move_whole():
    meta = torch.device("meta")
    batch = {"pooled": torch.zeros(2, 3), "mask": torch.ones(2, 1, dtype=torch.bool)}
    assert {tensor.device for tensor in move_batch(batch, meta).values()} == {meta}
    moved = QueryBatch(batch, batch, torch.tensor([0, 1]), torch.tensor([1, 0])).to(meta)
    tensors = [*moved.images.values(), *moved.questions.values(), moved.image_N, moved.question_N]
    assert {tensor.device for tensor in tensors} == {meta}


def test_half_precision_is_for_storage_alone():
    batch = {"states": torch.ones(2, 3, dtype=torch.float16), "token_ids": torch.ones(2, dtype=torch.int32)}
    moved = move_batch(batch, torch.device("cpu"))
    assert (moved["states"].dtype, moved["token_ids"].dtype) == (torch.float32, torch.int32)
    assert batch["states"].dtype == torch.float16
