"""What answers are expected to cost: by the router's records, at the prices of the settings."""

import pytest

from arms.data.costs import AnswerPrice
from arms.routers.origin import Origin
from arms.serve.loaded import Loaded
from tests.serve.helpers import FakeRouter, settings_of

PRICES = {"alpha": AnswerPrice(0.02, 1e-5, 0.01), "beta": AnswerPrice(0.002, 1e-6, 0.001)}


def loaded(origin=True, **of):
    router = FakeRouter()
    if origin:
        router.origin = Origin("mine", {"train": 1}, "", ("train",), dict(PRICES))
    return Loaded.of(router, settings_of("http://127.0.0.1:1", of=of), "fake")


def test_without_prices_in_the_settings_the_records_count():
    assert loaded().expected_costs(100, 2) == pytest.approx({"alpha": 0.041, "beta": 0.0041})


def test_half_the_price_is_half_the_cost():
    costs = loaded(alpha={"price_in": 5, "price_out": 15}).expected_costs(100, 2)
    assert costs == pytest.approx({"alpha": 0.0205, "beta": 0.0041})


def test_a_vlm_of_unknown_cost_is_estimated_by_the_prices():
    costs = loaded(gamma={"price_in": 4, "price_out": 10}).expected_costs(400, 1)
    assert costs["gamma"] == pytest.approx(((400 / 4 + 768) * 4 + 32 * 10) / 1e6)


def test_a_router_without_records_estimates_all():
    costs = loaded(origin=False, alpha={"price_in": 4, "price_out": 10}).expected_costs(400, 0)
    assert costs["alpha"] == pytest.approx((400 / 4 * 4 + 32 * 10) / 1e6)


def test_no_part_is_below_zero():
    """A router from before images were counted has an image's price in the fixed part."""
    router = FakeRouter()
    router.origin = Origin("mine", {"train": 1}, "", ("train",), {"alpha": AnswerPrice(0.02, 1e-5)})
    served = Loaded.of(
        router, settings_of("http://127.0.0.1:1", of={"alpha": {"price_in": 0, "price_out": 30}}), "fake"
    )
    assert served.expected_costs(10**6, 50)["alpha"] >= 0
