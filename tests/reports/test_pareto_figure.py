"""The figure of cost against accuracy: what it shows, that its labels part, and that the bytes repeat."""

import json
import os
import subprocess
import sys
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from arms.evaluation.cost_quality import Curve
from arms.evaluation.cost_records import curve_records, point_records
from arms.reports import pareto_figure
from arms.reports.figures import STYLE
from arms.reports.pareto_figure import pareto

CURVE = Curve(np.array([3e-3, 2e-3, 1e-3]), np.array([0.7, 0.72, 0.5]), np.array([0.0, 10.0, 200.0]))
LONG = "a-vision-language-model-with-a-long-name-90b-instruct"


def records_of(num_routers, num_vlms, *, split="id", pool="base", free=False):
    rng = np.random.default_rng(num_routers)
    labels = {"split": split, "pool": pool}
    records = []
    for index in range(num_routers):
        shifted = Curve(CURVE.cost * (1 + index / 10), CURVE.accuracy - index / 100, CURVE.penalty)
        records += curve_records(shifted, 10, name=f"router-{index}", **labels)
        records += point_records("router", {f"router-{index}": (shifted.cost[0], shifted.accuracy[0])}, **labels)
    costs = np.exp(rng.uniform(np.log(5e-4), np.log(1e-2), num_vlms)) * (np.arange(num_vlms) > 0 if free else 1)
    vlms = {f"sim-heron-{vlm}b-instruct": (costs[vlm], rng.uniform(0.3, 0.65)) for vlm in range(num_vlms)}
    return [
        *records,
        *point_records("vlm", vlms, **labels),
        *point_records("oracle", {"oracle": (1e-3, 0.95)}, **labels),
    ]


def drawn(records):
    with matplotlib.rc_context(STYLE):
        figure = Figure(layout="constrained")
        pareto_figure._pareto_panels(figure, records)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure


def boxes(texts):
    return [text.get_window_extent() for text in texts]


def overlap(one, other):
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > 0.5 and height > 0.5


def test_records():
    records = curve_records(CURVE, 10, name="knn", split="id", pool="base")
    assert records[1] == {"name": "knn", "split": "id", "pool": "base", "kind": "curve"} | {
        "cost_usd": 2e-3,
        "accuracy": 0.72,
        "penalty": 10.0,
    }
    assert len(records) == 3
    assert curve_records(None, 10, name="knn") == []
    points = {"x": (1e-3, 0.5), "unpriced": (np.nan, 0.5), "unknown": None, "never run": (np.nan, np.nan)}
    singles = point_records("vlm", points, split="id", pool="base")
    assert singles == [
        {"split": "id", "pool": "base", "name": "x", "kind": "vlm", "cost_usd": 1e-3, "accuracy": 0.5, "penalty": None}
    ]
    json.dumps(records + singles, allow_nan=False)


def test_a_long_curve_is_thinned():
    curve = Curve(np.arange(100.0), np.arange(100) / 100, np.arange(100.0))
    records = curve_records(curve, 7, name="knn")
    assert len(records) <= 7
    assert (records[0]["cost_usd"], records[-1]["accuracy"]) == (0, 0.99)


def names_in(axes):
    return [text for text in axes.texts if isinstance(text, Annotation) and text.get_text()]


def test_what_is_drawn():
    axes = drawn(records_of(2, 3)).axes[0]
    drawn_x = [line.get_xdata() for line in axes.lines]
    for x in (CURVE.cost, CURVE.cost[:1], 1.1 * CURVE.cost):
        assert any(len(x) == len(seen) and np.allclose(1000 * x, seen) for seen in drawn_x)  # USD for 1,000 queries
    assert axes.get_xscale() == "log"
    assert axes.get_title(loc="left") == "In distribution, base pool"
    names = [text.get_text() for text in names_in(axes)]
    assert sorted(names) == ["router-0", *(f"sim-heron-{vlm}b-instruct" for vlm in range(3))]


def point(name, cost, accuracy, kind="router"):
    return point_records(kind, {name: (cost, accuracy)}, split="id", pool="base")[0]


def test_the_frontier():
    records = [
        point("dear", 4e-3, 0.7), point("arms", 3e-3, 0.8), point("same-as-arms", 3e-3, 0.8), point("worse", 2e-3, 0.4),
        point("cheap", 1e-3, 0.5, "vlm"), point("always-cheap", 1e-3, 0.5), point("oracle", 1e-4, 1.0, "oracle"),
        point("dearest", 5e-3, 0.9, "curve"),
    ]  # fmt: skip
    assert [record["name"] for record in pareto_figure.frontier(records)] == ["always-cheap", "arms"]
    assert pareto_figure.frontier(records[-2:]) == []


def test_only_the_routers_on_the_frontier_and_arms_have_names_and_colours():
    records = [point("arms", 4e-3, 0.7), point("good", 2e-3, 0.8), point("bad", 3e-3, 0.3), point("dull", 5e-3, 0.2)]
    axes = drawn(records).axes[0]
    assert [text.get_text() for text in names_in(axes)] == ["ARMS", "good"]
    colours = {line.get_xdata()[0]: line.get_color() for line in axes.lines if line.get_marker() == "o"}
    own, front, *grey = (colours[1000 * cost] for cost in (4e-3, 2e-3, 3e-3, 5e-3))
    assert (own, front, *grey) == (
        pareto_figure.OWN_COLOUR,
        pareto_figure.FRONT_COLOUR,
        pareto_figure.OTHER_COLOUR,
        pareto_figure.OTHER_COLOUR,
    )


def test_something_free_leaves_a_linear_axis():
    assert drawn(records_of(2, 3, free=True)).axes[0].get_xscale() == "linear"


@pytest.mark.parametrize(("num_routers", "num_vlms"), [(3, 7), (20, 12)])
def test_names_overlap_neither_each_other_nor_the_frame(num_routers, num_vlms):
    figure = drawn(records_of(num_routers, num_vlms))
    names = names_in(figure.axes[0])
    assert len(names) > num_vlms
    for one, other in combinations(boxes(names), 2):
        assert not overlap(one, other)
    frame = figure.axes[0].get_window_extent()
    for box in boxes(names):
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
        assert frame.y0 <= box.y0 <= box.y1 <= frame.y1


@pytest.mark.parametrize("panels", [[("id", "base")], [("id", "base"), ("ood", "base")]])
def test_the_legend_fits_the_page_and_stays_short(panels):
    figure = drawn([record for split, pool in panels for record in records_of(20, 3, split=split, pool=pool)])
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["router on the frontier", "other router", "single VLM", "oracle", "frontier"]
    box = legend.get_window_extent()
    width, height = figure.get_size_inches() * figure.dpi
    assert 0 <= box.x0 <= box.x1 <= width
    assert 0 <= box.y0 <= box.y1 <= height
    assert box.y0 > figure.axes[0].get_window_extent().y1


def test_a_panel_for_each_split_and_pool():
    places = [("id", "base"), ("ood", "base"), ("id", "extended")]
    figure = drawn([record for split, pool in places for record in records_of(2, 2, split=split, pool=pool)])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "In distribution, base pool",
        "Out of distribution, base pool",
        "In distribution, extended pool",
        "",
    ]


def test_same_records_give_the_same_png(tmp_path):
    records = records_of(3, 4) + point_records("vlm", {LONG: (1e-3, 0.4)}, split="id", pool="base")
    pareto(records, tmp_path / "a.png")
    pareto(records, tmp_path / "b.png")
    pareto(records[:-1], tmp_path / "c.png")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "b.png").read_bytes() != (tmp_path / "c.png").read_bytes()
    assert b"tEXt" not in content


@pytest.mark.parametrize("cost", [0.0, 1e-3])
def test_one_point_is_enough(cost, tmp_path):
    pareto(point_records("vlm", {"x": (cost, 0.5)}, split="id", pool="base"), tmp_path / "one.png")
    assert (tmp_path / "one.png").exists()


def test_refuses(tmp_path):
    with pytest.raises(ValueError, match=r"none.png: expected records to draw, got none"):
        pareto([], tmp_path / "none.png")
    strange = point_records("model", {"x": (1.0, 0.5)}, split="id", pool="base")
    with pytest.raises(ValueError, match="expected records of the kinds curve, router, vlm, oracle, got model"):
        pareto(strange, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_drawing_loads_no_pyplot():
    code = "import sys, arms.reports.pareto_figure; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
