import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from arms.nn.classifier import CosineClassifier, cosine_logits


def make_classifier(width, limit, **settings):
    published = {"project_profiles": False, "logit_scale": 1.0, "learn_logit_scale": False}
    return CosineClassifier(width, -limit, limit, **{**published, **settings})


def test_equations_5_and_6_by_hand():
    torch.manual_seed(0)
    classifier = make_classifier(2, 5.0)
    with torch.no_grad():
        classifier.norm.weight.copy_(torch.tensor([1.0, 2.0, 0.5, 1.0]))
        classifier.norm.bias.copy_(torch.tensor([0.1, 0.0, -0.2, 0.3]))
        classifier.project.weight.copy_(torch.tensor([[1.0, 0.0, 2.0, -1.0], [0.0, 1.0, 1.0, 0.5]]))
    question, fused = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    profiles = np.array([[1.0, 0.0], [-3.0, 4.0], [0.0, -2.0]])
    joint = np.concatenate([question, fused])
    normed = (joint - joint.mean()) / np.sqrt(joint.var() + 1e-5)
    normed = normed * [1.0, 2.0, 0.5, 1.0] + [0.1, 0.0, -0.2, 0.3]
    z = np.array([normed[0] + 2 * normed[2] - normed[3], normed[1] + normed[2] + 0.5 * normed[3]])
    cosines = [z @ m / math.sqrt(z @ z) / math.sqrt(m @ m) for m in profiles]
    expected = [min(max(math.atanh(cosine), -5), 5) for cosine in cosines]
    got = classifier(*(torch.tensor(values).float() for values in (question[None], fused[None], profiles)))
    assert got.shape == (1, 3)
    assert got[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_projected_profiles_start_as_normalised_ones():
    torch.manual_seed(0)
    plain, projecting = (make_classifier(4, 5.0, project_profiles=project) for project in (False, True))
    projecting.norm.load_state_dict(plain.norm.state_dict())
    projecting.project.load_state_dict(plain.project.state_dict())
    question, fused, profiles = torch.randn(3, 4), torch.randn(3, 4), torch.randn(2, 4)
    normed = (profiles - profiles.mean(1, keepdim=True)) / (profiles.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(projecting(question, fused, profiles), plain(question, fused, normed))


def test_only_the_projection_separates_profiles_that_are_nearly_alike():
    torch.manual_seed(0)
    profiles = torch.ones(2, 8) + 0.01 * torch.randn(2, 8)
    question, fused = torch.randn(64, 8), torch.randn(64, 8)
    right = torch.stack([question[:, 0] > 0, question[:, 0] <= 0], dim=1).float()
    losses = []
    for project in (False, True):
        torch.manual_seed(1)
        classifier = make_classifier(8, 5.0, project_profiles=project)
        optimizer = torch.optim.Adam(classifier.parameters(), lr=0.02)
        for _ in range(100):
            loss = F.binary_cross_entropy_with_logits(classifier(question, fused, profiles), right)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[1] < 0.3 < 0.5 < losses[0]


@pytest.mark.parametrize("limit", [1.0, 5.0, 8.0])
def test_at_the_ends_values_and_gradients_are_finite(limit):
    z_ND = torch.tensor([[3.0, 4.0], [-3.0, -4.0], [4.0, -3.0]], requires_grad=True)
    profile_SD = torch.tensor([[3.0, 4.0], [6.0, 8.0]], requires_grad=True)  # cosines of 1, -1 and 0
    logits = cosine_logits(z_ND, profile_SD, -limit, limit)
    torch.testing.assert_close(logits[:2], torch.tensor([[limit] * 2, [-limit] * 2]), rtol=5e-3, atol=0)
    assert logits[2].abs().max() < 1e-6
    logits.sum().backward()
    for gradient in (z_ND.grad, profile_SD.grad):
        assert torch.isfinite(gradient).all()


def test_an_interval_that_is_not_symmetric():
    z_ND, profile_SD = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    logits = cosine_logits(z_ND, profile_SD, -1.0, 3.0).flatten()
    torch.testing.assert_close(logits, torch.tensor([3.0, -1.0]), rtol=1e-4, atol=0)


def test_a_vector_of_zeros_is_undecided():
    z_ND = torch.zeros(1, 3, requires_grad=True)
    logits = cosine_logits(z_ND, torch.ones(2, 3), -5.0, 5.0)
    logits.sum().backward()
    assert logits.tolist() == [[0, 0]]
    assert torch.isfinite(z_ND.grad).all()


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_inside_it_is_the_clamped_inverse_tangent(seed, scale):
    torch.manual_seed(seed)
    z_ND, profile_SD = torch.randn(4, 6) * scale, torch.randn(3, 6)
    z64, profile64 = z_ND.double(), profile_SD.double()
    cosine = torch.nn.functional.normalize(z64, dim=1) @ torch.nn.functional.normalize(profile64, dim=1).T
    expected = cosine.atanh().clamp(-2, 2).float()
    got = cosine_logits(z_ND, profile_SD, -2.0, 2.0)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(got, cosine_logits(z_ND * 7, profile_SD * 0.1, -2.0, 2.0), rtol=1e-4, atol=1e-4)


def test_under_bfloat16_it_is_float32():
    torch.manual_seed(0)
    z_ND = torch.randn(5, 8)
    profile_SD = z_ND[:2] + 0.01 * torch.randn(2, 8)  # cosines that bfloat16 rounds to 1
    plain = cosine_logits(z_ND, profile_SD, -8.0, 8.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = cosine_logits(z_ND, profile_SD, -8.0, 8.0)
        whole = make_classifier(8, 8.0)(z_ND, z_ND, profile_SD)
    assert mixed.dtype == whole.dtype == torch.float32
    assert torch.equal(mixed, plain)
    assert plain.max() < 8
    halves = cosine_logits(z_ND.bfloat16(), z_ND[:2].bfloat16(), -8.0, 8.0)
    assert halves.dtype == torch.float32
    assert torch.isfinite(halves).all()


def test_the_scale_stretches_logits_within_their_interval():
    torch.manual_seed(0)
    plain, scaled = make_classifier(8, 2.0), make_classifier(8, 2.0, logit_scale=4.0, learn_logit_scale=True)
    scaled.load_state_dict({**plain.state_dict(), "log_scale": scaled.log_scale})
    inputs = torch.randn(50, 8), torch.randn(50, 8), torch.randn(3, 8)
    torch.testing.assert_close(scaled(*inputs), (4 * plain(*inputs)).clamp(-2, 2))
    assert (scaled(*inputs).abs() == 2).any(), "some are at the ends"


@pytest.mark.parametrize("learn", [False, True])
def test_the_scale_learns_where_it_is_asked_to(learn):
    torch.manual_seed(0)
    classifier = make_classifier(8, 5.0, logit_scale=2.0, learn_logit_scale=learn)
    assert ("log_scale" in dict(classifier.named_parameters())) == learn
    assert classifier.state_dict()["log_scale"].exp().item() == pytest.approx(2)
    classifier(torch.randn(5, 8), torch.randn(5, 8), torch.randn(3, 8)).square().sum().backward()
    assert (classifier.log_scale.grad is not None) == learn
