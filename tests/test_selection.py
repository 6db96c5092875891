"""Selection policies: by hand, and the vectorised cascade against a literal Algorithm 1."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.selection import POLICIES, ranking, select

ARGMAX = {"name": "argmax"}


def algorithm_1(confidence, known, base, theta):
    """Algorithm 1 of arXiv:2606.08970 for one query, in plain Python."""
    original = [j for j in range(len(confidence)) if j in base and known[j]]
    new = [j for j in range(len(confidence)) if j not in base and known[j]]
    c_max, m_best = -np.inf, -1
    for j in original:  # lines 1 and 2
        if confidence[j] > c_max:
            c_max, m_best = confidence[j], j
    if c_max > theta:  # lines 3 and 4
        return m_best
    for j in new:  # lines 6 to 8
        if confidence[j] > c_max:
            c_max, m_best = confidence[j], j
    return m_best


@st.composite
def cases(draw):
    num_queries, num_vlms = draw(st.integers(0, 12)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Few distinct values, so that ties within a pool, across pools and with theta are common.
    levels = draw(st.sampled_from([3, 5, 1000]))
    confidence = (rng.integers(0, levels, (num_queries, num_vlms)) / (levels - 1)).astype(np.float32)
    known = rng.random((num_queries, num_vlms)) < draw(st.sampled_from([0.3, 0.8, 1.0]))
    base = [j for j in range(num_vlms) if draw(st.booleans())]
    theta = draw(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 0.9]))
    return confidence, known, base, theta


@settings(deadline=None, max_examples=300)
@given(cases(), st.booleans())
def test_cascade_is_algorithm_1(case, masked):
    confidence, known, base, theta = case
    vlms = [f"vlm-{j}" for j in range(confidence.shape[1])]
    policy = {"name": "cascade", "theta": theta, "base": [vlms[j] for j in base]}
    chosen = select(confidence, policy, vlms, known if masked else None)
    if not masked:
        known = np.ones_like(known)
    expected = [algorithm_1(confidence[i], known[i], set(base), theta) for i in range(len(confidence))]
    assert chosen.dtype == np.int64
    assert chosen.tolist() == expected


@settings(deadline=None, max_examples=100)
@given(cases(), st.sampled_from(sorted(POLICIES)), st.randoms())
def test_reordering_queries_reorders_selections(case, name, random):
    confidence, known, base, theta = case
    vlms = [f"vlm-{j}" for j in range(confidence.shape[1])]
    policy = {"argmax": ARGMAX, "cascade": {"name": name, "theta": theta, "base": [vlms[j] for j in base]}}[name]
    order = random.sample(range(len(confidence)), len(confidence))
    chosen = select(confidence, policy, vlms, known)
    np.testing.assert_array_equal(select(confidence[order], policy, vlms, known[order]), chosen[order])
    picked = chosen >= 0
    np.testing.assert_array_equal(picked, known.any(axis=1))
    assert known[picked, chosen[picked]].all()


def test_argmax_takes_the_first_of_equals():
    confidence = np.array([[0.2, 0.7, 0.7], [0.5, 0.5, 0.5], [0.0, 0.0, 0.1]])
    assert select(confidence, ARGMAX, "abc").tolist() == [1, 0, 2]


def test_unknown_outcomes_are_not_chosen():
    confidence = np.array([[0.2, 0.7, 0.9], [0.5, 0.4, 0.3]])
    known = np.array([[True, True, False], [False, False, False]])
    assert select(confidence, ARGMAX, "abc", known).tolist() == [1, -1]


def test_cascade_by_hand():
    confidence = np.array(
        [
            [0.6, 0.1, 0.99],  # Phi is sure: the better new VLM is not looked at
            [0.5, 0.1, 0.51],  # exactly theta is not above it
            [0.3, 0.4, 0.40],  # a tie stays with the base VLM
        ],
        dtype=np.float32,
    )
    assert select(confidence, {"name": "cascade", "theta": 0.5, "base": ["a", "b"]}, "abc").tolist() == [0, 2, 1]


def test_a_confidence_stored_as_theta_does_not_exceed_it():
    confidence = np.array([[0.6, 0.9]], dtype=np.float32)
    assert confidence[0, 0] > np.float64(0.6)  # rounding to float32 went up
    for theta in (0.6, np.float64(0.6)):
        assert select(confidence, {"name": "cascade", "theta": theta, "base": ["a"]}, "ab").tolist() == [1]


@pytest.mark.parametrize("base", [[], ["a", "b", "c"]])
def test_cascade_with_one_pool_empty_is_argmax(base):
    confidence = np.array([[0.1, 0.3, 0.2], [0.9, 0.8, 0.9]])
    policy = {"name": "cascade", "theta": 0.5, "base": base}
    np.testing.assert_array_equal(select(confidence, policy, "abc"), select(confidence, ARGMAX, "abc"))


def test_ranking_puts_the_choice_first_and_the_rest_by_confidence():
    confidence = np.array([[0.6, 0.1, 0.99, 0.1], [0.2, 0.2, 0.2, 0.2]])
    policy = {"name": "cascade", "theta": 0.5, "base": ["a", "b"]}
    assert ranking(confidence, policy, "abcd").tolist() == [[0, 2, 1, 3], [0, 1, 2, 3]]
    assert ranking(confidence, ARGMAX, "abcd").tolist() == [[2, 0, 1, 3], [0, 1, 2, 3]]
    assert ranking(np.zeros((0, 4)), ARGMAX, "abcd").shape == (0, 4)


def test_ranking_keeps_equals_in_pool_order_in_a_large_pool():
    confidence = np.tile([0.2, 0.8], 20)[None]
    expected = [*range(1, 40, 2), *range(0, 40, 2)]
    assert ranking(confidence, ARGMAX, range(40)).tolist() == [expected]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"name": "oracle"}, "unknown name 'oracle'; known: argmax, cascade"),
        ({}, "unknown name None"),
        ({"name": "cascade", "theta": 0.5}, r"expected the settings \(base, theta\), got \(theta\)"),
        ({"name": "argmax", "theta": 0.5}, r"expected the settings \(none\), got \(theta\)"),
        ({"name": "cascade", "theta": 1.5, "base": ["a"]}, r"theta: expected a number in \[0, 1\], got 1.5"),
        ({"name": "cascade", "theta": "0.5", "base": ["a"]}, "theta: expected a number"),
        ({"name": "cascade", "theta": 0.5, "base": ["z"]}, "base: expected names among a, b"),
        ({"name": "cascade", "theta": 0.5, "base": "ab"}, "base: expected names among a, b"),
    ],
)
def test_refuses_a_policy(policy, message):
    with pytest.raises(ValueError, match=message):
        select(np.zeros((1, 2)), policy, ["a", "b"])


@pytest.mark.parametrize(
    ("confidence", "known", "message"),
    [
        (np.zeros((2, 3)), None, r"expected confidence of shape \(N, 2\)"),
        (np.zeros(2), None, r"expected confidence of shape \(N, 2\)"),
        (np.array([[0.1, np.nan]]), None, "finite confidences, got 1 NaN"),
        (np.zeros((1, 2)), np.ones((2, 2), bool), r"known as bool of shape \(1, 2\)"),
        (np.zeros((1, 2)), np.ones((1, 2), int), "known as bool"),
    ],
)
def test_refuses_arrays(confidence, known, message):
    with pytest.raises(ValueError, match=message):
        select(confidence, ARGMAX, ["a", "b"], known)


def test_an_empty_pool_is_an_error():
    with pytest.raises(ValueError, match="one or more VLMs"):
        select(np.zeros((3, 0)), ARGMAX, [])
