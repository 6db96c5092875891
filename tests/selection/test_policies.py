"""The policies that weigh confidence against expense: by hand, and against plain loops over queries and VLMs."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arms.selection.select import ranking, select

WEIGHING = (("cheapest", "tau"), ("penalised", "penalty"), ("query_budget", "budget"), ("mean_budget", "budget"))


def choose(confidence, expense, known=None, of="cost", **policy):
    """The choice, with the expenses as costs or as latencies; the other gets other numbers, which must not be used."""
    confidence, expense = np.asarray(confidence), np.asarray(expense)
    spent = {"costs": expense, "latencies": expense.max(initial=0.0) - expense}
    if of == "latency":
        spent = {"costs": spent["latencies"], "latencies": spent["costs"]}
    return select(confidence, {**policy, "of": of}, range(confidence.shape[1]), known, **spent).tolist()


def best(candidates, *keys):
    """The first candidate with the least keys, or -1."""
    return min(candidates, key=lambda j: tuple(key[j] for key in keys), default=-1)


def penalised_of_one(confidence, expense, known, penalty):
    value = [penalty * e - float(c) for c, e in zip(confidence, expense, strict=True)]
    return best([j for j in range(len(known)) if known[j]], value, expense)


def cheapest_of_one(confidence, expense, known, tau):
    allowed = [j for j in range(len(known)) if known[j]]
    sure = [j for j in allowed if confidence[j] > confidence.dtype.type(tau)]
    return best(sure, expense, -confidence) if sure else best(allowed, -confidence, expense)


def query_budget_of_one(confidence, expense, known, budget):
    allowed = [j for j in range(len(known)) if known[j]]
    affordable = [j for j in allowed if expense[j] <= budget]
    return best(affordable, -confidence, expense) if affordable else best(allowed, expense, -confidence)


def mean_budget_of_all(confidence, expense, known, budget):
    """The choice at the smallest penalty that is enough, in exact fractions; the least expensive VLMs if none is."""
    confidence, expense = ([[Fraction(float(x)) for x in row] for row in table] for table in (confidence, expense))
    allowed = [[j for j in range(len(row)) if row[j]] for row in known]
    overtaken = {
        (c[j] - c[k]) / (e[j] - e[k])
        for c, e, candidates in zip(confidence, expense, allowed, strict=True)
        for j in candidates
        for k in candidates
        if e[k] < e[j] and c[k] < c[j]
    }
    rows = [i for i in range(len(allowed)) if allowed[i]]
    for penalty in sorted(overtaken | {Fraction(0)}):
        choice = []
        for c, e, candidates in zip(confidence, expense, allowed, strict=True):
            choice.append(best(candidates, [penalty * e[j] - c[j] for j in range(len(c))], e))
        if not rows or float(sum(expense[i][choice[i]] for i in rows) / len(rows)) <= budget:
            return choice
    return [best(candidates, e, [-x for x in c]) for c, e, candidates in zip(confidence, expense, allowed, strict=True)]


@st.composite
def cases(draw):
    num_queries, num_vlms = draw(st.integers(0, 12)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Few distinct values make ties, many make none; all of them are exact in binary.
    levels = draw(st.sampled_from([3, 5, 1025]))
    confidence = rng.integers(0, levels, (num_queries, num_vlms)) / (levels - 1)
    expense = rng.integers(0, levels, (num_queries, num_vlms)) / 4
    known = rng.random((num_queries, num_vlms)) < draw(st.sampled_from([0.3, 0.8, 1.0]))
    return confidence.astype(draw(st.sampled_from([np.float32, np.float64]))), expense, known


OF = st.sampled_from(["cost", "latency"])


@settings(deadline=None, max_examples=300)
@given(cases(), OF, st.sampled_from([0, 0.0, 0.01, 0.5, 2.0, 1000.0]))
def test_penalised_is_the_loop(case, of, penalty):
    confidence, expense, known = case
    expected = [penalised_of_one(*query, penalty) for query in zip(confidence, expense, known, strict=True)]
    assert choose(confidence, expense, known, of, name="penalised", penalty=penalty) == expected


@settings(deadline=None, max_examples=300)
@given(cases(), OF, st.sampled_from([0, 0.0, 0.25, 0.5, 0.7, 1.0]))
def test_cheapest_is_the_loop(case, of, tau):
    confidence, expense, known = case
    expected = [cheapest_of_one(*query, tau) for query in zip(confidence, expense, known, strict=True)]
    assert choose(confidence, expense, known, of, name="cheapest", tau=tau) == expected


@settings(deadline=None, max_examples=300)
@given(cases(), OF, st.sampled_from([0, 0.0, 0.25, 0.5, 0.6, 100.0, 1000.0]))
def test_query_budget_is_the_loop(case, of, budget):
    confidence, expense, known = case
    expected = [query_budget_of_one(*query, budget) for query in zip(confidence, expense, known, strict=True)]
    assert choose(confidence, expense, known, of, name="query_budget", budget=budget) == expected


@settings(deadline=None, max_examples=300)
@given(cases(), OF, st.sampled_from([0, 0.0, 0.25, 0.5, 0.6, 50.0, 100.0, 1000.0]))
def test_mean_budget_is_the_loop(case, of, budget):
    confidence, expense, known = case
    expected = mean_budget_of_all(confidence, expense, known, budget)
    assert choose(confidence, expense, known, of, name="mean_budget", budget=budget) == expected


@settings(deadline=None, max_examples=200)
@given(cases(), st.floats(0, 300, allow_nan=False), st.floats(0, 300, allow_nan=False))
def test_a_larger_mean_budget_is_used_and_kept_to(case, budget, more):
    confidence, expense, known = case
    rows = np.flatnonzero(known.any(axis=1))
    if not len(rows):
        return

    def spent_and_gained(budget):
        chosen = np.array(choose(confidence, expense, known, name="mean_budget", budget=budget))[rows]
        return expense[rows, chosen].mean(), confidence[rows, chosen].astype(np.float64).mean()

    least = np.where(known, expense, np.inf).min(axis=1)[rows].mean()
    (spent, gained), (spent_more, gained_more) = spent_and_gained(budget), spent_and_gained(budget + more)
    assert spent <= budget or spent == least
    assert spent <= spent_more
    assert gained <= gained_more


def test_penalised_by_hand():
    confidence = [[0.9, 0.8, 0.5], [0.6, 0.8, 0.7], [0.5, 0.5, 0.5]]
    costs = [[0.03, 0.01, 0.0], [0.03, 0.01, 0.0], [0.03, 0.0, 0.0]]
    assert choose(confidence, costs, name="penalised", penalty=0) == [0, 1, 1]
    assert choose(confidence, costs, name="penalised", penalty=6.0) == [1, 1, 1]
    assert choose(confidence, costs, name="penalised", penalty=20.0) == [1, 2, 1]
    assert choose(confidence, costs, name="penalised", penalty=100.0) == [2, 2, 1]


def test_cheapest_by_hand():
    costs = [0.03, 0.01, 0.02, 0.01]
    confidence = np.array(
        [
            [0.9, 0.6, 0.8, 0.6],  # the cheapest of the first and the third, who are sure enough
            [0.9, 0.7, 0.8, 0.7],  # exactly tau is not above it
            [0.9, 0.8, 0.8, 0.9],  # of two that cost the same, the surer
            [0.9, 0.8, 0.8, 0.8],  # and the first in pool order, if they are equally sure
            [0.2, 0.6, 0.7, 0.5],  # no VLM is sure enough: the surest
            [0.7, 0.5, 0.7, 0.5],  # of equally sure ones the cheaper
        ],
        dtype=np.float32,
    )
    assert choose(confidence, np.tile(costs, (6, 1)), name="cheapest", tau=0.7) == [2, 2, 3, 1, 2, 2]


def test_query_budget_by_hand():
    confidence = [
        [0.9, 0.8, 0.5],  # the surest that is affordable
        [0.5, 0.8, 0.8],  # of equally sure ones the cheaper
        [0.9, 0.8, 0.7],  # no VLM is affordable: the least expensive, not the first
        [0.5, 0.6, 0.6],  # of equally expensive ones the surer, and then the first in pool order
    ]
    costs = [[0.03, 0.02, 0.01], [0.02, 0.02, 0.01], [0.5, 0.4, 0.3], [0.3, 0.3, 0.3]]
    assert choose(confidence, costs, name="query_budget", budget=0.02) == [1, 2, 2, 1]


def test_mean_budget_by_hand():
    # The dear VLM brings 0.4, 0.2 and 0.1 for 0.03 USD: it is given up on the third query first, the first one last.
    confidence = [[0.9, 0.5], [0.9, 0.7], [0.9, 0.8]]
    costs = [[0.04, 0.01]] * 3
    for total, expected in ((0.12, [0, 0, 0]), (0.11, [0, 0, 1]), (0.09, [0, 0, 1]), (0.08, [0, 1, 1])):
        assert choose(confidence, costs, name="mean_budget", budget=total / 3 + 1e-12) == expected
    for budget in (0.02 - 1e-9, 0.01, 0.001, 0.0):  # the last two are below what is possible
        assert choose(confidence, costs, name="mean_budget", budget=budget) == [1, 1, 1]


def test_mean_budget_skips_what_is_never_worth_it():
    # From the first VLM straight to the last one, each USD saved costs less confidence than by way of the second.
    confidence, costs = [[0.9, 0.3, 0.2]], [[2.0, 1.0, 0.0]]
    assert choose(confidence, costs, name="mean_budget", budget=1.5) == [2]
    assert choose([[0.9, 0.7, 0.2]], costs, name="mean_budget", budget=1.5) == [1]


def test_mean_budget_depends_on_the_batch():
    confidence, costs = np.array([[0.9, 0.5], [0.9, 0.8]]), np.array([[0.03, 0.01]] * 2)
    assert choose(confidence, costs, name="mean_budget", budget=0.02) == [0, 1]
    assert choose(confidence[:1], costs[:1], name="mean_budget", budget=0.02) == [1]


def test_queries_without_a_known_vlm_do_not_count_in_the_mean():
    confidence, costs = np.array([[0.9, 0.5], [0.9, 0.8], [0.9, 0.8]]), np.array([[0.03, 0.01]] * 3)
    known = np.array([[True, True], [False, False], [False, True]])
    assert choose(confidence, costs, known, name="mean_budget", budget=0.02) == [0, -1, 1]
    assert choose(confidence, costs, known, name="mean_budget", budget=0.019) == [1, -1, 1]


@pytest.mark.parametrize(("name", "setting"), WEIGHING)
def test_a_pool_of_one_is_its_one_vlm(name, setting):
    known = np.array([[True], [False], [True]])
    for value in (0.0, 0.5, 1.0):
        policy = {"name": name, setting: value}
        assert choose([[0.1], [0.5], [0.9]], [[2.0], [0.0], [0.0]], known, **policy) == [0, -1, 0]


@pytest.mark.parametrize(("name", "setting"), WEIGHING)
def test_nothing_to_choose(name, setting):
    policy = {"name": name, setting: 0.5}
    assert choose(np.zeros((0, 3)), np.zeros((0, 3)), **policy) == []
    assert choose(np.ones((2, 3)), np.ones((2, 3)), np.zeros((2, 3), bool), **policy) == [-1, -1]


@pytest.mark.parametrize("expense", [0.0, 0.3])
@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [("penalised", "penalty", 7.0), ("query_budget", "budget", 0.1), ("mean_budget", "budget", 0.1)],
)
def test_where_all_cost_the_same_the_surest_is_chosen(name, setting, value, expense):
    confidence = np.random.default_rng(1).random((50, 5))
    chosen = choose(confidence, np.full((50, 5), expense), name=name, **{setting: value})
    assert chosen == confidence.argmax(axis=1).tolist()


@settings(deadline=None, max_examples=100)
@given(cases())
def test_without_need_to_save_a_policy_takes_the_surest(case):
    confidence, expense, known = case
    surest = choose(confidence, expense, known, name="penalised", penalty=0)
    for name, value in (("query_budget", 1e9), ("mean_budget", 1e9)):
        assert choose(confidence, expense, known, name=name, budget=value) == surest
    assert choose(confidence, expense, known, name="cheapest", tau=1.0) == surest
    allowed = np.where(known, confidence, -1.0)
    assert [allowed[i, j] for i, j in enumerate(surest)] == allowed.max(axis=1, initial=-1.0).tolist()


def test_ranking_begins_with_the_choice():
    policy = {"name": "query_budget", "budget": 0.01, "of": "latency"}
    order = ranking(np.array([[0.9, 0.3, 0.5]]), policy, "abc", latencies=np.array([[1.0, 0.01, 2.0]]))
    assert order.tolist() == [[1, 0, 2]]
