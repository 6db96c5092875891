"""Do intervals hold the truth as often as they say? A small version of ``python -m benchmarks.off_policy``."""

from dataclasses import replace

import numpy as np
import pytest

from arms.evaluation.off_policy.estimators import estimate_cost, estimate_reward
from tests.evaluation.off_policy.made import World, certain

RUNS = 200
# 95 % of 200 runs, less 2.6 standard errors: a true coverage of 95 % is below that in 1 of 200 cases.
LEAST = 0.91


@pytest.mark.parametrize(("decisions", "explore", "together"), [(400, 0.5, 1), (1500, 0.2, 1), (1500, 0.3, 3)])
def test_intervals_hold_the_truth_as_often_as_they_say(decisions, explore, together):
    world = World.draw(2000)
    target = certain(world.other.argmax(axis=1))
    truths = [(target * of).sum(axis=1).mean() for of in (world.right, world.cost)]
    held = np.zeros((RUNS, 2, 3))
    for run in range(RUNS):
        rows, log = world.log(np.random.default_rng([run, decisions]), decisions, explore, together)
        costs = replace(log, value=world.cost[rows, log.chosen])
        for of, found in enumerate((estimate_reward(log, target[rows]), estimate_cost(costs, target[rows]))):
            for number, one in enumerate((found.ips, found.snips, found.dr)):
                held[run, of, number] = one.low <= truths[of] <= one.high
    assert (held.mean(axis=0) >= LEAST).all(), held.mean(axis=0)


def test_intervals_grow_narrower_with_more_decisions():
    world = World.draw(2000)
    target = certain(world.other.argmax(axis=1))
    widths = []
    for decisions in (1000, 16_000):
        rows, log = world.log(np.random.default_rng(0), decisions, 0.3)
        found = estimate_reward(log, target[rows])
        widths.append([one.high - one.low for one in (found.ips, found.snips, found.dr)])
    ratios = np.array(widths[0]) / widths[1]
    assert (ratios > 3).all()  # 4 for 16 times as many
    assert (ratios < 6).all()
