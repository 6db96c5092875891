import numpy as np
import pandas as pd
import pytest

from arms.data.costs import AnswerPrice, answer_prices, costs_of, estimate_costs, latencies_of, price_costs
from arms.data.prepared import Prepared
from arms.data.profiles import VlmProfile
from arms.errors import ArmsError
from arms.params.costs import CostsParams

PARAMS = CostsParams(characters_per_token=5.0, image_tokens=100, answer_tokens=20, own_compute_usd_per_b=0.5)
NO_COMPUTE = PARAMS.model_copy(update={"own_compute_usd_per_b": 0.0})

PRICED = VlmProfile(name="priced", access="paid", price_in=10, price_out=50)
CHEAP = VlmProfile(name="cheap", access="paid", price_in=1, price_out=2)
UNPRICED = VlmProfile(name="unpriced", access="paid", price_in=10)
OPEN = VlmProfile(name="open", access="free", params_b=4)
HOSTED = VlmProfile(name="hosted", access="free", params_b=4, price_in=10, price_out=50)
UNSIZED = VlmProfile(name="unsized", access="free")
BIG = VlmProfile(name="big", access="paid", params_b=8, price_in=0, price_out=0)


class TestEstimate:
    def test_by_hand(self):
        # 110 and 120 tokens of prompt, 20 of answer; own compute: 4 * 0.5 USD per million tokens.
        estimate = estimate_costs([PRICED, CHEAP, OPEN], [50, 100], [1, 1], PARAMS)
        assert estimate.dtype == np.float64
        np.testing.assert_allclose(estimate * 1e6, [[2100, 150, 260], [2200, 160, 280]])

    def test_a_price_goes_before_own_compute(self):
        np.testing.assert_array_equal(*(estimate_costs([vlm], [50], [1], PARAMS) for vlm in (PRICED, HOSTED)))

    def test_a_size_that_is_undisclosed_is_the_mean_of_the_pool(self):
        estimate = estimate_costs([UNSIZED, OPEN, BIG], [50], [1], PARAMS)
        np.testing.assert_allclose(estimate * 1e6, [[6 * 0.5 * 130, 4 * 0.5 * 130, 0]])

    def test_unknown(self):
        # No price, or no size in the pool.
        assert (
            np.isnan(estimate_costs([UNPRICED, UNSIZED, PRICED], [5, 9], [1, 0], PARAMS)).tolist()
            == [[True, True, False]] * 2
        )

    def test_own_compute_may_be_free(self):
        assert estimate_costs([OPEN, UNSIZED], [5], [1], NO_COMPUTE).tolist() == [[0, 0]]

    def test_no_queries(self):
        assert estimate_costs([OPEN, PRICED], [], [], PARAMS).shape == (0, 2)


VLMS = (PRICED, CHEAP, UNPRICED, OPEN)
NAMES = tuple(vlm.name for vlm in VLMS)
TEST = ["i0", "i1"]


def make_prepared(records, vlms=VLMS):
    """Four training queries and two of the id split, with outcomes (query_id, vlm, cost_usd, latency_s)."""
    ids = ["t0", "t1", "t2", "t3", *TEST]
    queries = pd.DataFrame(
        {
            "query_id": ids,
            # 50, 100, 150, 200 characters in training, 50 and 200 in the test.
            "question": ["x" * 50 * n for n in (1, 2, 3, 4, 1, 4)],
            "images": [("a.png",)] * 6,
            "split": ["train"] * 4 + ["id"] * 2,
        }
    )
    columns = ["query_id", "vlm", "cost_usd", "latency_s"]
    outcomes = pd.DataFrame(records, columns=columns).assign(correct=True)
    return Prepared(queries, outcomes, vlms, tuple(vlm.name for vlm in vlms), ())


def estimates(*num_characters):
    return estimate_costs(VLMS, num_characters, [1] * len(num_characters), PARAMS)


class TestPrices:
    def test_they_give_the_expected_costs(self):
        records = [("t0", "priced", 2 * estimates(50)[0, 0], None), ("t1", "unpriced", 0.5, None)]
        prepared = make_prepared(records)
        prices = answer_prices(prepared, NAMES, PARAMS)
        assert prices["unpriced"] == AnswerPrice(0.5, 0.0, 0.0)
        expected = costs_of(prepared, TEST, NAMES, PARAMS).expected
        np.testing.assert_allclose(price_costs(NAMES, [50, 200], [1, 1], prices), expected, rtol=1e-9)

    def test_unknown(self):
        prices = answer_prices(make_prepared([]), NAMES, PARAMS)
        assert list(prices) == ["priced", "cheap", "open"]
        assert np.isnan(price_costs(NAMES, [1, 2], [1, 0], prices)).tolist() == [[False, False, True, False]] * 2


class TestCosts:
    def test_recorded_and_scaled(self):
        twice = 2 * estimates(50)[0, 0]
        records = [("t0", "priced", twice, None), ("t1", "priced", None, None), ("i0", "priced", 7.0, None)]
        costs = costs_of(make_prepared(records), TEST, NAMES, PARAMS)
        np.testing.assert_allclose(costs.expected[:, 0], 2 * estimates(50, 200)[:, 0], rtol=1e-6)
        np.testing.assert_allclose(costs.charged[:, 0], [7.0, 2 * estimates(200)[0, 0]], rtol=1e-6)
        assert costs.sources["priced"] == "recorded"  # on the only query of the two whose outcome is known

    def test_the_scale_is_of_means_where_costs_are_recorded(self):
        records = [("t0", "priced", 0.001, None), ("t3", "priced", 0.004, None), ("t2", "cheap", None, None)]
        costs = costs_of(make_prepared(records), TEST, NAMES, PARAMS)
        scale = 0.0025 / estimates(50, 200)[:, 0].mean()
        np.testing.assert_allclose(costs.expected[:, 0], scale * estimates(50, 200)[:, 0], rtol=1e-6)
        np.testing.assert_array_equal(costs.expected[:, 1], estimates(50, 200)[:, 1])

    def test_nothing_recorded(self):
        records = [("i0", name, None, None) for name in NAMES]
        costs = costs_of(make_prepared(records), TEST, NAMES, PARAMS)
        np.testing.assert_array_equal(costs.expected, estimates(50, 200))
        np.testing.assert_array_equal(costs.charged, costs.expected)
        assert costs.vlms == NAMES
        assert costs.sources == dict.fromkeys(NAMES, "estimated") | {"unpriced": "unknown"}
        assert costs.without_charge == ("unpriced",)
        assert costs.without_expectation == ("unpriced",)

    def test_a_table_without_the_column(self):
        prepared = make_prepared([("i0", "priced", None, None)])
        del prepared.outcomes["cost_usd"], prepared.outcomes["latency_s"]
        np.testing.assert_array_equal(costs_of(prepared, TEST, NAMES, PARAMS).charged, estimates(50, 200))
        assert latencies_of(prepared, TEST, ["priced"]).sources == {"priced": "unknown"}

    def test_unknown_where_no_outcome_is_known_does_no_harm(self):
        costs = costs_of(make_prepared([("i0", "priced", None, None)]), TEST, NAMES, PARAMS)
        assert costs.without_charge == ()
        assert costs.without_expectation == ("unpriced",)

    def test_without_prices_the_mean_of_training_is_expected(self):
        records = [("t0", "unpriced", 0.2, None), ("t3", "unpriced", 0.4, None), ("i0", "unpriced", None, None)]
        costs = costs_of(make_prepared(records), TEST, NAMES, PARAMS)
        np.testing.assert_allclose(costs.expected[:, 2], 0.3, rtol=1e-6)
        np.testing.assert_allclose(costs.charged[:, 2], 0.3, rtol=1e-6)
        assert (costs.sources["unpriced"], costs.without_charge, costs.without_expectation) == ("estimated", (), ())

    def test_an_estimate_of_zero_cannot_be_scaled(self):
        records = [("t0", "open", 0.2, None), ("t3", "open", 0.4, None)]
        costs = costs_of(make_prepared(records), TEST, NAMES, NO_COMPUTE)
        np.testing.assert_allclose(costs.expected[:, 3], 0.3, rtol=1e-6)

    def test_recorded_as_free(self):
        records = [("t0", "open", 0.0, None), ("i0", "open", 0.0, None), ("i1", "open", None, None)]
        costs = costs_of(make_prepared(records), TEST, NAMES, PARAMS)
        assert costs.expected[:, 3].tolist() == costs.charged[:, 3].tolist() == [0, 0]
        assert costs.sources["open"] == "partly recorded"

    def test_recorded_in_part_and_otherwise_unknown(self):
        records = [("i0", "unpriced", 0.5, None), ("i1", "unpriced", None, None)]
        costs = costs_of(make_prepared(records), TEST, NAMES, PARAMS)
        np.testing.assert_array_equal(costs.charged[:, 2], [0.5, np.nan])
        assert (costs.sources["unpriced"], costs.without_charge) == ("partly recorded", ("unpriced",))

    def test_what_is_expected_of_a_test_query_does_not_know_its_cost(self):
        training = [("t0", name, 0.1, None) for name in NAMES]
        one, other = (
            costs_of(make_prepared([*training, *((i, name, cost, None) for i in TEST for name in NAMES)]), TEST, NAMES,
                     PARAMS)
            for cost in (0.1, 9.0)
        )  # fmt: skip
        np.testing.assert_array_equal(one.expected, other.expected)
        assert (one.charged != other.charged).all()

    def test_rows_and_columns_are_those_asked_for(self):
        records = [("t0", "priced", 0.1, None), ("i0", "cheap", 0.2, None), ("i1", "open", 0.3, None)]
        prepared = make_prepared(records, vlms=(*VLMS, UNSIZED))
        whole = costs_of(prepared, TEST, (*NAMES, "unsized"), PARAMS)
        part = costs_of(prepared, iter(["i1", "i0", "i1"]), iter(["unsized", "cheap"]), PARAMS)
        for name in ("charged", "expected"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[[1, 0, 1]][:, [4, 1]])
        # Its size is the pool's mean, though only its own cost was asked for.
        assert part.sources == {"unsized": "estimated", "cheap": "recorded"}

    def test_no_queries_and_no_training(self):
        prepared = make_prepared([("i0", "priced", 0.1, None)])
        assert costs_of(prepared, [], NAMES, PARAMS).expected.shape == (0, 4)
        prepared.queries["split"] = "id"
        assert np.isfinite(costs_of(prepared, TEST, ["priced"], PARAMS).expected).all()
        assert np.isnan(latencies_of(prepared, TEST, ["priced"]).expected).all()

    def test_strangers(self):
        prepared = make_prepared([("i0", "priced", 0.1, None)])
        for read in (lambda *asked: costs_of(prepared, *asked, PARAMS), lambda *asked: latencies_of(prepared, *asked)):
            with pytest.raises(ArmsError, match="unknown VLM 'nobody'"):
                read(TEST, ["nobody"])
            with pytest.raises(ArmsError, match="unknown query 'q9'"):
                read(["q9"], NAMES)


class TestLatencies:
    def test_by_hand(self):
        records = [
            ("t0", "priced", None, 1.0), ("t1", "priced", None, 4.0), ("t2", "priced", None, None),
            ("i0", "priced", None, 9.0), ("i1", "priced", None, 8.0),
            ("t0", "cheap", None, 3.0), ("i0", "cheap", None, None), ("i1", "cheap", None, 2.0),
            ("i0", "open", None, 0.5),
        ]  # fmt: skip
        latencies = latencies_of(make_prepared(records), TEST, NAMES)
        nan = np.nan
        np.testing.assert_array_equal(latencies.charged, [[9, nan, nan, 0.5], [8, 2, nan, nan]])
        np.testing.assert_array_equal(latencies.expected, [[2.5, 3, nan, nan]] * 2)
        assert list(latencies.sources.values()) == ["recorded", "partly recorded", "unknown", "recorded"]
        assert latencies.without_charge == ("cheap",)
        assert latencies.without_expectation == ("unpriced", "open")

    def test_the_matrix(self):
        prepared = make_prepared([("i0", "priced", 0.1, 9.0), ("t1", "cheap", None, 2.5)])
        matrix = prepared.latency_matrix(["i0", "t1", "i0"], ["cheap", "priced"])
        assert matrix.dtype == np.float32
        np.testing.assert_array_equal(matrix, [[np.nan, 9], [2.5, np.nan], [np.nan, 9]])
