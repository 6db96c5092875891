"""The results table, in Markdown, from the metrics files."""

import json
from pathlib import Path
from typing import Any

from arms.errors import ArmsError

SPLITS = {"id": "in distribution", "ood": "out of distribution"}
POOLS = {"base": "base pool", "extended": "extended pool"}
# `vlms` holds single VLMs, `leaderboard` a selection from the others, and the oracle's EM stands in every file.
NOT_ROUTERS = {"vlms", "leaderboard", "oracle"}

_COLUMNS = (
    "router",
    "EM",
    "95 % interval",
    "gain over best single",
    "95 % interval",
    "gap closed",
    "EM, all queries",
    "AUROC",
    "ECE, all queries",
)


def read_metrics(folder: Path) -> dict[str, Any]:
    """Metrics by router, from the JSON files that the evaluate stage writes.

    Raises
    ------
    ArmsError
        If there are none.
    """
    routers = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    routers = {name: metrics for name, metrics in routers.items() if name not in NOT_ROUTERS}
    if not routers:
        raise ArmsError(f"{folder}: expected metrics files, found none; run: dvc repro")
    return routers


def results_table(routers: dict[str, Any]) -> str:
    """One table per split and pool, routers by falling EM, with the best single VLM and the ceilings beneath.

    Parameters
    ----------
    routers : dict
        router -> split -> pool -> metrics, as from `read_metrics`.
    """
    parts = []
    for split, split_title in SPLITS.items():
        for pool, pool_title in POOLS.items():
            rows = {name: metrics[split][pool] for name, metrics in routers.items() if pool in metrics[split]}
            parts.append(_panel(f"{split_title}, {pool_title}".capitalize(), rows))
    return "\n\n".join(parts) + "\n"


def _panel(title: str, rows: dict[str, Any]) -> str:
    any_row = next(iter(rows.values()))
    if not any_row["queries"]:
        return f"**{title}**: no answerable query in this split."
    counts = f"{any_row['queries']:,} answerable of {any_row['queries_all']:,} queries"
    lines = [
        f"**{title}** ({counts})",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{'---|' * len(_COLUMNS)}",
    ]
    for name, metrics in sorted(rows.items(), key=lambda row: -row[1]["em"]):
        lines.append(f"| {' | '.join([name, *_cells(metrics)])} |")
    ceilings = [f"oracle {_number(any_row['oracle_em'])}"]
    if any_row.get("best_possible_em") is not None:
        ceilings.append(f"best possible {_number(any_row['best_possible_em'])}")
    margin = ""
    if (arms := rows.get("arms", {})).get("over_knn") is not None:
        margin = f" ARMS over kNN {_signed(arms['over_knn'])} ({_interval(arms, 'over_knn', sign=True)})."
    lines += ["", f"Best single VLM {_number(any_row['best_single_em'])}; {', '.join(ceilings)}.{margin}"]
    return "\n".join(lines)


def _cells(metrics: dict[str, Any]) -> list[str]:
    return [
        _number(metrics["em"]),
        _interval(metrics, "em"),
        _signed(metrics["gain"]),
        _interval(metrics, "gain", sign=True),
        _number(metrics["gap_closed"], 2),
        _number(metrics["em_all"]),
        _number(metrics["auroc"]),
        _number(metrics["ece_all"]),
    ]


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _interval(metrics: dict[str, Any], name: str, *, sign: bool = False) -> str:
    low, high = metrics[f"{name}_low"], metrics[f"{name}_high"]
    return f"{_signed(low)} to {_signed(high)}" if sign else f"{_number(low)} to {_number(high)}"
