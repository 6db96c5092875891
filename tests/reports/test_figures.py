"""Figures: they are drawn, the same each time, for every shape of records."""

import os
import subprocess
import sys

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from arms.reports import figures


def bar(kind, name, em, split="id", pool="base"):
    low, high = (None, None) if kind == "reference" else (em - 0.05, em + 0.05)
    em_all = None if kind == "reference" else 0.9 * em
    numbers = {"em": em, "em_low": low, "em_high": high, "em_all": em_all, "queries": 1000}
    return {"split": split, "pool": pool, "kind": kind, "name": name, **numbers}


EM = [
    bar("router", "arms", 0.7),
    bar("router", "knn", 0.6),
    bar("vlm", "a-vision-language-model-with-a-long-name-90b-instruct", 0.05),
    bar("reference", "oracle", 1.0),
    bar("reference", "best possible", 0.8),
    bar("router", "arms", 0.5, split="ood"),
    bar("router", "arms", 0.6, pool="extended"),
]
RELIABILITY = [
    {
        "router": f"router-{index}",
        "split": split,
        "pool": "base",
        "bin": b,
        "confidence": b / 4,
        "correct": b / 5,
        "pairs": b,
    }
    for index in range(8)
    for split in ("id", "ood")
    for b in range(1, 4)
]
TRAINING = [
    {"epoch": epoch, "split": split, "loss": 0.6 / epoch, "em": None if split == "train" else 0.1 * epoch}
    for epoch in (1, 2)
    for split in ("train", "val")
]
DRAWN = [(figures.em_bars, EM), (figures.reliability, RELIABILITY), (figures.training_curves, TRAINING)]


@pytest.mark.parametrize(("draw", "records"), DRAWN)
def test_same_records_give_the_same_png(draw, records, tmp_path):
    draw(records, tmp_path / "a.png")
    draw(records, tmp_path / "b.png")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"tEXt" not in content  # no date, no version
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize(("draw", "records"), DRAWN)
def test_other_records_give_another_png(draw, records, tmp_path):
    draw(records, tmp_path / "all.png")
    draw(records[:1], tmp_path / "one.png")
    assert (tmp_path / "all.png").read_bytes() != (tmp_path / "one.png").read_bytes()


@pytest.mark.parametrize(("draw", "records"), DRAWN)
def test_no_records_is_an_error(draw, records, tmp_path):
    with pytest.raises(ValueError, match=r"none.png: expected records to draw, got none"):
        draw([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_sentence_in_place_of_a_figure(tmp_path):
    figures.sentence("there is nothing to draw", tmp_path / "a.png")
    figures.sentence("there is something else to draw", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_a_ring_is_the_em_over_all_queries():
    figure = Figure()
    figures._em_panels(figure, [bar("router", "arms", 0.5), bar("reference", "oracle", 1.0)])
    (axes,) = figure.axes
    rings = [line for line in axes.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in rings] == [[0.45]]


def test_training_without_any_value_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="expected records with a loss or an EM"):
        figures.training_curves([{"epoch": 1, "split": "train", "loss": None}], tmp_path / "none.png")


def test_loss_alone_is_enough(tmp_path):
    figures.training_curves([{"epoch": 1, "split": "train", "loss": 0.5}], tmp_path / "loss.png")
    assert (tmp_path / "loss.png").exists()


def test_bars_run_from_best_to_worst_routers_first():
    shuffled = [bar("vlm", "v", 0.9), bar("router", "b", 0.2), bar("reference", "oracle", 1.0), bar("router", "a", 0.4)]
    assert [record["name"] for record in figures._sorted_bars(shuffled)] == ["a", "b", "v"]


def test_long_names_are_not_cut_off():
    name = "an-organisation/A-Vision-Language-Model-with-a-long-Name-90B-Instruct"
    records = [bar("router", "arms", 0.5, split=split) for split in ("id", "ood")] + [bar("vlm", name, 0.05)]
    with matplotlib.rc_context(figures.STYLE):
        figure = Figure(layout="constrained")
        figures._em_panels(figure, records)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    for axes in figure.axes:
        for label in axes.get_yticklabels():
            assert label.get_window_extent().x0 >= 0
        assert axes.get_window_extent().width > 150, "bars keep their room"


def test_drawing_loads_no_pyplot():
    code = "import sys, arms.reports.figures; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
