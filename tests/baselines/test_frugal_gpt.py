import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.baselines.frugal_gpt import AnswerScorer, FrugalGptRouter
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from arms.selection.select import select
from tests.baselines.made_answers import VLMS, make, without

TRAIN, VAL, TEST = make(400, 0), make(200, 1), make(300, 2)
COSTS = np.array([8.0, 4.0, 1.0, 1.0])
SETTINGS = {
    "features": "normalised",
    "length": 3,
    "budget": 1.0,
    "max_pool": 4,
    "num_thresholds": 7,
    "search_share": 0.3,
    "hidden_width": 16,
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
}


def fitted(train=TRAIN, val=VAL, costs=COSTS, **changes):
    router = FrugalGptRouter(VLMS, **(SETTINGS | {"seed": 0} | changes))
    return router.fit(replace(train, costs=None if costs is None else np.tile(costs, (len(train), 1))), val)


def consult(router, made=TEST):
    consulted = router.consult(made.queries, made.answers)
    return consulted, float((consulted.asked * router.cost_S).sum(axis=1).mean())


def scores_of(router, made):
    """The scorer's chance of each answer."""
    return router._scores(router._read(made.forget(np.full(len(made), True), VLMS), made.answers))


@pytest.fixture(scope="module")
def router():
    return fitted()


def test_more_right_answers_than_the_best_single_vlm_for_its_cost(router):
    consulted, cost = consult(router)
    best_single = TEST.em(np.tile(TRAIN.outcomes.mean(axis=0), (300, 1)))
    assert TEST.em(consulted.confidence) > best_single + 0.05
    assert cost < 8 * 1.1
    np.testing.assert_allclose(router.cost_S, COSTS)


def test_a_larger_budget_buys_more():
    """A cap is kept on val, which it is searched on."""
    ems, costs = [], []
    for budget in (0.2, 0.6, 1.5):
        router = fitted(budget=budget)
        consulted, cost = consult(router, VAL)
        assert cost <= budget * 8 + 1e-6
        ems.append(VAL.em(consulted.confidence))
        costs.append(cost)
    assert ems == sorted(ems)
    assert ems[2] > ems[0] + 0.1
    assert costs == sorted(costs)


def test_a_budget_that_nobody_keeps_to(caplog):
    with caplog.at_level(logging.WARNING):
        router = fitted(budget=0.05)
    assert router.plan.vlms in {(2,), (3,)}
    assert "no list of VLMs keeps to a budget of 0.4 a query; the cheapest, at 1, is taken" in caplog.text


def test_without_costs_every_answer_counts_alike():
    router = fitted(costs=None, budget=1.2)
    np.testing.assert_array_equal(router.cost_S, np.ones(4))
    assert consult(router, VAL)[0].asked.sum(axis=1).mean() <= 1.2


def test_the_choice_is_the_answer_that_is_taken(router):
    """Even where an answer that was passed over had the higher score, which the last one's need not reach."""
    recorded = np.random.default_rng(0).random((300, 4)) < 0.8
    test = without(TEST, recorded)
    scores = scores_of(router, test)
    taken, asked = router.plan.follow(scores, recorded, router.preference)
    consulted, _ = consult(router, test)
    some = recorded.any(axis=1)
    np.testing.assert_array_equal(select(consulted.confidence, router.policy, VLMS)[some], taken[some])
    np.testing.assert_array_equal(consulted.asked, asked)
    rows = np.arange(300)[some]
    np.testing.assert_allclose(consulted.confidence[rows, taken[some]], scores[rows, taken[some]], atol=1e-6)
    overtaken = (np.where(asked, scores, 0).max(axis=1) > scores[np.arange(300), taken]) & some
    assert overtaken.any()


def test_the_last_and_least_sure_answer_is_the_choice(router):
    """A net that is sure of nothing takes the last answer of its list, and confidences stay above 0."""
    blank = fitted(epochs=1)
    torch.nn.init.constant_(blank.scorer.out.bias, -1000.0)
    torch.nn.init.zeros_(blank.scorer.out.weight)
    blank.plan = replace(router.plan, vlms=(0, 1, 3), thresholds=(0.5, 0.5))
    consulted, _ = consult(blank)
    assert (consulted.confidence.argmax(axis=1) == 3).all()
    np.testing.assert_array_equal(consulted.confidence > 0, np.tile([True, True, False, True], (300, 1)))


def test_the_scorer_does_not_know_who_gave_an_answer(router):
    rows = TEST.answers.rows.copy()
    rows[:, 1] = rows[:, 2] = rows[:, 0]
    scores = scores_of(router, replace(TEST, answers=replace(TEST.answers, rows=rows)))
    np.testing.assert_allclose(scores[:, 1], scores[:, 0], atol=1e-6)
    np.testing.assert_allclose(scores[:, 2], scores[:, 0], atol=1e-6)
    assert (np.abs(scores[:, 3] - scores[:, 0]) > 1e-3).any()


def test_the_search_sees_only_val_and_without_it_a_part_of_training(monkeypatch):
    searched, learnt = [], []
    search, fit_scorer = FrugalGptRouter._search, FrugalGptRouter._fit_scorer

    def spy_search(self, answers, share_S):
        searched.append(answers.rows_NS[:, 0])
        return search(self, answers, share_S)

    def spy_scorer(self, train, val):
        learnt.append(train.rows_NS[:, 0])
        return fit_scorer(self, train, val)

    monkeypatch.setattr(FrugalGptRouter, "_search", spy_search)
    monkeypatch.setattr(FrugalGptRouter, "_fit_scorer", spy_scorer)
    fitted(epochs=1)
    np.testing.assert_array_equal(searched[0], VAL.answers.rows[:, 0])
    np.testing.assert_array_equal(learnt[0], TRAIN.answers.rows[:, 0])
    fitted(val=None, epochs=1)
    assert len(searched[1]) == 120
    assert sorted([*searched[1], *learnt[1]]) == sorted(TRAIN.answers.rows[:, 0])


def test_scorer_values():
    """One hidden unit by hand: out * relu(query + answer) + bias."""
    scorer = AnswerScorer(2, 1, 1)
    query, answers = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[[3.0], [-9.0]], [[1.0], [4.0]]])
    assert scorer(query, answers).tolist() == [[0, 0], [0, 0]]
    with torch.no_grad():
        scorer.query.weight.copy_(torch.tensor([[2.0, 1.0]]))
        scorer.query.bias.fill_(0.5)
        scorer.answer.weight.fill_(1.0)
        scorer.out.weight.fill_(2.0)
        scorer.out.bias.fill_(-1.0)
    # hidden: 4.5 + 3, 4.5 - 9 < 0; -0.5 + 1, -0.5 + 4
    np.testing.assert_allclose(scorer(query, answers).detach(), [[14, -1], [0, 6]])


@pytest.mark.parametrize(("setting", "value"), [("length", 4), ("length", 0), ("budget", 0.0), ("search_share", 1.0)])
def test_settings_are_checked(setting, value):
    with pytest.raises(ArmsError, match=rf"baselines\.frugal-gpt\.{setting}: expected"):
        build_router("frugal-gpt", VLMS, SETTINGS | {setting: value}, seed=1)
