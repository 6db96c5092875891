"""Kinds of queries that training never saw, on the pages and in the figures, from made-up numbers."""

import pytest
from matplotlib.figure import Figure

from arms.reports import unseen_figures
from arms.reports.dataset_page import dataset_page
from arms.reports.results_page import results_page
from arms.reports.unseen_section import unseen_section
from tests.reports.made import METRICS, summary

HEADING = "## Kinds of queries that training never saw"


def gain(value, low, high):
    return {"gain": value, "gain_low": low, "gain_high": high, "em": 0.6, "em_all": 0.5, "best_single_em": 0.7}


def judged(mean):
    of_folds = {"counting": gain(-0.2, -0.3, -0.1), "reading": gain(0.1, 0.0, 0.2)}
    return {"macro": mean, "worst": {"fold": "counting", **of_folds["counting"]}, "folds": of_folds}


def trusted(ece):
    curve = [{"coverage": 0.5, "risk": 0.1}, {"coverage": 1.0, "risk": 0.4}]
    return {"ece_all": ece, "excess_aurc": 0.15, "aurc": 0.3, "overconfidence": 0.0, "queries": 80, "curve": curve}


def unseen(low=-0.12, high=0.02):
    routers = {"arms": judged(gain(-0.05, low, high)), "scope": judged(gain(0.01, -0.1, 0.12))}
    of = {"routers": routers, "trust": dict.fromkeys(routers, trusted(0.2))}
    return {"left_out": {"task": of}, "trust_id": {"arms": trusted(0.02)}}


def section(**settings):
    return "\n\n".join(unseen_section(unseen(**settings), summary()["metrics"], "figures"))


def test_a_router_has_its_mean_its_worst_kind_and_id_beside():
    rows = [line for line in section().splitlines() if line.startswith("| ")]
    assert rows[1].startswith("| scope | 2 | +0.010 (-0.100 to +0.120) | counting | -0.200 (-0.300 to -0.100) | - |")
    on_id = f"+{METRICS['gain']:.3f} (+0.050 to +0.150)"
    assert rows[2] == (
        f"| arms | 2 | -0.050 (-0.120 to +0.020) | counting | -0.200 (-0.300 to -0.100) | {on_id} "
        "| 0.600 | 0.500 | 0.700 | 0.200 | 0.020 | 0.150 | 0.150 |"
    )
    assert "![Gain by task left out](figures/unseen-task.png)" in section()
    assert "![Risk by coverage, by task left out](figures/risk-coverage-task.png)" in section()


@pytest.mark.parametrize(
    ("ends", "word"), [((-0.12, 0.02), "level with"), ((-0.12, -0.01), "below"), ((0.01, 0.02), "above")]
)
def test_the_sentence_says_what_the_interval_allows(ends, word):
    low, high = ends
    assert f"ARMS is {word} the best single VLM on average over 2: -0.050" in section(low=low, high=high)


def test_both_pages_have_it():
    made = summary() | {"unseen": unseen()}
    links = {"figures": "figures", "overview": "results.md"}
    assert HEADING in dataset_page("mine", made, "Made up.", **links)
    assert HEADING not in dataset_page("mine", summary(), "Made up.", **links)
    overview = {"folder": "all", "figure": "em.png"}
    sentence = "at worst -0.200 (-0.300 to -0.100), on counting."
    assert sentence in results_page({"mine": made}, {"mine": "Made up."}, **overview)
    assert sentence not in results_page({"mine": summary()}, {"mine": "Made up."}, **overview)


def test_a_dataset_of_one_kind_says_so():
    (heading, text) = unseen_section({"left_out": {}, "trust_id": {}}, {}, "figures")
    assert heading == HEADING
    assert text == "This dataset has no two kinds with enough queries."


def test_figures_are_drawn_and_repeat(tmp_path):
    of = unseen()["left_out"]["task"]
    for name in ("one.png", "two.png"):
        unseen_figures.gains_by_kind(of["routers"], tmp_path / f"gains-{name}")
        unseen_figures.risk_by_coverage(of["trust"], unseen()["trust_id"], tmp_path / f"risk-{name}")
    for kind in ("gains", "risk"):
        one, two = ((tmp_path / f"{kind}-{name}").read_bytes() for name in ("one.png", "two.png"))
        assert one == two
        assert one.startswith(b"\x89PNG")


def test_curves_of_both_are_drawn(tmp_path, monkeypatch):
    drawn, draw = {}, unseen_figures._curve

    def watched(axes, curve, label, colour):
        drawn[label] = len(curve)
        draw(axes, curve, label, colour)

    monkeypatch.setattr(unseen_figures, "_curve", watched)
    of = unseen()["left_out"]["task"]
    unseen_figures.risk_by_coverage(of["trust"], unseen()["trust_id"], tmp_path / "risk.png")
    assert drawn == {"in distribution": 2, "kinds left out": 2}


def test_no_curve_leaves_its_panel(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(unseen_figures, "_draw", lambda path, records, fill: fill(seen.append(Figure()) or seen[-1]))
    left_out = {"arms": trusted(0.2), "knn": trusted(0.2) | {"curve": [{"coverage": 1.0, "risk": 0.9}]}}
    unseen_figures.risk_by_coverage(left_out, {}, tmp_path / "risk.png")
    for axes in seen[0].axes:
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > 0.9


def test_a_gain_at_the_end_of_its_interval_is_drawn(tmp_path):
    """Rounded, a gain can lie a hair outside its own interval."""
    of = judged(gain(-0.05, -0.12, 0.02))
    of["folds"]["reading"] = gain(0.3333, 0.3334, 0.3334)
    unseen_figures.gains_by_kind({"arms": of}, tmp_path / "gains.png")
