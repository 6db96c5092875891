import numpy as np

from arms.safe.evidence import Evidence, centred
from tests.safe.made import evidence_of


def test_contrasts_and_level_are_the_logits_again():
    random = np.random.default_rng(0)
    logits, base, old = random.normal(size=(5, 4)), random.normal(size=4), np.array([True, True, True, False])
    contrasts, levels = centred(logits, base, old)
    np.testing.assert_allclose(base + levels[:, None] + contrasts, logits)
    np.testing.assert_allclose(contrasts[:, old].mean(axis=1), 0, atol=1e-12)


def test_a_vlm_that_does_not_count_leaves_the_others_as_they_are():
    logits, base, old = np.array([[1.0, 2.0, 0.0]]), np.zeros(3), np.array([True, True, False])
    with_other = centred(np.array([[1.0, 2.0, 9.0]]), base, old)
    np.testing.assert_array_equal(with_other[0][:, :2], centred(logits, base, old)[0][:, :2])
    np.testing.assert_array_equal(with_other[1], [1.5])


def test_joined_and_divided():
    random = np.random.default_rng(0)
    parts = [evidence_of(random.normal(size=(size, 3, 2)), novelty=random.random(size)) for size in (2, 0, 4)]
    whole = Evidence.joined(parts)
    assert len(whole) == 6
    last = whole.subset(np.arange(2, 6))
    for name in ("base", "contrasts", "levels", "novelty"):
        np.testing.assert_array_equal(getattr(last, name), getattr(parts[2], name))
