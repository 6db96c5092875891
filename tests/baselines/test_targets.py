import numpy as np
import pytest

from arms.baselines.targets import target_shares

NAN = np.nan
OUTCOMES = np.array([[1, 1, 1], [0, 1, 1], [1, NAN, 1], [0, 0, NAN], [NAN, NAN, NAN]], dtype=np.float32)
COSTS = np.array([[2, 1, 1], [0, 4, 5], [3, 0, 1], [1, 1, 1], [0, 0, 11]], dtype=np.float32)  # mean 31 / 15
MEAN = 31 / 15


def test_cheapest_by_hand():
    expected = [[0, 0.5, 0.5], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(target_shares(OUTCOMES, COSTS, "cheapest", 0.0), np.float32(expected))


@pytest.mark.parametrize("penalty", [0.0, 0.7, 3.0])
def test_soft_against_its_formula(penalty):
    shares = target_shares(OUTCOMES, COSTS, "soft", penalty)
    for i in range(3):
        weight = [np.exp(-penalty * COSTS[i, j] / MEAN) if OUTCOMES[i, j] == 1 else 0.0 for j in range(3)]
        np.testing.assert_allclose(shares[i], np.array(weight) / sum(weight), atol=1e-6)
    assert (shares[3:] == 0).all()


def test_a_strong_penalty_is_the_cheapest():
    np.testing.assert_allclose(
        target_shares(OUTCOMES, COSTS, "soft", 1e6), target_shares(OUTCOMES, COSTS, "cheapest", 0.0)
    )


def test_the_currency_has_no_part():
    one, other = (target_shares(OUTCOMES, costs, "soft", 2.0) for costs in (COSTS, COSTS * np.float32(1e-5)))
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("kind", ["cheapest", "soft"])
@pytest.mark.parametrize("costs", [None, np.zeros_like(COSTS)])
def test_without_costs_the_right_ones_share(kind, costs):
    expected = [[1 / 3] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(target_shares(OUTCOMES, costs, kind, 5.0), expected, atol=1e-6)


def test_costs_of_another_pool():
    with pytest.raises(ValueError, match=r"costs: expected the shape of the outcomes, \(5, 3\), got \(5, 2\)"):
        target_shares(OUTCOMES, COSTS[:, :2], "soft", 1.0)
