import numpy as np
import pytest
from scipy.special import expit

from arms.safe.base_rates import base_rates, fit_rasch
from tests.safe.made import draw

ABILITIES = np.array([-1.75, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.5])
BEST, SECOND, WORST = 7, 6, 0


def made(count=500, seed=0, spread=1.0):
    """Outcomes of eight VLMs on queries of known ease, which is given too."""
    ease = spread * np.random.default_rng(seed).normal(size=count)
    return draw(expit(ABILITIES + ease[:, None]), seed + 1), ease


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_on_complete_data_they_are_the_shares_right(spread):
    outcomes, _ = made(spread=spread)
    np.testing.assert_allclose(base_rates(outcomes), outcomes.mean(axis=0), atol=0.02)


def test_a_vlm_run_only_on_hard_queries_is_not_held_to_its_share():
    outcomes, ease = made()
    complete = outcomes.mean(axis=0)
    outcomes[ease > -0.7, BEST] = np.nan
    shares = np.nanmean(outcomes, axis=0)
    assert shares[BEST] < shares[SECOND]  # as if it were worse
    rates = base_rates(outcomes)
    assert rates.argmax() == BEST
    assert shares[BEST] + 0.08 < rates[BEST] < complete[BEST] + 0.02
    np.testing.assert_allclose(rates[:BEST], complete[:BEST], atol=0.03)


def test_where_the_others_outcomes_tell_what_is_hard_nothing_is_lost():
    outcomes, _ = made()
    complete, others = outcomes.mean(axis=0), outcomes[:, :BEST].mean(axis=1)
    outcomes[others > np.quantile(others, 0.3), BEST] = np.nan
    assert np.nanmean(outcomes[:, BEST]) < complete[BEST] - 0.1
    assert base_rates(outcomes)[BEST] == pytest.approx(complete[BEST], abs=0.07)


def test_a_vlm_run_only_on_easy_queries_gains_nothing_by_it():
    outcomes, ease = made()
    outcomes[ease < 1, WORST] = np.nan
    assert np.nanmean(outcomes, axis=0).argmin() != WORST
    assert base_rates(outcomes).argmin() == WORST


def test_a_vlm_without_outcomes_is_a_mean_one():
    outcomes, _ = made()
    unknown = np.concatenate([outcomes, np.full((len(outcomes), 1), np.nan)], axis=1)
    rates = base_rates(unknown)
    assert rates[8] == pytest.approx(rates[:8].mean(), abs=0.03)
    np.testing.assert_allclose(rates[:8], base_rates(outcomes), atol=1e-3)


def test_few_outcomes_move_a_vlm_little():
    outcomes, _ = made()
    few = np.concatenate([outcomes, np.full((len(outcomes), 2), np.nan)], axis=1)
    few[:3, 8] = 1  # another VLM has none
    rates = base_rates(few)
    assert rates[9] < rates[8] < rates[9] + 0.2
    many = few.copy()
    many[:100, 8] = 1
    assert base_rates(many)[8] > rates[8] + 0.05


def test_the_spread_of_an_ease_is_wider_where_less_is_known():
    outcomes, _ = made()
    outcomes[:250, 1:] = np.nan
    spread = fit_rasch(outcomes).spread
    assert spread[:250].min() > spread[250:].max()


@pytest.mark.parametrize("fill", [0.0, 1.0, np.nan])
@pytest.mark.parametrize("count", [1, 40])
def test_they_stay_between_0_and_1(fill, count):
    rates = base_rates(np.full((count, 3), fill, dtype=np.float32))
    assert rates.shape == (3,)
    assert ((rates > 0) & (rates < 1)).all()


def test_without_queries():
    np.testing.assert_array_equal(base_rates(np.empty((0, 3))), [0.5, 0.5, 0.5])


def test_the_order_of_queries_and_vlms_does_not_count():
    outcomes, _ = made(200)
    outcomes[draw(np.full(outcomes.shape, 0.3), 5) == 1] = np.nan
    queries, vlms = np.random.default_rng(2).permutation(200), [2, 0, 3, 1, 7, 6, 4, 5]
    np.testing.assert_allclose(base_rates(outcomes[queries][:, vlms]), base_rates(outcomes)[vlms], atol=1e-4)
