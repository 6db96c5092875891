"""Selection policies: by hand, and against plain loops over queries and VLMs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.selection.select import POLICIES, ranking, select

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


def one_pool_after_another(confidence, known, pools, theta):
    """The cascade of any number of pools for one query, in plain Python."""
    c_max, m_best = -np.inf, -1
    for pool in pools:
        for j in range(len(confidence)):
            if j in pool and known[j] and confidence[j] > c_max:
                c_max, m_best = confidence[j], j
        if c_max > theta:
            return m_best
    return m_best


@st.composite
def cases(draw, num_pools=2):
    num_queries, num_vlms = draw(st.integers(0, 12)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Few distinct values, so that ties within a pool, across pools and with theta are common.
    levels = draw(st.sampled_from([3, 5, 1000]))
    confidence = (rng.integers(0, levels, (num_queries, num_vlms)) / (levels - 1)).astype(np.float32)
    known = rng.random((num_queries, num_vlms)) < draw(st.sampled_from([0.3, 0.8, 1.0]))
    pool_of = [draw(st.integers(0, num_pools - 1)) for _ in range(num_vlms)]  # a pool may be empty
    pools = [[j for j in range(num_vlms) if pool_of[j] == pool] for pool in range(num_pools)]
    theta = draw(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 0.9]))
    return confidence, known, pools, theta


def names(num_vlms):
    return [f"vlm-{j}" for j in range(num_vlms)]


def cascade_policy(pools, theta):
    return {"name": "cascade", "theta": theta, "pools": [[f"vlm-{j}" for j in pool] for pool in pools]}


def choose(confidence, known, pools, theta):
    """The cascade's choice, in numbers."""
    return select(confidence, cascade_policy(pools, theta), names(confidence.shape[1]), known)


@settings(deadline=None, max_examples=300)
@given(cases(), st.booleans())
def test_cascade_of_two_pools_is_algorithm_1(case, masked):
    confidence, known, pools, theta = case
    chosen = choose(confidence, known if masked else None, pools, theta)
    if not masked:
        known = np.ones_like(known)
    expected = [algorithm_1(confidence[i], known[i], set(pools[0]), theta) for i in range(len(confidence))]
    assert chosen.dtype == np.int64
    assert chosen.tolist() == expected


@settings(deadline=None, max_examples=300)
@given(cases(num_pools=3), st.booleans())
def test_cascade_of_three_pools(case, masked):
    confidence, known, pools, theta = case
    chosen = choose(confidence, known if masked else None, pools, theta)
    if not masked:
        known = np.ones_like(known)
    expected = [one_pool_after_another(confidence[i], known[i], pools, theta) for i in range(len(confidence))]
    assert chosen.tolist() == expected


@settings(deadline=None, max_examples=100)
@given(cases())
def test_an_empty_pool_changes_nothing(case):
    confidence, known, (first, second), theta = case
    expected = choose(confidence, known, [first, second], theta)
    for pools in ([[], first, second], [first, [], second], [first, second, []]):
        np.testing.assert_array_equal(choose(confidence, known, pools, theta), expected)


def policy_named(name, pools, theta):
    """A policy with some settings."""
    return {
        "argmax": ARGMAX,
        "cascade": cascade_policy(pools, theta),
        "cheapest": {"name": "cheapest", "tau": theta, "of": "cost"},
        "mean_budget": {"name": "mean_budget", "budget": 2.0, "of": "latency"},
        "penalised": {"name": "penalised", "penalty": 0.25, "of": "latency"},
        "query_budget": {"name": "query_budget", "budget": 1.0, "of": "cost"},
    }[name]


def expenses(confidence, seed=1):
    """Costs and latencies of few distinct values, so that ties are common."""
    costs, latencies = np.random.default_rng(seed).integers(0, 5, (2, *confidence.shape)).astype(np.float64)
    return {"costs": costs, "latencies": latencies}


@settings(deadline=None, max_examples=300)
@given(cases(num_pools=3), st.sampled_from(sorted(POLICIES)), st.randoms())
def test_reordering_queries_reorders_selections(case, name, random):
    confidence, known, pools, theta = case
    vlms, spent = names(confidence.shape[1]), expenses(confidence)
    policy = policy_named(name, pools, theta)
    order = random.sample(range(len(confidence)), len(confidence))
    chosen = select(confidence, policy, vlms, known, **spent)
    reordered = {name: expense[order] for name, expense in spent.items()}
    np.testing.assert_array_equal(select(confidence[order], policy, vlms, known[order], **reordered), chosen[order])
    picked = chosen >= 0
    assert chosen.dtype == np.int64
    np.testing.assert_array_equal(picked, known.any(axis=1))
    assert known[picked, chosen[picked]].all()


@settings(deadline=None, max_examples=300)
@given(cases(num_pools=3), st.sampled_from(sorted(POLICIES)))
def test_masking_a_vlm_equals_leaving_it_out(case, name):
    """Leaving columns out of confidences, VLMs and pools gives what masking them gives."""
    confidence, known, pools, theta = case
    vlms = np.array(names(confidence.shape[1]), dtype=object)
    left = known.all(axis=0)
    if not left.any():
        return
    smaller = [[f"vlm-{j}" for j in pool if left[j]] for pool in pools]
    policy, without, spent = (*(policy_named(name, pools, theta) for _ in range(2)), expenses(confidence))
    if name == "cascade":
        without = {**policy, "pools": smaller}
    mask = np.tile(left, (len(confidence), 1))
    order = ranking(confidence, policy, vlms, mask, **spent)
    assert not left[order[:, left.sum() :]].any()
    spent = {name: expense[:, left] for name, expense in spent.items()}
    expected = ranking(confidence[:, left], without, vlms[left], **spent)
    np.testing.assert_array_equal(order[:, : left.sum()], np.flatnonzero(left)[expected])


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
            [0.6, 0.1, 0.99],  # Phi is sure: the better new VLM is not considered
            [0.5, 0.1, 0.51],  # exactly theta is not above it
            [0.3, 0.4, 0.40],  # a tie stays with the base VLM
        ],
        dtype=np.float32,
    )
    assert select(confidence, {"name": "cascade", "theta": 0.5, "pools": [["a", "b"], ["c"]]}, "abc").tolist() == [
        0,
        2,
        1,
    ]


def test_cascade_of_three_pools_by_hand():
    confidence = np.array(
        [
            [0.6, 0.9, 0.9],  # the first is sure
            [0.5, 0.6, 0.9],  # the second is
            [0.5, 0.4, 0.9],  # neither is: the third is asked
            [0.5, 0.4, 0.3],  # and none is surer than the first
            [0.3, 0.4, 0.4],  # a tie stays with the earlier pool
        ],
        dtype=np.float32,
    )
    policy = {"name": "cascade", "theta": 0.5, "pools": [["a"], ["b"], ["c"]]}
    assert select(confidence, policy, "abc").tolist() == [0, 1, 2, 0, 1]
    policy["pools"] = [["c"], ["a"], ["b"]]  # the order of the pools is its own
    assert select(confidence, policy, "abc").tolist() == [2, 2, 2, 0, 2]


def test_a_confidence_stored_as_theta_does_not_exceed_it():
    confidence = np.array([[0.6, 0.9]], dtype=np.float32)
    assert confidence[0, 0] > np.float64(0.6)  # rounding to float32 went up
    for theta in (0.6, np.float64(0.6)):
        assert select(confidence, {"name": "cascade", "theta": theta, "pools": [["a"], ["b"]]}, "ab").tolist() == [1]


@pytest.mark.parametrize("pools", [[[], ["a", "b", "c"]], [["a", "b", "c"], []], [["a", "b", "c"]]])
def test_cascade_with_all_in_one_pool_is_argmax(pools):
    confidence = np.array([[0.1, 0.3, 0.2], [0.9, 0.8, 0.9]])
    policy = {"name": "cascade", "theta": 0.5, "pools": pools}
    np.testing.assert_array_equal(select(confidence, policy, "abc"), select(confidence, ARGMAX, "abc"))


def test_ranking_puts_the_choice_first_and_the_rest_by_confidence():
    confidence = np.array([[0.6, 0.1, 0.99, 0.1], [0.2, 0.2, 0.2, 0.2]])
    policy = {"name": "cascade", "theta": 0.5, "pools": [["a", "b"], ["c", "d"]]}
    assert ranking(confidence, policy, "abcd").tolist() == [[0, 2, 1, 3], [0, 1, 2, 3]]
    assert ranking(confidence, ARGMAX, "abcd").tolist() == [[2, 0, 1, 3], [0, 1, 2, 3]]
    assert ranking(np.zeros((0, 4)), ARGMAX, "abcd").shape == (0, 4)


def test_ranking_keeps_equals_in_pool_order_in_a_large_pool():
    confidence = np.tile([0.2, 0.8], 20)[None]
    expected = [*range(1, 40, 2), *range(0, 40, 2)]
    assert ranking(confidence, ARGMAX, range(40)).tolist() == [expected]


def test_ranking_puts_last_what_may_not_be_chosen():
    confidence = np.array([[0.6, 0.1, 0.99], [0.2, 0.3, 0.4]])
    known = np.array([[True, True, False], [False, False, False]])
    assert ranking(confidence, ARGMAX, "abc", known).tolist() == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            {"name": "oracle"},
            "unknown name 'oracle'; known: argmax, cascade, cheapest, mean_budget, penalised, query_budget",
        ),
        ({}, "unknown name None"),
        ("cheapest", 'policy: expected a mapping of its name and its settings, such as {"name": "cheapest", '),
        ({"name": "cascade", "theta": 0.5}, r"expected the settings \(pools, theta\), got \(theta\)"),
        (
            {"name": "cascade", "theta": 0.5, "base": ["a"]},
            r"expected the settings \(pools, theta\), got \(base, theta\)",
        ),
        ({"name": "argmax", "theta": 0.5}, r"expected the settings \(none\), got \(theta\)"),
        ({"name": "cascade", "theta": 1.5, "pools": [["a"], ["b"]]}, r"theta: expected a number in \[0, 1\], got 1.5"),
        ({"name": "cascade", "theta": "0.5", "pools": [["a"], ["b"]]}, "theta: expected a number"),
        ({"name": "cheapest", "tau": 0.5}, r"policy cheapest: expected the settings \(of, tau\), got \(tau\)"),
        ({"name": "cheapest", "tau": -0.1, "of": "cost"}, r"cheapest.tau: expected a number in \[0, 1\], got -0.1"),
        ({"name": "cheapest", "tau": True, "of": "cost"}, "cheapest.tau: expected a number"),
        *(
            ({"name": name, setting: value, "of": "cost"}, f"{name}.{setting}: expected a finite number >= 0, got")
            for name, setting in (("penalised", "penalty"), ("query_budget", "budget"), ("mean_budget", "budget"))
            for value in (-1, np.nan, np.inf, "1", True, None)
        ),
        *(
            ({"name": name, setting: 0.5, "of": of}, message)
            for name, setting in (
                ("cheapest", "tau"),
                ("penalised", "penalty"),
                ("query_budget", "budget"),
                ("mean_budget", "budget"),
            )
            for of, message in (
                ("money", f"policy {name}.of: expected one of cost, latency, got 'money'"),
                (["cost"], f"policy {name}.of: expected one of cost, latency"),
                ("cost", f"policy {name}: expected the costs of the VLMs, got none; pass costs="),
                ("latency", f"policy {name}: expected the latencies of the VLMs, got none; pass latencies="),
            )
        ),
        *(
            ({"name": "cascade", "theta": 0.5, "pools": pools}, "pools: expected lists of names that together are a, b")
            for pools in ([["a"], ["z"]], [["a"]], [["a", "b"], ["b"]], [["a", "a"]], [], ["a", "b"], "ab", None)
        ),
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


@pytest.mark.parametrize("name", ["costs", "latencies"])
@pytest.mark.parametrize(
    ("expense", "message"),
    [
        (np.zeros((2, 3)), r"expected {} of shape \(1, 2\), got \(2, 3\)"),
        (np.zeros(2), r"expected {} of shape \(1, 2\), got \(2,\)"),
        (np.array([[0.1, np.nan]]), "expected finite {} >= 0, got 1 negative, NaN or infinite"),
        (np.array([[-0.1, np.inf]]), "expected finite {} >= 0, got 2 negative"),
    ],
)
def test_refuses_expenses(name, expense, message):
    with pytest.raises(ValueError, match=message.format(name)):
        select(np.zeros((1, 2)), ARGMAX, ["a", "b"], **{name: expense})
