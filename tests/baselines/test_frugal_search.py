import itertools

import numpy as np
import pytest

from arms.baselines.frugal_search import Plan, first_recorded, search_plan, shortlist

NAN = np.nan


def by_loop(plan, scores, recorded, preference):
    """Who is taken and who is asked, one query after the other."""
    taken, asked = [], np.zeros(recorded.shape, dtype=bool)
    for i in range(len(scores)):
        able = [vlm for vlm in plan.vlms if recorded[i, vlm]]
        if not able:
            able = [vlm for vlm in preference if recorded[i, vlm]][:1]
        choice = -1
        for vlm in able:
            asked[i, vlm] = True
            choice = vlm
            if vlm == able[-1] or scores[i, vlm] > plan.thresholds[plan.vlms.index(vlm)]:
                break
        taken.append(choice)
    return np.array(taken), asked


def draw(seed, count=60, pool=4):
    """Scores that tell something of the outcomes, a third of which are unknown; costs; whom to ask otherwise."""
    rng = np.random.default_rng(seed)
    outcomes = rng.choice([0, 1, NAN], size=(count, pool))
    scores = rng.random((count, pool)) + 0.4 * np.nan_to_num(outcomes)
    return scores, outcomes, rng.random(pool) + 0.1, rng.permutation(pool)


@pytest.mark.parametrize("vlms", [(2,), (1, 0), (3, 1, 2), (0, 2, 3)])
def test_a_plan_is_followed(vlms):
    scores, outcomes, _, preference = draw(0)
    recorded = ~np.isnan(outcomes)
    recorded[:3] = False
    plan = Plan(vlms, (0.6, 0.7)[: len(vlms) - 1])
    taken, asked = plan.follow(scores, recorded, preference)
    expected_taken, expected_asked = by_loop(plan, scores, recorded, preference)
    np.testing.assert_array_equal(taken, expected_taken)
    np.testing.assert_array_equal(asked, expected_asked)
    assert (taken[:3] == -1).all()


def test_by_hand():
    """The first takes 0.8, passes 0.3 on to the second, which is the last; without the second it keeps what it has."""
    scores = np.array([[0.8, 0.1, 0.9], [0.3, 0.1, 0.9], [0.3, 0.1, 0.9], [0.5, 0.1, 0.9], [0.3, 0.1, 0.9]])
    recorded = np.array([[1, 1, 1], [1, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]], dtype=bool)
    taken, asked = Plan((0, 1), (0.5,)).follow(scores, recorded, np.array([2, 0, 1]))
    assert taken.tolist() == [0, 1, 0, 1, 2]
    assert asked.astype(int).tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_first_recorded():
    recorded = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)
    assert first_recorded(recorded, np.array([2, 1, 0])).tolist() == [2, 1, -1, 0]


def all_plans(scores, outcomes, pool, length, num_thresholds):
    levels = np.arange(1, num_thresholds + 1) / (num_thresholds + 1)
    grids = {vlm: np.quantile(scores[~np.isnan(outcomes[:, vlm]), vlm], levels) for vlm in pool}
    for count in range(1, length + 1):
        for vlms in itertools.permutations(pool, count):
            for thresholds in itertools.product(*(grids[vlm] for vlm in vlms[:-1])):
                yield Plan(vlms, tuple(map(float, thresholds)))


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("max_cost", [0.3, 0.6, 0.9, 9.0])
def test_the_search_is_exhaustive(length, max_cost):
    scores, outcomes, costs, preference = draw(1)
    pool, recorded = [0, 1, 3], ~np.isnan(outcomes)
    num_queries = recorded.any(axis=1).sum()

    def judge(plan):
        taken, asked = by_loop(plan, scores, recorded, preference)
        right = sum(outcomes[i, vlm] == 1 for i, vlm in enumerate(taken) if vlm >= 0)
        return int(right), float((asked * costs).sum() / num_queries)

    judged = [judge(plan) for plan in all_plans(scores, outcomes, pool, length, 3)]
    fitting = [result for result in judged if result[1] <= max_cost]
    expected = max(fitting, key=lambda result: (result[0], -result[1])) if fitting else min(judged, key=lambda r: r[1])
    plan, cost = search_plan(
        scores,
        outcomes,
        costs,
        pool=pool,
        preference=preference,
        length=length,
        num_thresholds=3,
        max_cost=max_cost,
    )
    assert judge(plan) == (expected[0], pytest.approx(expected[1]))
    assert cost == pytest.approx(expected[1])
    assert len(plan.vlms) <= length
    assert set(plan.vlms) <= set(pool)
    assert len(plan.thresholds) == len(plan.vlms) - 1


def test_the_cases_above_differ():
    """Of the budgets above one fits no list, one fits all, and the best lists of two and of three beat one VLM."""
    scores, outcomes, costs, preference = draw(1)
    found = {
        (length, max_cost): search_plan(
            scores, outcomes, costs, pool=[0, 1, 3], preference=preference, length=length, num_thresholds=3,
            max_cost=max_cost,
        )
        for length in (1, 2, 3) for max_cost in (0.3, 0.6, 0.9, 9.0)
    }  # fmt: skip
    assert found[3, 0.3][1] > 0.3
    assert len({plan for plan, _ in found.values()}) >= 4
    assert {len(plan.vlms) for plan, _ in found.values()} == {1, 2, 3}


def test_equal_accuracy_goes_to_the_cheaper():
    outcomes = np.tile([1.0, 1.0, 0.0], (10, 1))
    plan, cost = search_plan(
        np.random.default_rng(0).random((10, 3)), outcomes, np.array([3.0, 2.0, 1.0]), pool=[0, 1, 2],
        preference=np.array([0, 1, 2]), length=3, num_thresholds=4, max_cost=100.0,
    )  # fmt: skip
    assert (plan, cost) == (Plan((1,), ()), 2.0)


def test_without_a_known_outcome_the_first_of_the_pool_is_asked():
    plan, cost = search_plan(
        np.zeros((5, 3)), np.full((5, 3), NAN), np.ones(3), pool=[2, 0, 1], preference=np.array([2, 0, 1]), length=2,
        num_thresholds=4, max_cost=1.0,
    )  # fmt: skip
    assert (plan, cost) == (Plan((2,), ()), 0.0)


def test_a_vlm_of_unknown_outcomes_brings_nothing():
    scores, outcomes, costs, preference = draw(2)
    outcomes[:, 0] = NAN
    arguments = {"preference": preference, "length": 2, "num_thresholds": 3, "max_cost": 9.0}
    plan, _ = search_plan(scores, outcomes, costs, pool=[1, 2, 3, 0], **arguments)
    other, _ = search_plan(scores, outcomes, costs, pool=[1, 2, 3], **arguments)
    assert plan == other


def test_shortlist():
    """By share 3, 0, 2, 1, 4; by share per cost 4 (0.4), 1 (0.3), 2 (0.25), 0 (0.07), 3 (0.009)."""
    share, cost = np.array([0.7, 0.3, 0.5, 0.9, 0.2]), np.array([10, 1, 2, 100, 0.5])
    assert [shortlist(share, cost, size) for size in (1, 2, 3, 4)] == [[3], [3, 4], [3, 0, 4], [3, 0, 1, 4]]
    assert shortlist(share, cost, 9) == [3, 0, 2, 1, 4]
    assert shortlist(share, np.array([1, 1, 1, 1, 0]), 2) == [3, 4]  # free of charge
    assert shortlist(share, np.zeros(5), 2) == [3, 0]
