import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from arms.baselines import elo
from arms.baselines.elo import EloRouter, bradley_terry, count_wins, similarity_weights
from arms.baselines.registry import build_router
from arms.errors import ArmsError
from tests.baselines.made_vectors import VLMS, best_share, em_on, label_vectors, learnable, noisy

NAN = np.nan


def make(temperature=(1.0,)):
    return EloRouter(VLMS, features="concat", temperature=list(temperature))


def by_optimisation(train, vector, temperature):
    """Strengths of one query, by scipy on the likelihood written out battle by battle."""
    train = train.subset(np.flatnonzero(train.known.sum(axis=1) > 1))
    cosines = [row @ vector / np.linalg.norm(row) / np.linalg.norm(vector) for row in train.vectors]
    weights = np.array([10 * 10 ** (cosine / max(cosines) / temperature) for cosine in cosines])
    weights *= weights.sum() / (weights**2).sum()
    pairs = [(i, j) for i in range(3) for j in range(i)]

    def loss(strengths):
        total = np.square(strengths.sum()) / 2
        for weight, right in [
            *zip(weights, train.outcomes, strict=True),
            (1.0, np.ones(3)),
        ]:  # the last: one tie more
            for i, j in pairs:
                if np.isnan(right[i] - right[j]):
                    continue
                won = 0.5 + (right[i] - right[j]) / 2
                lead = strengths[i] - strengths[j]
                total += weight * (won * np.log1p(np.exp(-lead)) + (1 - won) * np.log1p(np.exp(lead)))
        return total

    return minimize(loss, np.zeros(3), tol=1e-10).x


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_against_a_direct_optimisation(temperature):
    train, test = noisy(40, 0), noisy(5, 1)
    strengths = make([temperature]).fit(train).score_vectors(test.vectors)
    expected = [by_optimisation(train, vector, temperature) for vector in test.vectors]
    np.testing.assert_allclose(strengths, expected, atol=1e-4)
    np.testing.assert_allclose(strengths.sum(axis=1), 0, atol=1e-6)


def test_bradley_terry_against_logistic_regression():
    """Battles as rows of +1 and -1, each table of wins as weights, a tie as half a win each."""
    rng = np.random.default_rng(0)
    wins = rng.gamma(1.0, 5.0, size=(6, 4, 4))
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    rows = np.array([np.eye(4)[i] - np.eye(4)[j] for i, j in pairs])
    both = np.concatenate([rows, -rows])
    for table, strengths in zip(wins, bradley_terry(wins), strict=True):
        weight = np.array([table[i, j] for i, j in pairs])
        fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(
            both, np.repeat([1, 0], len(pairs)), sample_weight=np.tile(weight, 2)
        )
        np.testing.assert_allclose(strengths, fitted.coef_[0] - fitted.coef_[0].mean(), atol=1e-3)


def test_two_players_have_a_closed_form():
    """Log odds of the wins, however lopsided."""
    wins = np.zeros((3, 2, 2))
    wins[:, 0, 1], wins[:, 1, 0] = [3, 1e6, 2], [1, 0.5, 2]
    lead = np.log([3, 2e6, 1])
    np.testing.assert_allclose(bradley_terry(wins), np.stack([lead, -lead], axis=1) / 2, atol=1e-6)


def test_lopsided_tables_converge():
    """At the maximum each player's wins are those expected of it; Newton's full steps diverge on some of these."""
    rng = np.random.default_rng(0)
    wins = 10 ** rng.uniform(-1, 5, size=(500, 6, 6)) * (rng.random((500, 6, 6)) < 0.5) + 0.5
    wins *= ~np.eye(6, dtype=bool)
    strengths = bradley_terry(wins)
    chances = expit(strengths[:, :, None] - strengths[:, None, :])
    expected = ((wins + wins.swapaxes(1, 2)) * chances * ~np.eye(6, dtype=bool)).sum(axis=2)
    np.testing.assert_allclose(expected, wins.sum(axis=2), rtol=1e-6)


def test_wins_by_hand():
    wins = count_wins(np.array([[1, 0, NAN], [1, 1, 0]], dtype=np.float32))
    np.testing.assert_array_equal(wins[0], [[0.5, 1, 0], [0, 0.5, 0], [0, 0, 0]])
    np.testing.assert_array_equal(wins[1], [[0.5, 0.5, 1], [0.5, 0.5, 1], [0, 0, 0.5]])


def test_weights_keep_the_published_ratios():
    cosines = np.array([[0.8, 0.2, -0.4], [0.5, 0.5, 0.5]], dtype=np.float32)
    weights = similarity_weights(cosines, 1.0)
    published = 10 * 10 ** (cosines / cosines.max(axis=1, keepdims=True))
    np.testing.assert_allclose(weights / weights[:, :1], published / published[:, :1], rtol=1e-5)
    np.testing.assert_allclose(weights[1], 1, rtol=1e-6)  # three queries alike are worth three
    np.testing.assert_allclose(similarity_weights(cosines, 0.001)[0], [1, 0, 0], atol=1e-6)


def test_nothing_alike_leaves_the_least_unlike():
    weights = similarity_weights(np.array([[-0.5, -0.1], [0.0, 0.0]], dtype=np.float32), 1.0)
    np.testing.assert_allclose(weights, [[0, 1], [1, 1]], atol=1e-6)


def test_a_vlm_that_never_loses_stays_finite_and_leads():
    train = noisy(50, 0)
    train.outcomes[:] = [1, 0, 0]
    scores = make().fit(train).score_vectors(train.vectors)
    assert np.isfinite(scores).all()
    assert (scores[:, 0] > scores[:, 1]).all()
    np.testing.assert_allclose(scores[:, 1], scores[:, 2], atol=1e-6)


def test_queries_without_a_battle_have_no_part():
    """Not even in the largest similarity: the query that is most alike has one known outcome."""
    train = label_vectors([[1, 0], [1, 1], [1, 2], [0, 1]], [[NAN, 1, NAN], [1, 0, NAN], [0, 1, 1], [1, 0, 0]])
    query = np.array([[1, 0]], dtype=np.float32)
    whole = make().fit(train).score_vectors(query)
    part = make().fit(train.subset(np.array([1, 2, 3]))).score_vectors(query)
    np.testing.assert_array_equal(whole, part)


def test_without_a_battle_all_are_equal():
    train = noisy(20, 0)
    train.outcomes[:, 1:] = NAN
    assert (make().fit(train).score_vectors(train.vectors) == 0).all()


def test_parts_make_the_whole(monkeypatch):
    train, test = noisy(40, 0), noisy(23, 1)
    router = make([0.1]).fit(train)
    whole = router.score_vectors(test.vectors)
    monkeypatch.setattr(elo, "CHUNK_NUMBERS", 5 * (40 + 8 * 9))
    np.testing.assert_allclose(router.score_vectors(test.vectors), whole, atol=1e-5)


def test_the_temperature_is_chosen_on_val():
    train, val = noisy(80, 0), noisy(200, 1)
    candidates = [1.0, 0.01, 0.3, 0.1]

    def em(temperature):
        return em_on(val, make([temperature]).fit(train))

    assert len({em(temperature) for temperature in candidates}) > 1
    assert make(candidates).fit(train, val).temperature == max(candidates, key=em)
    assert make(candidates).fit(train).temperature == 1.0


def test_it_learns():
    train, test = learnable(300, 0, unknown=0.3), learnable(300, 1)
    assert em_on(test, make([0.1]).fit(train)) > 0.8 > best_share(test)


def test_settings_are_checked():
    with pytest.raises(ArmsError, match=r"baselines\.elo\.temperature\.0: expected greater than 0, got 0"):
        build_router("elo", VLMS, {"features": "concat", "temperature": [0.0]}, seed=1)
