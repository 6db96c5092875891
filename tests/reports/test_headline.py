"""The headline figure: which bars it has, and that they are drawn with whole names."""

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from arms.reports import headline
from arms.reports.figures import STYLE
from arms.reports.headline import headline_bars, headline_records

EM = {"arms": 0.88, "knn": 0.84, "linear": 0.85, "best-single": 0.6, "random": 0.5, "elo": 0.7}
COUNTED = {"em_all": 0.4, "queries": 1234, "queries_all": 2468}
CEILINGS = {"oracle_em": 1.0, "best_possible_em": 0.91}


def metrics(**ceilings):
    found = {
        name: {"id": {"base": {"em": em, "em_low": em - 0.02, "em_high": em + 0.02} | COUNTED | ceilings}}
        for name, em in EM.items()
    }
    return found | {"vlms": {"id": {"base": {"a": {}, "b": {}}}}}


def test_six_bars_from_best_to_worst():
    bars = headline_records(metrics(**CEILINGS), "id", "base")
    names = ["best possible", "ARMS", "logistic regression", "kNN", "best single VLM", "a VLM at random"]
    assert [bar["name"] for bar in bars] == names
    assert [bar["kind"] for bar in bars] == ["ceiling", "own", "other", "other", "other", "other"]
    assert bars[0]["em_low"] is None
    assert bars[0]["em_all"] == 0.91 / 2, "on half of the queries no VLM is right"
    assert headline_records(metrics(oracle_em=1.0), "id", "base")[0]["name"] == "oracle"


def test_a_router_that_is_missing_has_no_bar():
    content = metrics(**CEILINGS)
    del content["linear"]
    assert len(headline_records(content, "id", "base")) == 5


def test_without_complete_cases_the_bars_are_a_partial_replay(tmp_path):
    content = metrics(**CEILINGS)
    for name in EM:
        values = content[name]["id"]["base"]
        replayed = {f"partial_{key}": value for key, value in values.items()}
        content[name]["id"]["base"] = dict.fromkeys(values) | {"queries": 0} | replayed
    bars = headline_records(content, "id", "base")
    assert [(bar["name"], bar["em"]) for bar in bars[:2]] == [("ARMS", 0.88), ("logistic regression", 0.85)]
    assert {bar["kind"] for bar in bars} == {"own", "other"}, "no ceiling"
    headline_bars(content, tmp_path / "partial.png", dataset="Sample")
    for name in EM:
        content[name]["id"]["base"] |= {"partial_em": None}
    headline_bars(content, tmp_path / "nothing.png", dataset="Sample")
    assert (tmp_path / "partial.png").read_bytes() != (tmp_path / "nothing.png").read_bytes()


def test_names_and_numbers_lie_within_the_page():
    with matplotlib.rc_context(STYLE):
        figure = Figure(layout="constrained")
        headline._bars(figure, headline_records(metrics(**CEILINGS), "id", "base"), "Sample")
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    (axes,) = figure.axes
    width, height = figure.get_size_inches() * figure.dpi
    texts = [*axes.texts, *axes.get_yticklabels()]
    assert "0.880  (0.860 to 0.900)" in [text.get_text() for text in axes.texts]
    for box in (text.get_window_extent() for text in texts):
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= height


@pytest.mark.parametrize("ceilings", [CEILINGS, {"oracle_em": 1.0}])
def test_same_metrics_give_the_same_png(ceilings, tmp_path):
    for name in ("a", "b"):
        headline_bars(metrics(**ceilings), tmp_path / f"{name}.png", dataset="Sample")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
