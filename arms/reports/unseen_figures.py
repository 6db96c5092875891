"""Figures of kinds of queries that training never saw: the gain on each, and risk by coverage."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from arms.reports.figures import CYCLE, INK, _draw

SHOWN = ("arms", "knn", "ovr")  # more routers would hide each other


def gains_by_kind(routers: Mapping[str, Any], path: str | Path) -> None:
    """Draw each kind's gain over the best single VLM with its interval, a colour for each router.

    Parameters
    ----------
    routers : what `arms.evaluation.shift.judge_folds` returns
    path : the PNG to write
    """
    shown = _shown(routers)
    kinds = list(routers[shown[0]]["folds"])
    _draw(path, [{"kind": kind} for kind in kinds], lambda figure: _gain_panel(figure, routers, shown, kinds))


def risk_by_coverage(left_out: Mapping[str, Any], on_id: Mapping[str, Any], path: str | Path) -> None:
    """Draw the share wrong among the surest queries, on id and on left-out kinds, a panel for each router.

    Parameters
    ----------
    left_out, on_id : by router what `arms.evaluation.trust.trust` returns
    path : the PNG to write
    """
    shown = _shown(left_out)
    _draw(path, [{"router": name} for name in shown], lambda figure: _risk_panels(figure, left_out, on_id, shown))


def _shown(routers: Mapping[str, Any]) -> list[str]:
    return [name for name in SHOWN if name in routers] or list(routers)[:1]


def _gain_panel(figure: Figure, routers: Mapping[str, Any], shown: list[str], kinds: list[str]) -> None:
    figure.set_size_inches(7, 1.4 + 0.4 * len(kinds))
    axes = figure.subplots()
    for place, name in enumerate(shown):
        of = [routers[name]["folds"][kind] for kind in kinds]
        rows = [row + 0.22 * (place - (len(shown) - 1) / 2) for row in range(len(kinds))]
        ends = [
            [max(0.0, fold["gain"] - fold["gain_low"]) for fold in of],  # rounded, a gain can be outside by a hair
            [max(0.0, fold["gain_high"] - fold["gain"]) for fold in of],
        ]
        gains = [fold["gain"] for fold in of]
        axes.errorbar(gains, rows, xerr=ends, fmt="o", markersize=4, color=CYCLE[place], label=name)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.set_xlabel("gain over the best single VLM, EM")
    axes.legend(frameon=False)


def _risk_panels(figure: Figure, left_out: Mapping[str, Any], on_id: Mapping[str, Any], shown: list[str]) -> None:
    figure.set_size_inches(3.2 * len(shown), 3)
    for axes, name in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown, strict=True):
        for place, (label, of) in enumerate((("in distribution", on_id), ("kinds left out", left_out))):
            _curve(axes, of.get(name, {}).get("curve", []), label, CYCLE[place])
        axes.set(title=name, xlabel="coverage, the surest first", xlim=(0, 1))
    # Only now: a limit ends the automatic scale, and the panels share it.
    figure.axes[0].set_ylim(bottom=0)
    figure.axes[0].set_ylabel("share wrong")
    figure.axes[0].legend(frameon=False)


def _curve(axes: Axes, curve: list[dict[str, float]], label: str, colour: str) -> None:
    axes.plot([one["coverage"] for one in curve], [one["risk"] for one in curve], color=colour, label=label)
