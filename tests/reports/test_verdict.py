import pytest

from arms.reports.verdict import more_data, verdict
from tests.reports.made import METRICS

FOLDERS = {"arms": "data/routers/arms", "knn": "data/routers/baselines/knn", "best-single": "b", "random": "r"}
SINGLES = {"id": {"extended": {"nova": {"em": 0.7}, "gpt": {"em": 0.6}}}}


def metrics(**ems):
    """Routers by their EM on id; nothing is held out."""
    none = dict.fromkeys(METRICS)
    return {
        name.replace("_", "-"): {
            "id": {"extended": METRICS | {"em": em, "cost_usd_per_1k": 0.5}},
            "ood": {"extended": none},
        }
        for name, em in ({"random": 0.4, "best_single": 0.7} | ems).items()
    }


def pair(router, other, low, high):
    return {"split": "id", "pool": "extended", "router": router, "other": other, "claim_low": low, "claim_high": high}


def text(made, *pairs):
    return "\n".join(verdict(made, SINGLES, pairs, FOLDERS))


def test_arms_gains():
    said = text(metrics(arms=0.8, knn=0.75), pair("best-single", "arms", -0.2, -0.1))
    assert said.startswith("**Route: ARMS beats the best single VLM.** EM 0.800 against 0.700 for always asking nova: ")
    assert "on 90 test queries, beyond what chance explains." in said
    assert "Router to use: **ARMS**, `arms route --router data/routers/arms`." in said
    assert "1,000 queries cost USD 0.5 with ARMS, USD 0.5 with nova." in said
    assert "may be chance" not in said
    assert "held out" not in said


def test_nothing_can_be_told_from_chance():
    said = text(metrics(arms=0.8, knn=0.85), pair("arms", "best-single", -0.1, 0.2), pair("arms", "knn", -0.1, 0.05))
    assert said.startswith("**Routing brings no gain that can be told from chance here.**")
    assert "Router to use: **ARMS**" in said
    assert "kNN has the highest EM (+0.050), which may be chance." in said


def test_another_router_beats_arms():
    claims = [pair("knn", "best-single", 0.01, 0.2), pair("arms", "best-single", 0.01, 0.2)]
    said = text(metrics(arms=0.8, knn=0.85), *claims, pair("arms", "knn", -0.1, -0.01))
    assert said.startswith("**Route: ARMS beats")
    assert "Router to use: **kNN**, `arms route --router data/routers/baselines/knn`." in said


def test_only_another_router_gains():
    said = text(metrics(arms=0.7, knn=0.85), pair("knn", "best-single", 0.01, 0.2))
    assert said.startswith("**Route, but not with ARMS:**")
    assert "Router to use: **kNN**" in said


def test_arms_loses():
    said = text(metrics(arms=0.5, knn=0.55), pair("best-single", "arms", 0.1, 0.3))
    assert said.startswith("**Do not route: always ask nova.** ARMS is below it: EM 0.500 against 0.700")


def test_no_query_with_all_outcomes():
    said = text(metrics(arms=None))
    assert said.startswith("**Nothing can be said yet:** no answerable query has an outcome of every VLM on the split")


def test_what_was_held_out():
    made = metrics(arms=0.8)
    made["arms"]["ood"]["extended"] = METRICS
    assert text(made).endswith("(ood), the gain of ARMS is +0.100 (+0.050 to +0.150).")


def curve(**ems):
    routers = {name: [{"em": em, "em_by_draw": [em]} for em in values] for name, values in ems.items()}
    return {"queries": [100, 400, 1600], "best_single_em": 0.6, "routers": routers}


class TestMoreData:
    def test_without_a_curve(self):
        assert more_data(None) == [
            "How much more data would bring is not measured yet. Run: `dvc repro studies/dvc.yaml:curve`"
        ]

    def test_words(self):
        said = "\n".join(more_data(curve(arms=[0.6, 0.75, 0.825], knn=[0.7, 0.7, 0.7])))
        assert "With 1,600 training queries ARMS has an EM of 0.825 (base pool, split id)." in said
        assert "EM is 0.825 now, 0.847 with 3,200 and 0.863 with 6,400." in said
        assert "ARMS is not behind kNN from 400 training queries on." in said
        assert "ARMS is not behind the best single VLM from 100 training queries on." in said

    @pytest.mark.parametrize(
        ("arms", "expected"),
        [
            ([0.4, 0.4, 0.4], "ARMS is behind kNN, and up to 4 times as many queries the curves do not meet."),
            (
                [0.44, 0.59, 0.665],
                "ARMS is behind kNN; by the lines through both curves it draws level at about 5,62",
            ),
        ],
    )
    def test_behind(self, arms, expected):
        said = "\n".join(more_data(curve(arms=arms, knn=[0.7, 0.7, 0.7])))
        assert expected in said
        assert ("does not rise" in said) == (arms[0] == arms[-1])

    def test_nothing_to_judge_on(self):
        (said,) = more_data(curve(arms=[None, None, None]))
        assert said.startswith("No learning curve: ")
