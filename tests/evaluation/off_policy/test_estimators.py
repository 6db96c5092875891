"""Off-policy estimates by hand, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.evaluation.off_policy.estimators import effective_size, estimate_cost, estimate_reward
from arms.evaluation.off_policy.logged import weights
from arms.evaluation.off_policy.reward_model import expected_costs, expected_rewards
from tests.evaluation.off_policy.made import World, certain, logged

FOUR = logged([0, 1, 0, 1], [0.5, 0.25, 0.5, 0.25], [1, 0, 0, 1])


def test_values_worked_by_hand():
    target = certain([0, 1, 1, 1])
    assert weights(FOUR, target).tolist() == [2, 4, 0, 4]
    found = estimate_reward(FOUR, target, least_size=1)
    assert found.ips.value == pytest.approx((2 * 1 + 4 * 1) / 4)
    assert found.snips.value == pytest.approx((2 * 1 + 4 * 1) / (2 + 4 + 4))
    assert found.effective == pytest.approx(10**2 / (4 + 16 + 16))
    assert (found.logged.value, found.agreement, found.decisions) == (0.5, 0.75, 4)


def test_a_doubly_robust_estimate_by_hand():
    target = np.array([[0.5, 0.5, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]])
    expected = expected_rewards(FOUR)
    modelled = 0
    for row, (chosen, chance, value) in enumerate(zip([0, 1, 0, 1], [0.5, 0.25, 0.5, 0.25], [1, 0, 0, 1], strict=True)):
        modelled += target[row] @ expected[row] + target[row, chosen] / chance * (value - expected[row, chosen])
    assert estimate_reward(FOUR, target, least_size=1).dr.value == pytest.approx(modelled / 4)


def test_a_policy_that_is_the_logging_one_is_what_was_logged():
    log = logged([0, 1, 2, 1] * 30, [1.0] * 120, [1, 0, 1, 1] * 30, possible=certain([0, 1, 2, 1] * 30) > 0)
    found = estimate_reward(log, certain([0, 1, 2, 1] * 30))
    for one in (found.ips, found.snips, found.dr, found.logged):
        assert one.value == pytest.approx(0.75)
        assert one.low < 0.75 < one.high
    assert found.effective == 120


def test_a_target_that_draws():
    world = World.draw(3000)
    rows, log = world.log(np.random.default_rng(1), 60_000, 0.5)
    target = world.other / world.other.sum(axis=1, keepdims=True)
    truth = (target * world.right).sum(axis=1).mean()
    found = estimate_reward(log, target[rows])
    for one in (found.ips, found.snips, found.dr):
        assert one.value == pytest.approx(truth, abs=0.02)


def test_costs():
    world = World.draw(3000)
    rows, log = world.log(np.random.default_rng(1), 60_000, 0.5)
    log = replace(log, value=world.cost[rows, log.chosen])
    target = certain(world.other.argmax(axis=1))
    truth = (target * world.cost).sum(axis=1).mean()
    found = estimate_cost(log, target[rows])
    for one in (found.ips, found.snips, found.dr):
        assert one.value == pytest.approx(truth, rel=0.03)
        assert one.low < truth < one.high
    assert found.dr.high - found.dr.low < found.snips.high - found.snips.low


def test_a_choice_without_a_chance_is_refused():
    possible = np.ones((4, 3), dtype=bool)
    possible[2] = [True, False, False]
    log = replace(FOUR, possible=possible)
    estimate_reward(log, certain([1, 1, 0, 1]), least_size=1)
    with pytest.raises(
        ArmsError, match=r"no support: .* none on 1 of 4 decisions \(large\): .*explore: 0.02 .*--since"
    ):
        estimate_reward(log, certain([1, 1, 1, 1]), least_size=1)


def test_too_little_support_is_refused():
    with pytest.raises(ArmsError, match="too little support: 4 decisions count as 3 of the target's own, expected 50"):
        estimate_reward(FOUR, certain([0, 1, 1, 1]))
    with pytest.raises(ArmsError, match="count as 0 of the target's own"):
        estimate_reward(FOUR, certain([2, 2, 2, 2]))
    with pytest.raises(ArmsError, match="expected one decision or more whose value is known, got none"):
        estimate_reward(FOUR.where(np.zeros(4, dtype=bool)), certain([0, 1, 1, 1])[:0])


def test_decisions_of_one_group_count_as_one():
    log, target = logged([0, 0, 0, 0], [0.5] * 4, [1, 0, 1, 0], groups=[0, 0, 1, 1]), certain([0, 0, 0, 0])
    assert effective_size(log, target) == 2
    assert effective_size(replace(log, groups=np.arange(4)), target) == 4
    assert effective_size(log, certain([1, 1, 1, 1])) == 0


def test_with_all_chances_known_the_draws_do_not_decide_what_a_log_is_worth():
    chance = np.array([[0.9, 0.05, 0.05]] * 200)
    by_policy, target = logged([0] * 200, [0.9] * 200, [1] * 200, chance=chance), certain([0, 1] * 100)
    assert effective_size(replace(by_policy, chance=None), target) == pytest.approx(100), "as no heavy draw came"
    expected = 200 / ((1 / 0.9 + 1 / 0.05) / 2)
    assert effective_size(by_policy, target) == pytest.approx(expected)
    with pytest.raises(ArmsError, match="200 decisions count as 19 of the target's own"):
        estimate_reward(by_policy, target)


def test_intervals_are_wider_where_groups_repeat():
    world = World.draw(500)
    rows, log = world.log(np.random.default_rng(2), 4000, 0.5, together=4)
    target = certain(world.other.argmax(axis=1))[rows]
    grouped, apart = estimate_reward(log, target), estimate_reward(replace(log, groups=np.arange(4000)), target)
    for name in ("ips", "snips", "dr", "logged"):
        of_groups, alone = getattr(grouped, name), getattr(apart, name)
        assert of_groups.high - of_groups.low > alone.high - alone.low


def test_the_order_of_the_log_does_not_matter():
    world = World.draw(500)
    rows, log = world.log(np.random.default_rng(2), 2000, 0.5)
    target = certain(world.other.argmax(axis=1))[rows]
    order = np.random.default_rng(3).permutation(2000)
    mixed = log.where(order)
    one, two = estimate_reward(log, target), estimate_reward(mixed, target[order])
    assert two.dr.value == pytest.approx(one.dr.value)
    assert two.snips.low == pytest.approx(one.snips.low)


def test_expectations_come_from_other_groups():
    world = World.draw(300)
    _, log = world.log(np.random.default_rng(2), 600, 0.5, together=2)
    expected = expected_rewards(log)
    changed = replace(log, value=np.where(log.groups == 7, 1 - log.value, log.value))
    rows = log.groups == 7
    assert (expected_rewards(changed)[rows] == expected[rows]).all()
    assert (expected_rewards(changed)[~rows] != expected[~rows]).any()
    assert (expected_costs(changed)[rows] == expected_costs(log)[rows]).all()


def test_calibration_corrects_a_router_that_is_too_sure():
    world = World.draw(4000)
    _, log = world.log(np.random.default_rng(2), 8000, 1.0)
    sure = replace(log, confidence=np.clip(log.confidence**0.2, 0, 1))

    def brier(confidence):
        return ((log.at_choice(confidence) - log.value) ** 2).mean()

    assert brier(expected_rewards(sure)) < brier(sure.confidence) - 0.02


def test_a_vlm_without_a_confidence_is_expected_to_do_as_others():
    log = replace(FOUR, confidence=np.array([[0.9, 0.2, np.nan]] * 4))
    assert expected_rewards(log)[:, 2].tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"propensity": np.array([0, 0.5, 0.5, 0.5])}, r"propensities in \(0, 1\]"),
        ({"value": np.array([np.nan, 0, 0, 0])}, "finite values"),
        ({"chosen": np.array([3, 0, 0, 0])}, "chosen VLMs from 0 to 2"),
        ({"possible": np.zeros((4, 3), dtype=bool)}, "to have had a chance"),
        ({"chance": np.zeros((4, 3))}, "chances above 0 for just the VLMs"),
        ({"groups": np.arange(3)}, "4 decisions over 3 VLMs everywhere"),
    ],
)
def test_logs_that_are_none(changes, said):
    with pytest.raises(ValueError, match=said):
        replace(FOUR, **changes)


@pytest.mark.parametrize("target", [np.full((4, 3), 0.5), -certain([0, 0, 0, 0]), certain([0, 0, 0])])
def test_targets_that_are_none(target):
    with pytest.raises(ValueError, match="target: expected"):
        estimate_reward(FOUR, target, least_size=1)


def test_rewards_out_of_range():
    with pytest.raises(ValueError, match=r"values in \[0, 1\]"):
        estimate_reward(replace(FOUR, value=np.array([2.0, 0, 0, 0])), certain([0, 1, 0, 1]), least_size=1)
