"""The results table, in Markdown, from the metrics files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.reports.markdown import interval, markdown_table, number, signed, with_interval
from arms.reports.titles import POOL_TITLES, SPLIT_TITLES, panel_title

ARMS = "arms"
# `vlms` holds single VLMs, `leaderboard` a selection from the others; the oracle's EM is in every file.
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
    """Metrics by router, from the JSON files that the evaluate stage writes; see `shown_routers`.

    Raises
    ------
    ArmsError
        If there are none.
    """
    routers = shown_routers({file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))})
    if not routers:
        raise ArmsError(f"{folder}: expected metrics files, found none; run: dvc repro")
    return routers


def shown_routers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The routers of tables and figures, without what is not one and without the twin of ARMS.

    On the extended pool `arms` is the strategy that `extend.strategy` names, independent or incremental. That
    strategy has a file of its own, with the same numbers there, and would be a second row for the same router.

    Parameters
    ----------
    metrics : mapping
        File's stem -> its content; a router's is split -> pool -> metrics.
    """
    arms = metrics.get(ARMS, {})
    return {
        name: content
        for name, content in metrics.items()
        if name not in NOT_ROUTERS and (name == ARMS or not _is_twin(content, arms))
    }


def _is_twin(content: Mapping[str, Any], arms: Mapping[str, Any]) -> bool:
    """Whether a router has ARMS' own numbers on the extended pool; `arms` may have more of them."""
    pairs = [
        (pools["extended"], arms.get(split, {}).get("extended", {}))
        for split, pools in content.items()
        if "extended" in pools
    ]
    return bool(pairs) and all(own.items() <= of_arms.items() for own, of_arms in pairs)


def results_table(routers: Mapping[str, Any]) -> str:
    """One table per split and pool, routers by falling EM, with the best single VLM and the ceilings beneath.

    Parameters
    ----------
    routers : dict
        router -> split -> pool -> metrics, as from `read_metrics`.
    """
    parts = []
    for split in SPLIT_TITLES:
        for pool in POOL_TITLES:
            rows = {name: metrics[split][pool] for name, metrics in routers.items() if pool in metrics[split]}
            parts.append(_panel(panel_title(split, pool), rows))
    return "\n\n".join(parts) + "\n"


def _panel(title: str, rows: dict[str, Any]) -> str:
    any_row = next(iter(rows.values()))
    if not any_row["queries"]:
        return f"**{title}**: no answerable query in this split."
    counts = f"{any_row['queries']:,} answerable of {any_row['queries_all']:,} queries"
    by_em = sorted(rows.items(), key=lambda row: -row[1]["em"])
    table = markdown_table([_COLUMNS, *([name, *_cells(metrics)] for name, metrics in by_em)])
    ceilings = [f"oracle {number(any_row['oracle_em'])}"]
    if any_row.get("best_possible_em") is not None:
        ceilings.append(f"best possible {number(any_row['best_possible_em'])}")
    margin = ""
    if (arms := rows.get(ARMS, {})).get("over_knn") is not None:
        margin = f" ARMS over kNN {with_interval(arms, 'over_knn', sign=True)}."
    below = f"Best single VLM {number(any_row['best_single_em'])}; {', '.join(ceilings)}.{margin}"
    return f"**{title}** ({counts})\n\n{table}\n\n{below}"


def _cells(metrics: dict[str, Any]) -> list[str]:
    return [
        number(metrics["em"]),
        interval(metrics, "em"),
        signed(metrics["gain"]),
        interval(metrics, "gain", sign=True),
        number(metrics["gap_closed"], 2),
        number(metrics["em_all"]),
        number(metrics["auroc"]),
        number(metrics["ece_all"]),
    ]
