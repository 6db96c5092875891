import pytest

from arms.evaluation.leaderboard import beaten, leaderboard


def metrics(em, cost=0.5):
    return {
        "em": em,
        "em_low": em and em - 0.01,
        "em_high": em and em + 0.01,
        "em_all": em and em - 0.05,
        "gap_closed": None,
        "cost_usd_per_1k": cost,
        "rank_score": 61.25,
        "auroc": 0.9,
    }


METRICS = {
    "good": {"id": {"base": metrics(0.8)}, "ood": {"base": metrics(None)}},
    "better": {"id": {"base": metrics(0.9), "extended": metrics(0.7)}, "ood": {"base": metrics(None)}},
    "also good": {"id": {"base": metrics(0.8)}},
}
TIMES = {"good": {"base": {"fit_s": 1.26, "us_per_query": 1234.4}}}
PAIRS = [
    {"router": "good", "other": "better", "difference": -0.1, "claim_low": -0.15, "claim_high": -0.05},
    {"router": "good", "other": "also good", "difference": 0.0, "claim_low": -0.02, "claim_high": 0.02},
    {"router": "better", "other": "also good", "difference": 0.1, "claim_low": 0.01, "claim_high": 0.2},
    {"router": "good", "other": "nobody", "difference": None, "claim_low": None, "claim_high": None},
]


def test_by_falling_em_with_times():
    board = leaderboard(METRICS, TIMES)
    assert list(board["id"]["base"]) == ["better", "also good", "good"], "equals by name"
    assert list(board["id"]["extended"]) == ["better"]
    assert board["ood"]["base"] == {}, "an empty split has no routers"
    assert board["id"]["base"]["good"] == {
        "em": 0.8,
        "em_low": pytest.approx(0.79),
        "em_high": pytest.approx(0.81),
        "em_all": pytest.approx(0.75),
        "gain": None,
        "gain_low": None,
        "gain_high": None,
        "gap_closed": None,
        "cost_usd_per_1k": 0.5,
        "rank_score": 61.25,
        "fit_s": 1.26,
        "us_per_query": 1234.4,
    }


def test_a_pool_without_complete_cases_has_the_partial_replay():
    def partial(em):
        return metrics(None) | {f"partial_{name}": value for name, value in metrics(em).items()}

    board = leaderboard({"good": {"id": {"base": partial(0.8)}}, "better": {"id": {"base": partial(0.9)}}})
    assert list(board["id"]["base"]) == ["better", "good"]
    assert board["id"]["base"]["good"] == {
        "partial_em": 0.8,
        "partial_em_low": pytest.approx(0.79),
        "partial_em_high": pytest.approx(0.81),
        "partial_em_all": 0.75,
        "partial_gain": None,
        "partial_gain_low": None,
        "partial_gain_high": None,
    }


def test_who_beats_whom():
    here = beaten([pair | {"split": "id", "pool": "base"} for pair in PAIRS])
    assert here == {"id": {"base": {"better": ["good", "also good"]}}}
