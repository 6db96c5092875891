"""Mixed precision: on a CPU by its own autocast, which rounds as a GPU's does; the rest needs a GPU."""

import numpy as np
import pytest
import torch

from arms.device import Products
from arms.encoders.batch import move_batch
from arms.nn.classifier import CosineClassifier, cosine_logits
from arms.training import loop
from arms.training.losses import masked_loss
from tests.fakes import CPU, NEVER_TRAINED, OF_OTHER_COUNTS, make_queries, make_router

MADE = make_queries(96)
ONE = {"tunable_layers": 1}


def mixed(net, batch, profiles, outcomes):
    """Logits, gate and gradients under autocast, and the logits without."""
    plain = net(batch, profiles).detach()
    with torch.autocast("cpu", torch.bfloat16):
        logits, gate = net.forward_with_gate(batch, profiles)
    masked_loss(logits, torch.from_numpy(outcomes)).backward()
    return logits, gate, plain


@pytest.mark.parametrize("top_k", [1, 2])
@pytest.mark.parametrize("fusion", ["pooled", "tokens", "concat"])
def test_logits_and_gradients_stay_finite_and_in_float32(fusion, top_k):
    router = make_router(router={"fusion": fusion, "top_k": top_k}, image=ONE, text=ONE)
    net, data = router.net.train(), MADE.label(router.encoders)
    batch = data.queries.batch(np.arange(32)).to(CPU)
    logits, gate, plain = mixed(net, batch, move_batch(router.profile_batch, CPU), data.outcomes[:32])
    assert logits.dtype == torch.float32
    torch.testing.assert_close(gate.sum(dim=1).float(), torch.ones(32), atol=0.01, rtol=0)
    assert 0 < (logits - plain).abs().max() < 0.1  # bfloat16 was at work, and little is lost
    learned = {name: of for name, of in net.named_parameters() if name not in OF_OTHER_COUNTS | NEVER_TRAINED}
    for name, parameter in learned.items():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32, name
        assert torch.isfinite(parameter.grad).all(), name
    assert any(parameter.grad.abs().max() > 0 for parameter in net.image_tail.parameters())


def test_the_classifier_computes_in_float32_under_autocast():
    torch.manual_seed(0)
    settings = {"project_profiles": True, "logit_scale": 4.0, "learn_logit_scale": True}
    classifier = CosineClassifier(16, -5.0, 5.0, **settings)
    question, fused, profiles = torch.randn(8, 16), torch.randn(8, 16), torch.randn(3, 16)
    plain = classifier(question, fused, profiles)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(classifier(question, fused, profiles), plain)


def train(monkeypatch, precision, **changes):
    """Train a router on the CPU with a step's products in a precision; its net and logs."""
    router = make_router(image=ONE, text=ONE, train=changes, epochs=8)
    if precision is not None:
        monkeypatch.setattr(loop, "choose_products", lambda *_, **__: Products(CPU, precision))
    return router, list(router.train(MADE.label(router.encoders)))


@pytest.mark.parametrize("wanted", ["float32", "tf32", "bfloat16"])
def test_the_setting_changes_no_bit_on_a_cpu(monkeypatch, wanted):
    auto, other = (train(monkeypatch, None, gpu_precision=precision)[0].net for precision in ("auto", wanted))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in auto.state_dict().items())


def test_a_router_learns_in_mixed_precision(monkeypatch):
    plain, plain_logs = train(monkeypatch, "float32")
    router, logs = train(monkeypatch, "bfloat16")
    assert logs[-1].train_loss < logs[0].train_loss - 0.1
    assert logs[-1].train_loss == pytest.approx(plain_logs[-1].train_loss, abs=0.05)
    assert {value.dtype for value in router.net.state_dict().values()} == {torch.float32}
    assert not torch.equal(plain.net.gate.project.weight, router.net.gate.project.weight)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_a_gpu_trains_in_each_precision(precision):
    gpu = torch.device("cuda")
    router = make_router(image=ONE, text=ONE, train={"gpu_precision": precision}, epochs=8)
    router.device = gpu
    before = torch.backends.cuda.matmul.fp32_precision
    data = MADE.label(router.encoders)
    logs = list(router.train(data))
    assert torch.backends.cuda.matmul.fp32_precision == before
    assert logs[-1].train_loss < logs[0].train_loss - 0.1
    assert {value.dtype for value in router.net.state_dict().values()} == {torch.float32}
    on_gpu = router.score(data.queries)
    router.device = CPU
    np.testing.assert_allclose(router.score(data.queries), on_gpu, atol=1e-3)


@pytest.mark.gpu
def test_a_cosine_of_almost_one_is_exact_on_a_gpu_with_tf32():
    z = torch.tensor([[1.0, 0.014142842]])  # a cosine of 0.9999 with the first axis
    with Products(torch.device("cuda"), "tf32").step():
        logit = cosine_logits(z.cuda(), torch.tensor([[1.0, 0.0]]).cuda(), -20.0, 20.0).item()
    assert logit == pytest.approx(np.arctanh(0.9999), abs=1e-2)
