"""One table over all routers: quality, cost and, where they were measured, times."""

from collections.abc import Mapping, Sequence
from typing import Any

from arms.reports.results_table import POOLS, SPLITS

COLUMNS = ("em", "em_low", "em_high", "gain", "gain_low", "gain_high", "gap_closed", "cost_usd_per_1k", "rank_score")
TIMES = ("fit_s", "us_per_query", "single_us")
Json = dict[str, Any]

_HEADINGS = {
    "router": "router",
    "em": "EM",
    "interval": "95 % interval",
    "gap_closed": "gap closed",
    "cost_usd_per_1k": "USD per 1,000 queries",
    "rank_score": "Rank Score",
    "fit_s": "fit, s",
    "us_per_query": "us per query, batch",
    "single_us": "us, one query",
}


def leaderboard(metrics: Mapping[str, Json], times: Mapping[str, Json] | None = None) -> Json:
    """The routers of each split and pool, by falling EM.

    Parameters
    ----------
    metrics : router -> split -> pool -> its metrics
    times : router -> pool -> some of "fit_s", "us_per_query" and "single_us"; optional

    Returns
    -------
    dict: split -> pool -> router -> the `COLUMNS`, and its times; an empty split or pool has no routers
    """
    board: Json = {}
    for router, splits in metrics.items():
        for split, pools in splits.items():
            for pool, values in pools.items():
                panel = board.setdefault(split, {}).setdefault(pool, {})
                if values["em"] is not None:
                    panel[router] = {name: values.get(name) for name in COLUMNS} | (times or {}).get(router, {}).get(
                        pool, {}
                    )
    return {
        split: {
            pool: dict(sorted(panel.items(), key=lambda row: (-row[1]["em"], row[0]))) for pool, panel in pools.items()
        }
        for split, pools in board.items()
    }


def leaderboard_table(panel: Mapping[str, Json], names: Mapping[str, str] | None = None) -> str:
    """One split and pool of the leaderboard in Markdown; columns that no router has are left out."""
    shown = [
        column
        for column in _HEADINGS
        if column in ("router", "em", "interval") or any(row.get(column) is not None for row in panel.values())
    ]
    lines = [f"| {' | '.join(_HEADINGS[column] for column in shown)} |", f"|{'---|' * len(shown)}"]
    for router, row in panel.items():
        name = (names or {}).get(router, router)
        lines.append(f"| {' | '.join(name if column == 'router' else _cell(column, row) for column in shown)} |")
    return "\n".join(lines)


def beaten(pairs: Sequence[Json]) -> Json:
    """Whom each router beats beyond the paired 95 % interval: split -> pool -> router -> names.

    Parameters
    ----------
    pairs : records of `Judge.pairs`
    """
    found: Json = {}
    for pair in pairs:
        here = found.setdefault(pair["split"], {}).setdefault(pair["pool"], {})
        if pair["low"] is not None and pair["low"] > 0:
            here.setdefault(pair["router"], []).append(pair["other"])
        if pair["high"] is not None and pair["high"] < 0:
            here.setdefault(pair["other"], []).append(pair["router"])
    return found


def beats_table(beaten_by: Mapping[str, Sequence[str]], routers: Sequence[str]) -> str:
    """Which router beats which in Markdown: + where the row's beats the column's, - where it is beaten.

    Parameters
    ----------
    beaten_by : router -> whom it beats, of one split and pool; see `beaten`
    routers : in the order wanted
    """

    def sign(router: str, other: str) -> str:
        if other in beaten_by.get(router, ()):
            return "+"
        return "-" if router in beaten_by.get(other, ()) else " "

    numbers = range(1, len(routers) + 1)
    lines = [f"| | {' | '.join(map(str, numbers))} |", f"|---|{'---|' * len(routers)}"]
    for number, router in zip(numbers, routers, strict=True):
        lines.append(f"| {number} {router} | {' | '.join(sign(router, other) for other in routers)} |")
    return "\n".join(lines)


def routers_section(routers: Json, figures: str) -> list[str]:
    """The part of the page of results that compares all routers; empty where that was not studied.

    Parameters
    ----------
    routers : dict
        "leaderboard", "beaten" and "sources", as `studies.summary` writes them.
    figures : str
        The folder of the figures.
    """
    if not routers:
        return []
    of_source: dict[str, list[str]] = {}
    for vlm, source in routers["sources"]["extended"].items():
        of_source.setdefault(source, []).append(vlm)
    parts = [
        "### All routers",
        "On the same cached features, splits and outcomes; settings chosen on val. Costs are "
        + "; ".join(f"{source} for {', '.join(vlms)}" for source, vlms in of_source.items())
        + ". Rank Score weighs accuracy over all queries against cost on a logarithmic scale (VL-RouterBench). In the "
        "second table of a panel + says that the router of the row beats that of the column beyond the paired 95 % "
        "interval, - that it is beaten. Times are of this machine, 2 cores: read them as ratios.",
    ]
    for split, pools in routers["leaderboard"].items():
        for pool, panel in pools.items():
            if panel:
                here = routers["beaten"].get(split, {}).get(pool, {})
                parts.append(f"**{SPLITS[split].capitalize()}, {POOLS[pool]}**")
                parts += [leaderboard_table(panel, {"arms": "**arms**"}), beats_table(here, list(panel))]
    return [*parts, f"![Cost against accuracy]({figures}/pareto.png)"]


def _cell(column: str, row: Json) -> str:
    if column == "interval":
        return f"{row['em_low']:.3f} to {row['em_high']:.3f}"
    value = row.get(column)
    if value is None:
        return "-"
    if column in ("us_per_query", "single_us"):
        return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
    digits = {"em": 3, "gap_closed": 2, "cost_usd_per_1k": 3, "rank_score": 1, "fit_s": 1}[column]
    return f"{value:.{digits}f}"
