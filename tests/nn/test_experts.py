import math

import numpy as np
import pytest
import torch

from arms.nn.experts import CrossAttention, ExpertLinear, ExpertNorm, FusionExperts, attend_to_numbers, mix_experts

EXPERTS = 2


def make_experts(fusion, text_width=3, key_width=4, seed=0, **settings):
    torch.manual_seed(seed)
    sizes = {"num_heads": 2, "attention_width": 6, "ffn_width": 5, "dropout": 0.0, "max_images": 3}
    experts = FusionExperts(EXPERTS, text_width, key_width, fusion=fusion, **{**sizes, **settings})
    with torch.no_grad():
        for parameter in experts.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return experts


def weights_of(experts, expert):
    """One expert's part of the shared tensors."""
    whole = {name: value.numpy().astype(np.float64) for name, value in experts.state_dict().items()}
    shares = {name: np.split(value, EXPERTS)[expert] for name, value in whole.items()}
    weights = {name: share for name, share in shares.items() if name.startswith("attention")}
    for layer, place in (("norm", 0), ("in", 1), ("out", 4)):
        weights |= {f"{layer}.weight": shares[f"ffn.{place}.weight"], f"{layer}.bias": shares[f"ffn.{place}.bias"]}
    for layer in ("in", "out"):
        weights[f"{layer}.weight"] = weights[f"{layer}.weight"][0].T
    return weights


def each(experts):
    return [weights_of(experts, expert) for expert in range(EXPERTS)]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(x, weights, name):
    centred = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return centred * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attend(question, tokens, weights, num_heads):
    """One question over one image's tokens, head by head."""
    query = linear(question, weights, "attention.query")
    key, value = linear(tokens, weights, "attention.key"), linear(tokens, weights, "attention.value")
    width = len(query) // num_heads
    seen = []
    for head in range(num_heads):
        part = slice(head * width, (head + 1) * width)
        logits = key[:, part] @ query[part] / math.sqrt(width)
        share = np.exp(logits - logits.max())
        seen.append(share / share.sum() @ value[:, part])
    return np.concatenate(seen)


def feed_forward(question, seen, weights):
    joint = layer_norm(np.concatenate([question, seen]), weights, "norm")
    return linear(gelu(linear(joint, weights, "in")), weights, "out")


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 3)), rng.normal(size=(2, 5, 4))  # two questions, two images of five tokens


def run(experts, question_ND, images_MTD, image_N=(0, 1)):
    tensors = (torch.tensor(values).float() for values in (question_ND, images_MTD))
    return experts(*tensors, torch.tensor(image_N)[:, None]).detach().numpy()


@pytest.mark.parametrize("fusion", ["tokens", "pooled", "concat", "outer"])
def test_questions_that_share_an_image(inputs, fusion):
    question_ND, images_MTD = inputs
    images_MTD = images_MTD if fusion == "tokens" else images_MTD[:, :1]
    experts = make_experts(fusion)
    questions = np.concatenate([question_ND, question_ND])
    found = run(experts, questions, images_MTD, (1, 0, 1, 1))
    expected = run(experts, questions, images_MTD[[1, 0, 1, 1]], (0, 1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_equation_4_by_hand(inputs):
    question_ND, image_NTD = inputs
    experts = make_experts("tokens")
    expected = [
        [feed_forward(q, attend(q, x, weights, 2), weights) for weights in each(experts)]
        for q, x in zip(*inputs, strict=True)
    ]
    np.testing.assert_allclose(run(experts, question_ND, image_NTD), expected, rtol=1e-4, atol=1e-5)


def test_pooled_attention_is_its_value_projection(inputs):
    """The softmax over one vector is always 1, so the published form attends to nothing."""
    question_ND, image_NTD = inputs
    pooled = image_NTD[:, :1]
    attention = CrossAttention(3, 4, 6, num_heads=2, num_places=1)
    seen = attention(torch.tensor(question_ND).float(), torch.tensor(pooled).float(), torch.arange(2)[:, None])
    torch.testing.assert_close(seen, attention.value(torch.tensor(pooled[:, 0]).float()))
    experts = make_experts("pooled")
    expected = [
        [feed_forward(q, linear(x[0], weights, "attention.value"), weights) for weights in each(experts)]
        for q, x in zip(question_ND, pooled, strict=True)
    ]
    np.testing.assert_allclose(run(experts, question_ND, pooled), expected, rtol=1e-4, atol=1e-5)


def test_concat_by_hand(inputs):
    question_ND, image_NTD = inputs
    experts = make_experts("concat")
    assert experts.attention is None
    expected = [
        [feed_forward(q, x[0], weights) for weights in each(experts)]
        for q, x in zip(question_ND, image_NTD, strict=True)
    ]
    np.testing.assert_allclose(run(experts, question_ND, image_NTD[:, :1]), expected, rtol=1e-4, atol=1e-5)


def attend_by_hand(question, image):
    """A row of weights for each number of the question, over the numbers of the image."""
    logits = np.outer(question, image) / math.sqrt(len(question))
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True) @ image


def test_outer_by_hand(inputs):
    question_ND, image_NTD = inputs
    experts = make_experts("outer")
    assert experts.attention is None
    expected = [
        [feed_forward(q, attend_by_hand(q, x[0]), weights) for weights in each(experts)]
        for q, x in zip(question_ND, image_NTD, strict=True)
    ]
    np.testing.assert_allclose(run(experts, question_ND, image_NTD[:, :1]), expected, rtol=1e-4, atol=1e-5)


class TestAttendToNumbers:
    def test_small_numbers_worked_out(self):
        """With d_q = 4 the numbers of g = (0, 1) have weights 1 and e^(q / 2): 1 to 1, 1 to 3, and 1 to 1/3."""
        question = torch.tensor([[0, 2 * math.log(3), -2 * math.log(3), 0]])
        seen = attend_to_numbers(question, torch.tensor([[0.0, 1.0]]))
        torch.testing.assert_close(seen, torch.tensor([[1 / 2, 3 / 4, 1 / 4, 1 / 2]]))

    def test_it_is_the_slope_of_a_log_sum_exp(self):
        """d/da log sum exp(a g) is the mean of g under weights exp(a g): another way to the same numbers."""
        a_NQ = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
        image_NG = torch.randn(3, 4, dtype=torch.float64)
        (slope,) = torch.autograd.grad((a_NQ[:, :, None] * image_NG[:, None]).logsumexp(dim=-1).sum(), a_NQ)
        torch.testing.assert_close(attend_to_numbers(a_NQ.detach() * math.sqrt(5), image_NG), slope)

    def test_its_gradient(self):
        torch.manual_seed(0)
        question, image = (torch.randn(2, width, dtype=torch.float64, requires_grad=True) for width in (5, 4))
        assert torch.autograd.gradcheck(attend_to_numbers, (question, image))

    @pytest.mark.parametrize("size", [1e4, 1e30])
    def test_large_numbers_choose_the_largest_and_the_smallest(self, size):
        question = torch.tensor([[size, -size]], requires_grad=True)
        seen = attend_to_numbers(question, torch.tensor([[-3.0, 0.5, 2.0]]))
        assert seen.tolist() == [[2, -3]]
        seen.sum().backward()
        assert question.grad.isfinite().all()

    def test_it_stays_in_float32_under_mixed_precision(self):
        question, image = torch.randn(2, 6), torch.randn(2, 4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = attend_to_numbers(question.bfloat16().float(), image)
            assert attend_to_numbers(question.bfloat16(), image.bfloat16()).dtype == torch.float32
        torch.testing.assert_close(mixed, attend_to_numbers(question.bfloat16().float(), image), rtol=0, atol=0)

    def test_the_weights_are_never_stored(self):
        """Of 64 queries of the published widths they would take 100 MB, and as much again in the backward pass."""
        question, image = (torch.randn(64, width, requires_grad=True) for width in (768, 512))
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.nbytes) or x, lambda x: x):
            attend_to_numbers(question, image).sum().backward()
        assert sum(saved) < 2e6


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("fusion", ["tokens", "concat", "outer"])
def test_gradients_are_the_same_bit_by_bit_in_every_run(fusion):
    """The batches are large enough for several threads; training must still end with the same weights each time."""
    experts = make_experts(fusion, text_width=64, key_width=256, attention_width=128, num_heads=4)
    images_MTD = torch.randn(40, 16 if fusion == "tokens" else 1, 256)
    questions, image_N = torch.randn(256, 64), torch.randint(0, 40, (256, 1))
    found = set()
    for _ in range(20):
        images = images_MTD.clone().requires_grad_()
        experts.zero_grad()
        experts(questions, images, image_N).square().sum().backward()
        gradients = [images.grad, *(parameter.grad for parameter in experts.parameters())]
        # That of the places of further images has none here.
        found.add(hash(tuple(gradient.numpy().tobytes() for gradient in gradients if gradient is not None)))
    assert len(found) == 1


def test_the_order_of_tokens_does_not_matter(inputs):
    question_ND, image_NTD = inputs
    experts = make_experts("tokens")
    reordered = image_NTD[:, [3, 1, 4, 0, 2]]
    np.testing.assert_allclose(run(experts, question_ND, image_NTD), run(experts, question_ND, reordered), atol=1e-5)


def test_dropout_is_off_in_evaluation(inputs):
    experts = make_experts("tokens", dropout=0.5)
    assert not np.allclose(run(experts, *inputs), run(experts, *inputs))
    experts.eval()
    np.testing.assert_array_equal(run(experts, *inputs), run(experts, *inputs))


def test_mix_experts_by_hand():
    gate_NE = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    fused_NED = torch.tensor([[[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]], [[1.0, 1.0, 1.0], [9.0, 9.0, 9.0]]])
    assert mix_experts(gate_NE, fused_NED).tolist() == [[4, 5, 6], [1, 1, 1]]


@pytest.mark.parametrize("shape", [(3, 2, 4), (2, 3, 4)])
def test_mix_experts_that_disagree(shape):
    with pytest.raises(ValueError, match=r"gate is \(2, 2\), fused vectors are .*: N and E must agree"):
        mix_experts(torch.ones(2, 2) / 2, torch.zeros(shape))


def test_layers_start_as_those_of_torch_and_have_one_dimensional_biases():
    """Each expert starts as a separate one would, and the optimiser decays only matrices."""
    torch.manual_seed(0)
    layer, norm = ExpertLinear(3, 64, 50), ExpertNorm(3, 64)
    single = torch.nn.Linear(64, 50)
    assert layer.weight.abs().max().item() == pytest.approx(single.weight.abs().max().item(), rel=0.01)
    assert layer.weight.std().item() == pytest.approx(single.weight.std().item(), rel=0.05)
    assert [p.ndim for p in (layer.bias, norm.weight, norm.bias)] == [1, 1, 1]
    x_NED = torch.randn(2, 3, 64)
    torch.testing.assert_close(norm(x_NED), torch.nn.LayerNorm(64)(x_NED))
