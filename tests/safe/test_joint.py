import numpy as np
import pytest
from scipy.special import expit, logit

from arms.data.query_forms import FORMS
from arms.safe.confidence import Confidence
from arms.safe.joint import SOURCES, Joint, gather_evidence
from arms.safe.memory import KERNELS
from arms.safe.trust import Trust, TrustByForm
from arms.safe.weights import Weights
from tests.safe.made import contrasts_of, directions, draw, evidence_of, queries_of, remember

BASE = np.array([0.4, 0.9, -0.2])
EVERYONE = np.ones(3, dtype=bool)
TRUST = Trust(0.5, 0.1, 5)


def forms_of(count):
    return np.full(count, FORMS[0])


def make_joint(trust=TRUST, shares=(1.0, 1.0, 1.0), seed=0):
    random = np.random.default_rng(seed)
    weights = Weights(random.random((len(SOURCES), 3)), np.array([0.3, 0.6]))
    confidence = Confidence(1.3, 0.7, -0.2, random.normal(size=len(SOURCES)))
    by_form = trust if isinstance(trust, TrustByForm) else TrustByForm.everywhere(trust)
    return Joint(BASE, np.array(shares), EVERYONE, weights, by_form, confidence)


def random_evidence(count=20, seed=1):
    random = np.random.default_rng(seed)
    return evidence_of(random.normal(size=(count, 3, len(SOURCES))), BASE, random.random(count))


def test_base_and_parts_are_the_scores():
    joint, evidence = make_joint(shares=(1.0, 0.5, 0.0)), random_evidence()
    parts = joint.parts(evidence)
    assert set(parts) == {"net", "neighbours"}
    np.testing.assert_allclose(BASE + sum(parts.values()), joint.scores(evidence))
    assert all(np.abs(part).max() > 0.1 for part in parts.values())


def test_the_formula():
    joint, evidence = make_joint(), random_evidence()
    weights, trust = joint.weights.at(evidence.novelty), joint.trust.at(evidence.novelty, evidence.forms)
    for i in range(3):
        for j in range(3):
            told = sum(weights[i, c] * evidence.contrasts[i, j, c] for c in range(len(SOURCES)))
            assert joint.scores(evidence)[i, j] == pytest.approx(BASE[j] + trust[i] * told)


def test_a_share_shrinks_only_the_nets_contrast_of_its_vlm():
    evidence = random_evidence()
    whole, shared = (make_joint(shares=shares).parts(evidence) for shares in ((1.0, 1.0, 1.0), (1.0, 1.0, 0.25)))
    np.testing.assert_allclose(shared["net"], whole["net"] * [1.0, 1.0, 0.25])
    np.testing.assert_array_equal(shared["neighbours"], whole["neighbours"])


def test_without_trust_the_best_single_vlm_decides():
    joint, evidence = make_joint(Trust(-1.0, 0.001, 5)), random_evidence()
    assert joint.default == 1
    np.testing.assert_array_equal(joint.scores(evidence), np.tile(BASE, (len(evidence), 1)))
    np.testing.assert_array_equal(joint.beats_default(joint.scores(evidence)), 0.5)
    assert (joint.confidences(evidence).argmax(axis=1) == 1).all()


def test_confidences_are_in_the_order_of_the_scores():
    joint, evidence = make_joint(), random_evidence()
    confidences, scores = joint.confidences(evidence), joint.scores(evidence)
    np.testing.assert_array_equal(confidences.argsort(axis=1), scores.argsort(axis=1))
    assert ((confidences >= 0) & (confidences <= 1)).all()


def test_the_chance_to_beat_the_default():
    joint = make_joint(Trust(9.0, 0.1, 5))
    evidence = evidence_of(contrasts_of(net=np.array([3.0, 0.0, 0.0])), BASE)
    (chance,) = joint.beats_default(joint.scores(evidence))
    gap = joint.scores(evidence)[0, 0] - BASE[1]
    assert gap > 0
    assert chance == pytest.approx(expit(gap))


@pytest.mark.parametrize("trust", [Trust(9.0, 0.1, 5), Trust(0.5, 0.1, 0), TrustByForm({"no image": TRUST})])
def test_as_arrays_and_back(trust):
    joint, evidence = make_joint(trust, shares=(1.0, 0.5, 0.0)), random_evidence()
    read = Joint.from_arrays(joint.to_arrays(), joint.trust.to_json())
    np.testing.assert_array_equal(read.scores(evidence), joint.scores(evidence))
    np.testing.assert_array_equal(read.confidences(evidence), joint.confidences(evidence))
    np.testing.assert_array_equal(read.old, joint.old)
    assert read.trust == joint.trust


def test_what_net_and_memory_say():
    vectors = directions(40)
    memory = remember(vectors, draw(np.full((40, 3), 0.5), 1))
    found = memory.search(queries_of(vectors[:5]).embeddings)
    confidence = expit(BASE + 0.5 + np.array([[1.0, -1.0, 0.0]] * 5))
    evidence = gather_evidence(confidence, memory, found, forms_of(len(confidence)), BASE, EVERYONE)
    assert evidence.contrasts.shape == (5, 3, 1 + len(KERNELS))
    assert evidence.levels.shape == (5, 1 + len(KERNELS))
    np.testing.assert_allclose(evidence.contrasts[:, :, 0], [[1.0, -1.0, 0.0]] * 5, atol=1e-9)
    np.testing.assert_allclose(evidence.levels[:, 0], 0.5)
    local = memory.local_rates(found, BASE)
    np.testing.assert_array_equal(evidence.contrasts[:, :, 1:], local.contrasts)
    np.testing.assert_array_equal(evidence.levels[:, 1:], local.levels)


def test_a_net_that_is_quite_sure_stays_finite():
    vectors = directions(10)
    memory = remember(vectors, draw(np.full((10, 3), 0.5), 1))
    found = memory.search(queries_of(vectors[:2]).embeddings)
    sure = np.array([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]], dtype=np.float32)
    evidence = gather_evidence(sure, memory, found, forms_of(len(sure)), logit(np.array([0.5, 0.5, 0.5])), EVERYONE)
    assert np.isfinite(evidence.contrasts).all()
    assert evidence.contrasts[0, 0, 0] > 5 > -5 > evidence.contrasts[0, 1, 0]
