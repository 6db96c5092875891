"""Figures of the studies: what they show, that nothing leaves the page, and that the bytes repeat."""

import os
import subprocess
import sys
from functools import partial
from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from arms.reports import inside_panels, study_figures

LONG = "a-vision-language-model-with-a-long-name-90b-instruct"
VLMS = ["claude-3.5-sonnet", "sim-heron-11b"]
MATRIX = np.array([[np.nan, 0.4318], [0.7114, np.nan]])
POINTS = np.random.default_rng(0).normal(size=(40, 2))
TASKS = [f"task-{row % 15:02d}" for row in range(40)]  # ten of them three times, five twice


def run(x, split, metric, *runs):
    return {"x": x, "split": split, "metric": metric, "runs": list(runs)}


def variant(name, split, *runs):
    return {"variant": name, "split": split, "metric": "em", "runs": list(runs)}


SWEEP = [
    run(100, "id", "em", 0.58, 0.6),
    run(20, "id", "em", 0.5, 0.56),
    run(20, "ood", "em", 0.4, 0.4),
    run(20, "id", "f1", 0.66, 0.66),
]
ABLATION = [
    variant("full", "id", 0.6, 0.62),
    variant(LONG, "id", 0.5, 0.58),
    variant("full", "ood", 0.45),
    variant("one expert", "ood", 0.4),
]
GATES = [
    {"task": "count", "queries": 3000, "weights": [0.5, 0.3, 0.2]},
    {"task": LONG, "queries": 1000, "weights": [0.1, 0.1, 0.8]},
]
CONFIDENCES = [
    {"split": "id", "low": 0.0, "high": 0.5, "right": 1000, "wrong": 3000},
    {"split": "id", "low": 0.5, "high": 1.0, "right": 2000, "wrong": 500},
    {"split": "ood", "low": 0.0, "high": 0.5, "right": 0, "wrong": 0},
]

sweep = partial(study_figures.sweep, x_label="training data (%)")
with_references = partial(sweep, references={"id": {f"best single VLM ({VLMS[0]})": 0.5, "kNN": 0.55}})


def rescue(vlms, path):
    study_figures.rescue_heatmap(np.resize(MATRIX, (len(vlms), len(vlms))), vlms, path)


def embedding(colourings, path):
    study_figures.embedding_map(POINTS, colourings, path)


DRAWN = {
    "sweep": (with_references, SWEEP),
    "ablation": (study_figures.ablation, ABLATION),
    "series": (
        partial(study_figures.series, x_label="theta"),
        [{"x": x, "split": split, "series": LONG, "runs": [x]} for x in (0.5, 1.0) for split in ("id", "ood")],
    ),
    "rescue": (rescue, VLMS),
    "map": (embedding, {"Task": TASKS, "VLM": [LONG] * 40}),
    "gates": (study_figures.gate_usage, GATES),
    "confidences": (study_figures.confidence_histogram, CONFIDENCES),
}
EACH = pytest.mark.parametrize(("draw", "records"), DRAWN.values(), ids=DRAWN)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Calls a drawing function and returns its Figure, laid out but not rendered."""
    figures = []

    def savefig(figure, path, **_):
        figure.draw_without_rendering()
        figures.append(figure)
        path.touch()

    def call(draw, records):
        monkeypatch.setattr(Figure, "savefig", savefig)
        draw(records, tmp_path / "figure.png")
        return figures[-1]

    return call


@EACH
def test_same_records_give_the_same_png(draw, records, tmp_path):
    draw(records, tmp_path / "a.png")
    draw(records, tmp_path / "b.png")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"tEXt" not in content  # no date, no version
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@EACH
def test_nothing_to_draw_is_an_error(draw, records, tmp_path):
    with pytest.raises(ValueError, match=r"none.png: expected records to draw, got none"):
        draw(type(records)(), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("draw", "records"),
    [*DRAWN.values(), (rescue, [LONG, "b"]), (rescue, [f"{LONG}-{j}" for j in range(9)])],
    ids=[*DRAWN, "rescue-few", "rescue-many"],
)
def test_every_text_is_on_the_page_and_apart_from_others(draw, records, drawn):
    figure = drawn(draw, records)
    page, texts = figure.bbox, shown_texts(figure)
    assert len(texts) > 5
    boxes = {text: text.get_window_extent() for text in texts}
    for text, box in boxes.items():
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
    # The box around a slanted text is far larger than the text.
    straight = [text for text in texts if text.get_rotation() in (0, 90)]
    for one, other in combinations(straight, 2):
        assert not boxes[one].overlaps(boxes[other]), (one, other)


def shown_texts(figure):
    """All texts that are drawn: not the labels of ticks beyond the ends of an axis, which matplotlib makes too."""
    hidden = set()
    for axis in [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        for tick in [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]:
            hidden |= {tick.label1, tick.label2}
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and text not in hidden]


@EACH
def test_every_panel_names_both_axes(draw, records, drawn):
    figure = drawn(draw, records)
    for axes in figure.axes:
        shared_x = len(axes.get_shared_x_axes().get_siblings(axes)) > 1
        shared_y = len(axes.get_shared_y_axes().get_siblings(axes)) > 1
        assert axes.get_xlabel() or shared_x
        assert axes.get_ylabel() or shared_y
    assert any(axes.get_xlabel() for axes in figure.axes)
    assert any(axes.get_ylabel() for axes in figure.axes)


def test_sweep_draws_means_ranges_and_references(drawn):
    inside, outside = drawn(with_references, SWEEP).axes
    lines = {line.get_label(): line for line in inside.get_lines()}
    assert list(lines) == ["EM", "F1", f"EM of best single VLM ({VLMS[0]})", "EM of kNN"]
    np.testing.assert_allclose(lines["EM"].get_xydata(), [[20, 0.53], [100, 0.59]])  # by x, whatever the order
    np.testing.assert_allclose(lines["EM of kNN"].get_ydata(), 0.55)
    band = inside.collections[0].get_paths()[0].vertices
    assert {tuple(point) for point in band} == {(20, 0.5), (20, 0.56), (100, 0.58), (100, 0.6)}
    assert [line.get_label() for line in outside.get_lines()] == ["EM"]  # no reference was given for it
    assert inside.get_ylim() == outside.get_ylim()


def test_whole_numbers_have_whole_ticks(drawn):
    axes = drawn(sweep, [run(epochs, "id", "em", 0.5) for epochs in (1, 2, 3)]).axes[0]
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_series_at_even_distances(drawn):
    records = [
        {"x": x, "split": "id", "series": name, "runs": [0.5 + x / 1e5, 0.6]}
        for name in ("incremental", "kNN")
        for x in (0, 16, 1024)
    ]
    draw = partial(study_figures.series, x_label="outcomes", references={"id": {"Phi alone": 0.55}}, even=True)
    (axes,) = drawn(draw, records).axes
    assert [line.get_label() for line in axes.get_lines()] == ["incremental", "kNN", "Phi alone"]
    assert axes.get_lines()[0].get_xdata().tolist() == [0, 1, 2]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "16", "1,024"]
    assert axes.get_xlabel() == "outcomes"


@pytest.mark.parametrize("runs", [[], [0.5, None], [float("nan")]])
@pytest.mark.parametrize("draw", [sweep, study_figures.ablation])
def test_runs_have_to_be_known(draw, runs, tmp_path):
    with pytest.raises(ValueError, match=r"a.png: expected finite runs, at least one, got \{'x': 1"):
        draw([run(1, "id", "em", *runs) | {"variant": "full"}], tmp_path / "a.png")


def test_metrics_have_to_be_known(tmp_path):
    with pytest.raises(ValueError, match="unknown metric 'auroc'; known: em, accuracy, f1, precision, recall"):
        sweep([run(1, "id", "auroc", 0.5)], tmp_path / "a.png")
    with pytest.raises(ValueError, match="unknown metric 'f1'; known: em"):
        study_figures.ablation([variant("full", "id", 0.5) | {"metric": "f1"}], tmp_path / "a.png")


def test_ablation_keeps_the_order_and_marks_the_first(drawn):
    inside, outside = drawn(study_figures.ablation, ABLATION).axes
    assert [label.get_text() for label in inside.get_yticklabels()] == ["full", LONG, "one expert"]
    low, high = inside.get_ylim()
    assert low > high  # the first one at the top
    assert marks(inside) == [(0.61, 0), (0.54, 1)]
    assert marks(outside) == [(0.45, 0), (0.4, 2)]
    for axes, full in ((inside, 0.61), (outside, 0.45)):
        across = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
        assert [pytest.approx(full)] == [line.get_xdata()[0] for line in across]
    assert [text.get_text() for text in inside.texts] == ["0.610", "0.540"]


def marks(axes):
    """Where dots stand, rounded."""
    return [
        (round(float(line.get_xdata()[0]), 6), int(line.get_ydata()[0]))
        for line in axes.get_lines()
        if line.get_marker() == "o"
    ]


def test_rescue_writes_percent_and_dashes(drawn):
    axes = drawn(rescue, VLMS).axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    # Rows run downwards: the first VLM was wrong, the second one right instead.
    assert cells == {(0.5, 0.5): "-", (1.5, 0.5): "43 %", (0.5, 1.5): "71 %", (1.5, 1.5): "-"}
    low, high = axes.get_ylim()
    assert low > high
    assert [label.get_text() for label in axes.get_yticklabels()] == VLMS
    assert [label.get_text() for label in axes.get_xticklabels()] == VLMS


def test_rescue_of_other_vlms_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"expected a matrix for 3 VLMs, got shape \(2, 2\)"):
        study_figures.rescue_heatmap(MATRIX, [*VLMS, "c"], tmp_path / "a.png")


def test_text_reads_on_every_shade():
    ink = luminance(np.array([0x22, 0x22, 0x22]) / 255)
    for shade in inside_panels.SHADES(np.linspace(0, 1, 20)):
        assert (luminance(shade[:3]) + 0.05) / (ink + 0.05) > 4.5  # WCAG's contrast for small text


def luminance(rgb):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_rare_labels_become_other(drawn):
    axes = drawn(embedding, {"Task": TASKS}).axes[0]
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    # Frequent ones first, by name where equal; the four rarest share a colour.
    assert shown == [*(f"task-{task:02d}" for task in range(11)), "other"]
    scatters = {dots.get_label(): dots for dots in axes.collections if isinstance(dots, PathCollection)}
    assert {label: len(dots.get_offsets()) for label, dots in scatters.items()} == {
        **{f"task-{task:02d}": 3 for task in range(10)}, "task-10": 2, "other": 8,
    }  # fmt: skip
    np.testing.assert_array_equal(scatters["task-03"].get_offsets(), POINTS[[3, 18, 33]])


@pytest.mark.parametrize(("distinct", "with_other", "named"), [(12, False, 12), (11, True, 11), (12, True, 11)])
def test_as_many_labels_as_fit_keep_their_names(distinct, with_other, named, drawn):
    labels = [f"label-{row % distinct:02d}" for row in range(40 - with_other)] + ["other"] * with_other
    legend = drawn(embedding, {"": labels}).axes[0].get_legend()
    shown = [text.get_text() for text in legend.get_texts()]
    assert len(shown) <= inside_panels.MAX_LABELS
    assert len([label for label in shown if label != "other"]) == named
    colours = {tuple(handle.get_facecolor()[0]) for handle in legend.legend_handles}
    assert len(colours) == len(shown)


def test_map_of_other_shapes_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"a.png: Task: expected 40 labels, one per point, got 39"):
        embedding({"Task": TASKS[1:]}, tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"expected points of shape \(N, 2\), got shape \(40, 1\)"):
        study_figures.embedding_map(POINTS[:, :1], {"Task": TASKS}, tmp_path / "a.png")


def test_load_counts_a_task_by_its_queries(drawn):
    bars, cells = drawn(study_figures.gate_usage, GATES).axes
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], [0.4, 0.25, 0.35])
    np.testing.assert_allclose(bars.get_lines()[0].get_ydata(), 1 / 3)
    assert [text.get_text() for text in cells.texts] == ["0.50", "0.30", "0.20", "0.10", "0.10", "0.80"]
    assert [label.get_text() for label in cells.get_yticklabels()] == ["count (3,000)", f"{LONG} (1,000)"]


@pytest.mark.parametrize("weights", [[[0.5, 0.5], [1.0]], [[], []]])
def test_gates_of_other_experts_are_an_error(weights, tmp_path):
    records = [{"task": "t", "queries": 1, "weights": row} for row in weights]
    with pytest.raises(ValueError, match="expected the weights of the same experts"):
        study_figures.gate_usage(records, tmp_path / "a.png")


def test_gates_without_queries_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="expected queries, got none"):
        study_figures.gate_usage([{"task": "t", "queries": 0, "weights": [1.0]}], tmp_path / "a.png")


def test_wrong_pairs_stand_on_right_ones(drawn):
    (axes,) = drawn(study_figures.confidence_histogram, CONFIDENCES).axes  # ood has no pairs, and no panel
    bars = [(bar.get_x(), bar.get_width(), bar.get_y(), bar.get_height()) for bar in axes.patches]
    assert bars == [(0, 0.5, 0, 1000), (0.5, 0.5, 0, 2000), (0, 0.5, 1000, 3000), (0.5, 0.5, 2000, 500)]
    assert axes.patches[0].get_facecolor() != axes.patches[2].get_facecolor()


def test_drawing_loads_no_pyplot():
    code = "import sys, arms.reports.study_figures; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
