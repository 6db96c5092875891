"""The headline figure: six bars, ARMS among what it is compared with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from arms.reports.complete_cases import judged_or_replayed, over_all
from arms.reports.figures import INK, _draw, ring, sentence
from arms.reports.titles import POOL_TITLES, SPLIT_TITLES

# Router -> what the figure calls it.
COMPARED = {
    "arms": "ARMS",
    "linear": "logistic regression",
    "knn": "kNN",
    "best-single": "best single VLM",
    "random": "a VLM at random",
}
CEILINGS = {"best_possible_em": "best possible", "oracle_em": "oracle"}  # the first one that is known
OWN, OTHER, CEILING = "#2b6ca3", "#b9bfc6", "#ffffff"
Bar = dict[str, Any]


def headline_bars(
    metrics: Mapping[str, Any], path: str | Path, *, dataset: str, split: str = "id", pool: str = "base"
) -> None:
    """Draw the EM of ARMS, two plain routers, the best single VLM, chance and the ceiling, with 95 % intervals.

    Parameters
    ----------
    metrics : mapping
        router -> split -> pool -> metrics, the content of metrics/. A router that is missing has no bar. The ceiling
        is the best possible EM where it is known, else the oracle's; it has no interval. Without complete cases the
        bars are of a partial replay, without a ceiling.
    path : str or Path
        The PNG to write.
    dataset : str
        For the title.
    """
    place = f"{dataset}, {SPLIT_TITLES[split]}, {POOL_TITLES[pool]}"
    judged, replayed = judged_or_replayed(metrics["arms"][split][pool])
    if not judged["queries"]:
        sentence(f"{place}: no answerable query", path)
        return
    bars = headline_records(metrics, split, pool)
    counts = f"{judged['queries']:,} of {judged['queries_all']:,} queries, {len(metrics['vlms'][split][pool])} VLMs"
    title = f"{place}: {counts}{' (partial replay)' if replayed else ''}"
    _draw(path, bars, lambda figure: _bars(figure, bars, title))


def headline_records(metrics: Mapping[str, Any], split: str, pool: str) -> list[Bar]:
    """The bars from best to worst: {"name", "kind", "em", "em_low", "em_high", "em_all"}.

    `kind` is "own", "other" or "ceiling".
    """
    bars = []
    for router, name in COMPARED.items():
        if router in metrics:
            of, _ = judged_or_replayed(metrics[router][split][pool])
            numbers = {key: of[key] for key in ("em", "em_low", "em_high", "em_all")}
            bars.append({"name": name, "kind": "own" if router == "arms" else "other", **numbers})
    arms = metrics["arms"][split][pool]
    for key, name in [(key, name) for key, name in CEILINGS.items() if arms.get(key) is not None][:1]:
        unknown = {"em_low": None, "em_high": None}
        bars.append({"name": name, "kind": "ceiling", "em": arms[key], **unknown, "em_all": over_all(arms, arms[key])})
    return sorted(bars, key=lambda bar: -bar["em"])


def _bars(figure: Figure, bars: list[Bar], title: str) -> None:
    figure.set_size_inches(7.4, 0.95 + 0.36 * len(bars))
    axes = figure.subplots()
    for row, bar in enumerate(bars):
        _bar(axes, row, bar)
    axes.set_yticks(range(len(bars)), [bar["name"] for bar in bars], fontsize=10)
    for label, bar in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_color(INK)
        label.set_fontweight("bold" if bar["kind"] == "own" else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 1.28)  # room for the numbers at the right
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.spines["bottom"].set_bounds(0, 1)
    axes.set_xlabel(
        "EM: share of answerable queries whose chosen VLM was right (with 95 % interval); ring: of all queries",
        loc="left",
        fontsize=8,
    )
    axes.set_title(title)


def _bar(axes: Axes, row: int, bar: Bar) -> None:
    colour = {"own": OWN, "other": OTHER, "ceiling": CEILING}[bar["kind"]]
    edge: dict[str, Any] = {}
    if bar["kind"] == "ceiling":
        edge = {"edgecolor": "#7b828a", "linestyle": (0, (3, 2)), "linewidth": 1}
    axes.barh(row, bar["em"], 0.66, color=colour, **edge)
    end, text = bar["em"], f"{bar['em']:.3f}"
    if bar["em_low"] is not None:
        axes.plot([bar["em_low"], bar["em_high"]], [row, row], color=INK, linewidth=1.3, solid_capstyle="butt")
        end, text = bar["em_high"], f"{text}  ({bar['em_low']:.3f} to {bar['em_high']:.3f})"
    ring(axes, bar["em_all"], row, 5)
    weight = "bold" if bar["kind"] == "own" else "normal"
    axes.text(end + 0.012, row, text, va="center", fontsize=9, color=INK, fontweight=weight)
