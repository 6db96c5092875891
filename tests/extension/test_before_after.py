import numpy as np
import pytest

from arms.data.scores import Scores
from arms.extension.before_after import extension_text, judge_extension

NAN = np.nan
ARGMAX = {"name": "argmax"}
# a and b are the old pool, c is new.
OLD = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.4], [0.3, 0.2]])
NEW = np.concatenate([OLD, [[0.95], [0.1], [0.85], [0.7], [0.9], [0.1]]], axis=1)
OUTCOMES = np.array(
    [
        [0, 0, 1],  # the new VLM is chosen and right
        [1, 0, 0],  # an old VLM is chosen and right, before and after
        [1, 0, NAN],  # the new VLM would be chosen, but its outcome is unknown
        [0, 0, 0],  # no VLM is right: not judged
        [NAN, NAN, 1],  # no VLM of the old pool has a known outcome: not judged
        [0, 1, 0],  # wrong before and after
    ]
)
TASKS = np.array(["count", "count", "read", "read", None, "read"], dtype=object)


def judge(new=NEW, outcomes=OUTCOMES, old_policy=ARGMAX, new_policy=ARGMAX, best_single=(0.4, 0.5, 0.6)):
    ids = tuple(f"q{i}" for i in range(len(OLD)))
    return judge_extension(
        Scores("old", "base", ids, ("a", "b"), OLD, old_policy),
        Scores("new", "extended", ids, ("a", "b", "c"), new, new_policy),
        outcomes,
        best_single=np.array(best_single),
        tasks=TASKS,
        groups=np.arange(len(OLD)),
        samples=200,
        seed=1,
    )


def test_by_hand():
    changes = judge()
    assert (changes["queries"], changes["queries_with_new"]) == (4, 3)
    # Before: wrong, right, wrong (b), wrong (a). After: right, right, wrong (b), wrong (a).
    assert (changes["old_em"], changes["new_em"], changes["difference"]) == (0.25, 0.5, 0.25)
    assert 0 <= changes["low"] <= 0.25 <= changes["high"] <= 1
    # c is the best on train; where its outcome is unknown, b is.
    assert (changes["best_single"], changes["best_single_em"]) == ("c", 0.25)
    # Over all six queries c has the highest confidence on the first, third, fourth and fifth.
    assert changes["new_chosen"] == 0.6667
    assert changes["new_chosen_by_task"] == {"unknown": 1.0, "read": 0.6667, "count": 0.5}


def test_the_policies_are_the_routers():
    cascade = {"name": "cascade", "theta": 0.55, "pools": [["a", "b"], ["c"]]}
    changes = judge(new_policy=cascade)
    assert changes["new_em"] == 0.25  # on the first query a is sure of itself
    assert changes["new_chosen"] == 0.1667
    assert changes["new_chosen_by_task"] == {"unknown": 1.0}


def test_a_new_vlm_that_was_never_seen():
    outcomes = OUTCOMES.copy()
    outcomes[:, 2] = NAN
    changes = judge(outcomes=outcomes, best_single=(0.4, 0.5, NAN))
    assert (changes["queries"], changes["queries_with_new"]) == (3, 0)
    assert changes["old_em"] == changes["new_em"] == 0.3333
    assert (changes["difference"], changes["low"], changes["high"]) == (0, 0, 0)
    assert changes["best_single"] == "b"
    assert changes["new_chosen"] == 0.6667  # needs no outcome


def test_nothing_to_judge_on():
    assert judge(outcomes=np.full((6, 3), NAN)) is None
    assert judge(outcomes=np.zeros((6, 3))) is None


def test_in_words():
    changes = judge()
    assert extension_text("id", changes) == (
        "id, 4 queries, a new VLM's outcome is known on 3:\n"
        f"  EM 0.500, before 0.250: +0.250 ({changes['low']:+.3f} to {changes['high']:+.3f})\n"
        "  best single VLM 0.250: c\n"
        "  a new VLM is chosen on 66.7% of the queries, most in unknown (100%), read (67%), count (50%)"
    )
    nowhere = {**changes, "new_chosen": 0.0, "new_chosen_by_task": {}}
    assert extension_text("id", nowhere).endswith("\n  a new VLM is chosen on 0.0% of the queries")


@pytest.mark.parametrize("count", [3, 9])
def test_five_tasks_at_most(count):
    ids = tuple(f"q{i}" for i in range(2 * count))
    confidence = np.tile([[0.2, 0.8], [0.8, 0.2]], (count, 1))
    changes = judge_extension(
        Scores("old", "base", ids, ("a",), confidence[:, :1], ARGMAX),
        Scores("new", "extended", ids, ("a", "c"), confidence, ARGMAX),
        np.ones((2 * count, 2)),
        best_single=np.ones(2),
        tasks=np.repeat([f"task-{i}" for i in range(count)], 2),
        groups=np.arange(2 * count),
        samples=100,
        seed=1,
    )
    assert changes["new_chosen_by_task"] == {f"task-{i}": 0.5 for i in range(min(count, 5))}
