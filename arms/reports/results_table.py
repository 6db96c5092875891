"""The results table, in Markdown, from the metrics files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arms.data.disk import read_json
from arms.data.sealed import SEAL, check_folder
from arms.errors import ArmsError
from arms.reports.complete_cases import (
    NONE_COMPLETE,
    counts_text,
    judged_or_replayed,
    over_all,
    partial_replay,
    replay_text,
)
from arms.reports.markdown import interval, markdown_table, number, signed, with_interval
from arms.reports.titles import POOL_TITLES, SPLIT_TITLES, panel_title

ARMS, PLAIN = "arms", "plain"
# `vlms` holds single VLMs, `leaderboard` and `summary` a selection from the others; the oracle's EM is in every file.
NOT_ROUTERS = {"vlms", "leaderboard", "summary", "oracle"}

_COLUMNS = (
    "router",
    "EM",
    "95 % interval",
    "EM, all queries",
    "gain over best single",
    "95 % interval",
    "gap closed",
    "AUROC",
    "ECE, all queries",
)

_REMEDY = "run: dvc repro evaluate"


def read_files(folder: Path) -> dict[str, Any]:
    """What the evaluate stage wrote, by the stem of its file: each router's metrics, and what `NOT_ROUTERS` names.

    Raises
    ------
    ArmsError
        If a file is damaged or not one that the stage wrote with the others.
    """
    if (folder / SEAL).is_file():  # metrics of an older version have none
        check_folder(folder, "metrics", _REMEDY)
    files = [file for file in sorted(folder.glob("*.json")) if file.name != SEAL]
    return {file.stem: read_json(file, "metrics", _REMEDY) for file in files}


def read_metrics(folder: Path) -> dict[str, Any]:
    """Metrics by router, without what `shown_routers` leaves out; an ArmsError if there are none."""
    routers = shown_routers(read_files(folder))
    if not routers:
        raise ArmsError(f"{folder}: expected metrics files, found none; run: dvc repro")
    return routers


def shown_routers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The routers of tables and figures, without what is not one and without the twin of plain ARMS.

    On the extended pool `plain` is the strategy that `extend.strategy` names, independent or incremental. That
    strategy has a file of its own, with the same numbers there, and would be a second row for the same router.

    Parameters
    ----------
    metrics : mapping
        File's stem -> its content; a router's is split -> pool -> metrics.
    """
    plain = metrics.get(PLAIN) or metrics.get(ARMS, {})
    return {
        name: content
        for name, content in metrics.items()
        if name not in NOT_ROUTERS and (name in (ARMS, PLAIN) or not _is_twin(content, plain))
    }


def _is_twin(content: Mapping[str, Any], plain: Mapping[str, Any]) -> bool:
    """Whether a router has the numbers of plain ARMS on the extended pool."""
    pairs = [
        (pools["extended"], plain.get(split, {}).get("extended", {}))
        for split, pools in content.items()
        if "extended" in pools
    ]
    return bool(pairs) and all(own.items() <= of_plain.items() for own, of_plain in pairs)


def only_net_note(summary: Mapping[str, Any]) -> str:
    """What `arms` means in results from before its net was joined with neighbours and base rates; else nothing."""
    if PLAIN in summary["metrics"]:
        return ""
    return "From before nets were joined with more: here ARMS is only the net, which is called `plain` now."


def results_table(routers: Mapping[str, Any]) -> str:
    """One table per split and pool, routers by falling EM, with the best single VLM and the ceilings beneath.

    It is of the pool's complete cases; what a partial replay gives ARMS is a sentence beneath. Without complete cases
    the table is of the partial replay, and says so.

    Parameters
    ----------
    routers : dict
        router -> split -> pool -> metrics, as from `read_metrics`.
    """
    parts = []
    pools = tuple(POOL_TITLES)
    if ARMS in routers and all(of.get("extended") == of["base"] for of in routers[ARMS].values()):
        pools = ("base",)  # pools of other VLMs would differ at least in how many pairs they have
    for split in SPLIT_TITLES:
        for pool in pools:
            rows = {name: metrics[split][pool] for name, metrics in routers.items() if pool in metrics[split]}
            parts.append(_panel(panel_title(split, pool), rows))
    if pools == ("base",):
        parts.append("No VLM is new, so the extended pool is the base pool.")
    return "\n\n".join(parts) + "\n"


def _panel(title: str, rows: dict[str, Any]) -> str:
    judged = {name: judged_or_replayed(metrics)[0] for name, metrics in rows.items()}
    any_row, any_judged = next(iter(rows.values())), next(iter(judged.values()))
    if not any_judged["queries"]:
        return f"**{title}**: no answerable query in this split."
    if any_judged is any_row:
        head, below = f"({counts_text(any_row)})", _below(rows)
    else:
        head = f"({NONE_COMPLETE}: a partial replay, on {counts_text(any_judged)})"
        below = f"Best single VLM {_both(any_judged, any_judged['best_single_em'])}."
    by_em = sorted(judged.items(), key=lambda row: -row[1]["em"])
    table = markdown_table([_COLUMNS, *([name, *_cells(metrics)] for name, metrics in by_em)])
    return f"**{title}** {head}\n\n{table}\n\n{below}"


def _below(rows: dict[str, Any]) -> str:
    """The best single VLM, the ceilings, ARMS over kNN, and ARMS in a partial replay, as sentences."""
    any_row, arms = next(iter(rows.values())), rows.get(ARMS, {})
    ceilings = [f"oracle {_both(any_row, any_row['oracle_em'])}"]
    if any_row.get("best_possible_em") is not None:
        ceilings.append(f"best possible {_both(any_row, any_row['best_possible_em'])}")
    text = f"Best single VLM {_both(any_row, any_row['best_single_em'])}; {', '.join(ceilings)}."
    if arms.get("over_knn") is not None:
        text += f" ARMS over kNN {with_interval(arms, 'over_knn', sign=True)}."
    if replayed := partial_replay(arms):
        text += f" {replay_text('ARMS', replayed)}"
    return text


def _both(metrics: Mapping[str, Any], em: float) -> str:
    """An EM, and the same over all queries."""
    return f"{number(em)} ({number(over_all(metrics, em))} over all queries)"


def _cells(metrics: Mapping[str, Any]) -> list[str]:
    return [
        number(metrics["em"]),
        interval(metrics, "em"),
        number(metrics["em_all"]),
        signed(metrics["gain"]),
        interval(metrics, "gain", sign=True),
        number(metrics.get("gap_closed"), 2),
        number(metrics["auroc"]),
        number(metrics["ece_all"]),
    ]
