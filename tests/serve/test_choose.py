"""Exploration's chances, budgets and sessions, without a server."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arms.serve.choose import affordable, choose
from arms.serve.explore import draw
from arms.serve.sessions import Sessions
from arms.serve.settings import SessionSettings

NAMES = ["a", "b", "c", "d"]


@given(st.integers(1, 4), st.floats(0, 0.99), st.integers(0, 2**32))
def test_chances_sum_to_one(count, share, seed):
    able = NAMES[:count]
    chances = {vlm: share / count + (1 - share) * (vlm == "a") for vlm in able}
    assert sum(chances.values()) == pytest.approx(1)
    drawn = draw("a", able, share, Random(seed))
    assert drawn.propensity == pytest.approx(chances[drawn.vlm])


def test_it_is_drawn_as_often_as_stated():
    random = Random(0)
    drawn = [draw("a", NAMES, 0.4, random) for _ in range(20_000)]
    for vlm, count in Counter(one.vlm for one in drawn).items():
        stated = next(one.propensity for one in drawn if one.vlm == vlm)
        assert count / len(drawn) == pytest.approx(stated, abs=0.01)


@given(st.permutations(NAMES), st.sampled_from([None, *NAMES]), st.floats(0, 0.99), st.sampled_from([None, "b", "z"]))
def test_everybody_is_asked_once(ranking, sticky, explore, shadow):
    choice = choose(ranking, sticky, explore, shadow, Random(0))
    assert sorted(choice.order) == sorted({*ranking, *([shadow] if shadow else [])})
    assert choice.greedy == ranking[0]
    assert 0 < choice.propensity <= 1
    if choice.reason != "explore":
        assert choice.chosen == (shadow or sticky or ranking[0])


@pytest.mark.parametrize(
    ("budget", "left"),
    [(None, NAMES), (1.0, ["a", "b", "c"]), (0.5, ["b", "c"]), (0.1, ["c"]), (0.0, ["c"])],
)
def test_budgets(budget, left):
    assert affordable(NAMES, {"a": 1.0, "b": 0.5, "c": 0.2}, budget) == left  # d's cost is unknown


class TestSessions:
    def test_the_margin(self):
        sessions = Sessions(SessionSettings(margin=0.2))
        sessions.answered("me", "s", "b")
        assert sessions.sticks_to("me", "s", "a", {"a": 0.7, "b": 0.5}) == "b"
        assert sessions.sticks_to("me", "s", "a", {"a": 0.71, "b": 0.5}) is None
        assert sessions.sticks_to("me", "s", "a", {"a": 0.7}) is None  # b cannot answer
        assert sessions.sticks_to("you", "s", "a", {"a": 0.7, "b": 0.5}) is None
        assert sessions.sticks_to("me", None, "a", {"a": 0.7, "b": 0.5}) is None

    def test_only_the_latest_are_remembered(self):
        sessions = Sessions(SessionSettings(most=3))
        for number in range(10):
            sessions.answered("me", str(number), "b")
        assert len(sessions) == 3
        assert sessions.sticks_to("me", "9", "a", {"a": 0.5, "b": 0.5}) == "b"
