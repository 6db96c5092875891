from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from arms.baselines.linear import LinearRouter
from arms.baselines.registry import build_router
from arms.baselines.targets import target_shares
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, best_share, em_on, learnable, noisy

NAN = np.nan


def make(c, targets="soft", penalty=0.5):
    return LinearRouter(VLMS, features="concat", targets=targets, penalty=penalty, c=c)


@pytest.mark.parametrize("targets", ["cheapest", "soft"])
def test_with_all_known_it_is_the_regression_of_scikit_learn(targets):
    """There, shared targets are a row for each share, with the share as its weight."""
    train, test = noisy(120, 0), noisy(25, 1)
    costs = np.random.default_rng(0).random((120, 3)).astype(np.float32)
    train = replace(train, outcomes=np.nan_to_num(train.outcomes), costs=costs)
    shares = target_shares(train.outcomes, costs, targets, 0.5)
    rows, classes = shares.nonzero()
    scaler = StandardScaler().fit(train.vectors)
    expected = (
        LogisticRegression(C=0.2, tol=1e-6)
        .fit(scaler.transform(train.vectors)[rows], classes, sample_weight=shares[rows, classes])
        .predict_proba(scaler.transform(test.vectors))
    )
    scores = make([0.2], targets).fit(train).score_vectors(test.vectors)
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_unknown_outcomes_do_not_compete():
    """The same objective by torch, query by query, over the known VLMs only."""
    train = noisy(40, 0)
    shares = torch.tensor(target_shares(train.outcomes, None, "soft", 0.0)).double()
    vectors = torch.tensor(StandardScaler().fit_transform(train.vectors)).double()
    weights = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = weights[1:].square().sum() / 2
        for i in range(40):
            known = torch.tensor(train.known[i])
            if shares[i].any():
                log_share = (vectors[i] @ weights[1:] + weights[0])[known].log_softmax(dim=0)
                loss = loss - 0.2 * (shares[i][known] * log_share).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    expected = (vectors @ weights[1:] + weights[0]).softmax(dim=1).detach().numpy()
    scores = make([0.2]).fit(train).score_vectors(train.vectors)
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_a_vlm_that_is_rarely_known_is_not_taken_for_a_bad_one():
    """b is always right but known on a fifth of the queries, a is right on half of them."""
    train, test = noisy(200, 0), noisy(50, 1)
    train.outcomes[:, 0] = np.arange(200) % 2
    train.outcomes[:, 1] = np.where(np.arange(200) % 5 == 0, 1, NAN)
    train.outcomes[:, 2] = 0
    scores = make([0.01]).fit(train).score_vectors(test.vectors)
    assert (scores[:, 1] > scores[:, 0]).all()


def test_a_vlm_that_was_never_known_has_no_share():
    train = noisy(60, 0)
    train.outcomes[:, 1] = NAN
    scores = make([0.1]).fit(train).score_vectors(train.vectors)
    assert (scores[:, 1] == 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("outcome", [0.0, NAN])
def test_nothing_to_learn_gives_equal_shares(outcome):
    train = noisy(20, 0)
    train.outcomes[:] = outcome
    scores = make([1.0]).fit(train).score_vectors(train.vectors)
    np.testing.assert_allclose(scores, 1 / 3)


def test_costs_decide_among_the_right():
    """a and b are always right; the cheaper one is taken, whichever it is."""
    train = noisy(80, 0)
    train.outcomes[:] = [1, 1, 0]
    for cheaper in (0, 1):
        costs = np.where(np.arange(3) == cheaper, 1, np.full((80, 3), 2)).astype(np.float32)
        for targets in ("cheapest", "soft"):
            router = make([1.0], targets).fit(replace(train, costs=costs))
            assert (router.score(train.queries).argmax(axis=1) == cheaper).all()


def test_c_is_chosen_on_val():
    train, val = noisy(60, 0), noisy(200, 1)
    candidates = [1e-6, 100.0, 0.1, 0.01]

    def em(c):
        return em_on(val, make([c]).fit(train))

    assert len({em(c) for c in candidates}) > 1
    assert make(candidates).fit(train, val).regression.c == max(candidates, key=em)
    assert make(candidates).fit(train).regression.c == 1e-6


def test_it_learns():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make([1.0]).fit(train)) > 0.85 > best_share(test)


def test_settings_are_checked():
    settings = {"features": "concat", "targets": "soft", "penalty": 0.1, "c": [1.0]}
    with pytest.raises(ArmsError, match=r"baselines\.linear\.targets: expected 'cheapest' or 'soft', got 'hard'"):
        build_router("linear", VLMS, {**settings, "targets": "hard"}, seed=1)
    with pytest.raises(ArmsError, match=r"baselines\.linear\.penalty: expected greater than or equal to 0, got -1"):
        build_router("linear", VLMS, {**settings, "penalty": -1}, seed=1)
