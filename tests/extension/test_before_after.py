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
        [1, 0, NAN],  # incomplete: the new VLM would be chosen, but its outcome is unknown
        [0, 0, 0],  # no VLM is right: counts only over all queries
        [NAN, NAN, 1],  # no VLM of the old pool has a known outcome: not even replayed
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
    assert [changes[name] for name in ("queries", "queries_all", "queries_incomplete")] == [3, 4, 2]
    # Before: wrong, right, wrong (a). After: right, right, wrong (a).
    assert (changes["old_em"], changes["new_em"], changes["difference"]) == (0.3333, 0.6667, 0.3333)
    assert (changes["old_em_all"], changes["new_em_all"]) == (0.25, 0.5)
    assert 0 <= changes["low"] <= 0.3333 <= changes["high"] <= 1
    assert (changes["best_single"], changes["best_single_em"], changes["best_single_em_all"]) == ("c", 0.3333, 0.25)
    # Over all six queries c has the highest confidence on the first, third, fourth and fifth.
    assert changes["new_chosen"] == 0.6667
    assert changes["new_chosen_by_task"] == {"unknown": 1.0, "read": 0.6667, "count": 0.5}


def test_a_partial_replay_comes_second():
    partial = judge()["partial"]
    assert [partial[name] for name in ("queries", "queries_all", "queries_with_new")] == [4, 5, 3]
    # One more query, and b is chosen there before and after.
    assert (partial["old_em"], partial["new_em"], partial["difference"]) == (0.25, 0.5, 0.25)
    # c is the best on train; where its outcome is unknown, b is.
    assert (partial["best_single"], partial["best_single_em"]) == ("c", 0.25)
    known = OUTCOMES.copy()
    known[2, 2], known[4, :2] = 0, 1
    assert "partial" not in judge(outcomes=known), "every query is a complete case"


def test_the_policies_are_the_routers():
    cascade = {"name": "cascade", "theta": 0.55, "pools": [["a", "b"], ["c"]]}
    changes = judge(new_policy=cascade)
    assert changes["new_em"] == 0.3333  # on the first query a is sure of itself
    assert changes["new_chosen"] == 0.1667
    assert changes["new_chosen_by_task"] == {"unknown": 1.0}


def test_a_new_vlm_that_was_never_seen():
    outcomes = OUTCOMES.copy()
    outcomes[:, 2] = NAN
    changes = judge(outcomes=outcomes, best_single=(0.4, 0.5, NAN))
    assert (changes["queries"], changes["queries_all"], changes["queries_incomplete"]) == (0, 0, 6)
    undefined = ("old_em", "new_em", "difference", "low", "high", "best_single", "best_single_em", "new_em_all")
    assert all(changes[name] is None for name in undefined)
    partial = changes["partial"]
    assert (partial["queries"], partial["queries_with_new"]) == (3, 0)
    assert partial["old_em"] == partial["new_em"] == 0.3333
    assert (partial["difference"], partial["low"], partial["high"]) == (0, 0, 0)
    assert partial["best_single"] == "b"
    assert changes["new_chosen"] == 0.6667  # needs no outcome


def test_an_old_vlm_without_outcomes_has_no_part_in_it():
    outcomes = OUTCOMES.copy()
    outcomes[:, 1] = NAN
    changes = judge(outcomes=outcomes, best_single=(0.4, NAN, 0.6))
    assert (changes["queries"], changes["queries_all"]) == (2, 4)
    assert (changes["old_em"], changes["new_em"]) == (0.5, 1.0)


def test_nothing_to_judge_on():
    assert judge(outcomes=np.full((6, 3), NAN)) is None
    assert judge(outcomes=np.zeros((6, 3))) is None


def test_in_words():
    changes = judge()
    low, high = changes["low"], changes["high"]
    partial_low, partial_high = changes["partial"]["low"], changes["partial"]["high"]
    assert extension_text("id", changes) == (
        "id, 4 of 6 queries have an outcome of every VLM, 3 of them answerable:\n"
        f"  EM 0.667, before 0.333: +0.333 ({low:+.3f} to {high:+.3f})\n"
        "  EM over all queries 0.500, before 0.250\n"
        "  best single VLM 0.333, over all queries 0.250: c\n"
        "  partial replay, biased towards no change: 4 answerable of 5 queries, 3 with a new VLM's outcome:\n"
        f"    EM 0.500, before 0.250: +0.250 ({partial_low:+.3f} to {partial_high:+.3f})\n"
        "    EM over all queries 0.400, before 0.200\n"
        "    best single VLM 0.250, over all queries 0.200: c\n"
        "  a new VLM is chosen on 66.7% of the queries, most in unknown (100%), read (67%), count (50%)"
    )
    nowhere = {**changes, "new_chosen": 0.0, "new_chosen_by_task": {}}
    assert extension_text("id", nowhere).endswith("\n  a new VLM is chosen on 0.0% of the queries")


def test_in_words_without_complete_cases():
    outcomes = OUTCOMES.copy()
    outcomes[:, 2] = NAN
    lines = extension_text("id", judge(outcomes=outcomes)).splitlines()
    assert lines[0] == "id, 0 of 6 queries have an outcome of every VLM, 0 of them answerable:"
    assert lines[1] == "  EM unknown: no answerable query has an outcome of every VLM"
    assert lines[2].startswith(
        "  partial replay, biased towards no change: 3 answerable of 5 queries, 0 with a new VLM"
    )
    assert lines[3] == "    EM 0.333, before 0.333: +0.000 (+0.000 to +0.000)"


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
