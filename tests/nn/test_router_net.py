import numpy as np
import pytest
import torch

from arms.encoders.batch import move_batch
from arms.errors import ArmsError
from arms.features.online import encode_queries, encode_texts
from arms.nn.router_net import RouterNet
from tests.fakes import CPU, QUESTIONS, make_encoders, make_queries, router_params

TEXTS = ["counter", "reader", "painter"]


def make_net(image=None, text=None, **router):
    """A net with its encoders, and three profiles."""
    encoders = make_encoders(image, text)
    torch.manual_seed(0)
    net = RouterNet(encoders.image, encoders.text, router_params(**router)).eval()
    return net, encoders, move_batch(encode_texts(encoders, TEXTS, CPU).take(np.arange(3)), CPU)


def run(net, encoders, profiles, pictures, questions):
    made = make_queries(len(pictures))
    queries = type(made)(pictures, questions, made.outcomes).encode(encoders)
    with torch.inference_mode():
        return net(queries.batch(np.arange(len(pictures))).to(CPU), profiles)


@pytest.mark.parametrize("layers", [0, 1, "all"])
@pytest.mark.parametrize("fusion", ["pooled", "tokens", "concat"])
def test_shapes(fusion, layers):
    made = make_queries(7)
    net, encoders, profiles = make_net({"tunable_layers": layers}, {"tunable_layers": layers}, fusion=fusion)
    batch = made.encode(encoders).batch(np.arange(7)).to(CPU)
    encoded = net.encode_queries(batch)
    assert (encoded.question_ND.shape, encoded.image_ND.shape) == ((7, 8), (7, 8))
    assert encoded.tokens_MTD.shape == ((7, 4, 8) if fusion == "tokens" else (7, 1, 8))
    assert encoded.image_NP.shape == (7, 1)
    fused_ND, gate_NE = net.fuse(encoded)
    assert (fused_ND.shape, gate_NE.shape) == ((7, 8), (7, 2))
    logits = net(batch, profiles)
    assert (logits.shape, logits.dtype) == ((7, 3), torch.float32)
    assert net.encode_profiles(profiles).shape == (3, 8)


def test_it_is_gate_experts_and_classifier_over_the_tails():
    made = make_queries(5)
    net, encoders, profiles = make_net({"tunable_layers": 1}, {"tunable_layers": 1})
    batch = made.encode(encoders).batch(np.arange(5)).to(CPU)
    question_ND = net.text_tail(batch.questions)["pooled"][batch.question_N]
    image = {name: value[batch.image_NP[:, 0]] for name, value in net.image_tail(batch.images).items()}
    gate_NE = net.gate(question_ND, image["pooled"])
    fused_NED = net.experts(question_ND, image["tokens"], torch.arange(5)[:, None])
    fused_ND = sum(gate_NE[:, [n]] * fused_NED[:, n] for n in range(2))
    expected = net.classifier(question_ND, fused_ND, net.text_tail(profiles)["pooled"])
    torch.testing.assert_close(net(batch, profiles), expected)


@pytest.mark.parametrize("fusion", ["pooled", "tokens", "concat"])
def test_a_text_only_net_does_not_see_the_image(fusion):
    pictures = make_queries(4).pictures
    made = make_net(inputs="text", fusion=fusion)
    one, other = (run(*made, pictures[:2], list(QUESTIONS[:2])), run(*made, pictures[2:], list(QUESTIONS[:2])))
    assert torch.equal(one, other)
    assert not torch.equal(one, run(*made, pictures[:2], list(QUESTIONS[2:])))


@pytest.mark.parametrize("fusion", ["pooled", "tokens", "concat"])
def test_an_image_only_net_does_not_see_the_question(fusion):
    pictures = make_queries(4).pictures
    made = make_net(inputs="image", fusion=fusion)
    one, other = (run(*made, pictures[:2], list(QUESTIONS[:2])), run(*made, pictures[:2], list(QUESTIONS[2:])))
    assert torch.equal(one, other)
    assert not torch.equal(one, run(*made, pictures[2:], list(QUESTIONS[:2])))


def test_both_see_both():
    pictures = make_queries(4).pictures
    made = make_net()
    logits = run(*made, pictures[:2], list(QUESTIONS[:2]))
    assert not torch.equal(logits, run(*made, pictures[2:], list(QUESTIONS[:2])))
    assert not torch.equal(logits, run(*made, pictures[:2], list(QUESTIONS[2:])))


def test_a_query_scores_the_same_in_any_company():
    """Padding to the longest question and sharing of images change nothing."""
    made = make_queries(12)
    net, encoders, profiles = make_net({"tunable_layers": "all"}, {"tunable_layers": "all"})
    queries = made.encode(encoders)
    with torch.inference_mode():
        together = net(queries.batch(np.arange(12)).to(CPU), profiles)
        alone = torch.cat([net(queries.batch(np.array([i])).to(CPU), profiles) for i in range(12)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_a_vlm_scores_the_same_in_any_pool():
    made = make_queries(3)
    net, encoders, profiles = make_net(text={"tunable_layers": "all"})
    batch = made.encode(encoders).batch(np.arange(3)).to(CPU)
    part = encode_texts(encoders, TEXTS[1:2], CPU).take(np.array([0]))
    with torch.inference_mode():
        torch.testing.assert_close(net(batch, profiles)[:, [1]], net(batch, part), atol=1e-5, rtol=1e-4)


def test_every_parameter_belongs_to_the_head_or_a_tail():
    net, encoders, _ = make_net({"tunable_layers": 1}, {"tunable_layers": 1})
    head = {id(parameter) for parameter in net.head_parameters()}
    tails = {id(p) for encoder in (encoders.image, encoders.text) for p in encoder.tail.parameters()}
    assert head.isdisjoint(tails)
    assert head | tails == {id(parameter) for parameter in net.parameters()}
    assert net.experts.num_experts == 2


def test_token_fusion_needs_token_states():
    with pytest.raises(ArmsError, match=r"router\.fusion: tokens needs token states.*set image\.store_tokens: true"):
        make_net({"store_tokens": False}, fusion="tokens")
    make_net({"store_tokens": False}, fusion="pooled")
    make_net({"store_tokens": False, "tunable_layers": 1}, fusion="tokens")


def mixed_queries(encoders):
    """Queries with one, two, no, and (again) one image, encoded together and one by one."""
    made = make_queries(4)
    lists = [made.pictures[:1], made.pictures[1:3], [], made.pictures[:1]]
    questions = [QUESTIONS[0], QUESTIONS[1], QUESTIONS[2], ""]
    together = encode_queries(encoders, lists, questions, CPU)
    alone = [encode_queries(encoders, [of], [text], CPU) for of, text in zip(lists, questions, strict=True)]
    return together, alone


def seen(net):
    """The net with what stands for no image, and for places of further images, learned."""
    for parameter in (net.no_image_D, net.no_token_D, getattr(net.experts.attention, "later_places", None)):
        if parameter is not None:
            torch.nn.init.normal_(parameter)
    return net.eval()


@pytest.mark.parametrize("fusion", ["pooled", "tokens", "concat", "outer"])
@pytest.mark.parametrize("layers", [0, 1])
def test_queries_of_any_number_of_images_are_the_same_in_one_batch_as_alone(fusion, layers):
    net, encoders, profiles = make_net({"tunable_layers": layers}, fusion=fusion)
    together, alone = mixed_queries(encoders)
    logits = seen(net)(together.batch(np.arange(4)).to(CPU), profiles)
    for row, queries in enumerate(alone):
        torch.testing.assert_close(logits[[row]], net(queries.batch(np.arange(1)).to(CPU), profiles))


@pytest.mark.parametrize("fusion", ["pooled", "tokens", "concat", "outer"])
def test_several_images_are_seen_by_their_mean_and_in_their_order(fusion):
    net, encoders, profiles = make_net(fusion=fusion)
    pictures = make_queries(4).pictures
    lists = [[pictures[0], pictures[1]], [pictures[1], pictures[0]], [pictures[0], pictures[0]], [pictures[0]]]
    batch = encode_queries(encoders, lists, list(QUESTIONS[:1]) * 4, CPU).batch(np.arange(4)).to(CPU)
    one, turned, twice, once = net.eval()(batch, profiles)
    torch.testing.assert_close(one, turned)  # places are zeros until they are learned
    torch.testing.assert_close(twice, once)
    assert not torch.allclose(one, once)
    one, turned, *_ = seen(net)(batch, profiles)
    assert torch.allclose(one, turned, atol=1e-6) == (fusion != "tokens")


def test_what_stands_for_no_image_learns_only_from_queries_without_one():
    net, encoders, profiles = make_net(fusion="tokens")
    together, alone = mixed_queries(encoders)
    net(alone[0].batch(np.arange(1)).to(CPU), profiles).sum().backward()
    assert net.no_image_D.grad is None
    net(together.batch(np.arange(4)).to(CPU), profiles).sum().backward()
    assert net.no_image_D.grad.abs().sum() > 0
    assert net.no_token_D.grad.abs().sum() > 0
    assert net.experts.attention.later_places.grad[0].abs().sum() > 0
    assert {id(net.no_image_D), id(net.no_token_D)} <= {id(parameter) for parameter in net.head_parameters()}


@pytest.mark.parametrize("fusion", ["pooled", "tokens", "concat", "outer"])
def test_an_image_that_queries_share_is_projected_once(fusion):
    """While no query has several, sums over images come in the order in which they came before there were any."""
    net, encoders, _ = make_net(fusion=fusion)
    pictures = make_queries(2).pictures
    lists = [[pictures[1]], [pictures[0]], [pictures[1]], [pictures[0]], []]
    queries = encode_queries(encoders, lists, [QUESTIONS[0]] * 5, CPU)
    with_images = net.encode_queries(queries.batch(np.arange(4)).to(CPU))
    assert (len(with_images.tokens_MTD), with_images.image_NP.tolist()) == (2, [[0], [1], [0], [1]])
    encoded = net.encode_queries(queries.batch(np.arange(5)).to(CPU))
    assert (len(encoded.tokens_MTD), encoded.image_NP.tolist()) == (3, [[0], [1], [0], [1], [2]])
