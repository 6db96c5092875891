"""The comparison of all routers in Markdown, from the numbers of `arms.evaluation.leaderboard`."""

from collections.abc import Mapping, Sequence
from typing import Any

from arms.evaluation.leaderboard import COLUMNS, PARTIAL_COLUMNS
from arms.reports.complete_cases import NONE_COMPLETE
from arms.reports.markdown import interval, markdown_table, number
from arms.reports.results_table import ARMS
from arms.reports.titles import panel_title

Json = dict[str, Any]

_HEADINGS = {
    "router": "router",
    "em": "EM",
    "interval": "95 % interval",
    "em_all": "EM, all queries",
    "em_by_seed": "EM by seed",
    "gap_closed": "gap closed",
    "cost_usd_per_1k": "USD per 1,000 queries",
    "rank_score": "Rank Score",
    "fit_s": "fit, s",
    "us_per_query": "us per query, batch",
    "single_us": "us, one query",
}
_DIGITS = {"em": 3, "em_all": 3, "gap_closed": 2, "cost_usd_per_1k": 3, "rank_score": 1, "fit_s": 1}


def leaderboard_table(panel: Mapping[str, Json], names: Mapping[str, str] | None = None) -> str:
    """One split and pool of the leaderboard; columns that no router has are left out.

    Of a pool without complete cases it shows what a partial replay gave.

    Parameters
    ----------
    panel : router -> its numbers, in the order wanted
    names : router -> what the table calls it, where that is not its name
    """
    panel = {
        router: {name.removeprefix("partial_"): value for name, value in row.items()} for router, row in panel.items()
    }
    shown = [
        column
        for column in _HEADINGS
        if column in ("router", "em", "interval") or any(row.get(column) is not None for row in panel.values())
    ]
    rows = [[_HEADINGS[column] for column in shown]]
    for router, values in panel.items():
        name = (names or {}).get(router, router)
        rows.append([name if column == "router" else _cell(column, values) for column in shown])
    return markdown_table(rows)


def beats_table(beaten_by: Mapping[str, Sequence[str]], routers: Sequence[str]) -> str:
    """Which router beats which: + where the row's beats the column's, - where it is beaten.

    Parameters
    ----------
    beaten_by : router -> whom it beats, of one split and pool; see `arms.evaluation.leaderboard.beaten`
    routers : in the order wanted
    """

    def sign(router: str, other: str) -> str:
        if other in beaten_by.get(router, ()):
            return "+"
        return "-" if router in beaten_by.get(other, ()) else " "

    rows = [["", *(str(number) for number in range(1, len(routers) + 1))]]
    for place, router in enumerate(routers, start=1):
        rows.append([f"{place} {router}", *(sign(router, other) for other in routers)])
    return markdown_table(rows)


def routers_section(routers: Json, figures: str) -> list[str]:
    """The part of a dataset's page that compares all routers; empty where that was not studied.

    Parameters
    ----------
    routers : dict
        "leaderboard", "beaten", "sources" and "em_by_seed", as `studies.summary` writes them.
    figures : str
        The folder of the figures.
    """
    if not routers:
        return []
    of_source: dict[str, list[str]] = {}
    for vlm, source in routers["sources"]["extended"].items():
        of_source.setdefault(source, []).append(vlm)
    costs = "; ".join(f"{source} for {', '.join(vlms)}" for source, vlms in of_source.items())
    parts = [
        "## All routers",
        "On the same cached features, splits and outcomes; settings chosen on val. "
        f"Costs are {costs}. Rank Score weighs accuracy over all queries against cost on a logarithmic scale "
        "(VL-RouterBench). Routers that depend on a seed were fitted with several: figures are means, intervals hold "
        "the variance of the seeds, and the lowest and the highest EM are beside them. In the second table of a panel "
        "+ says that the router of the row beats that of the column, - that it is beaten. Over all pairs of the panel "
        "together, the chance of one or more false signs is 5 % (max-T). Times are of one machine, 2 cores: read them "
        "as ratios.",
        f"![Cost against accuracy]({figures}/pareto.png)",
    ]
    same = twins(routers["leaderboard"])
    for split, pools in routers["leaderboard"].items():
        for pool, panel in pools.items():
            if panel:
                by_seed = {name: of[split].get(pool) for name, of in routers.get("em_by_seed", {}).items()}
                shown = {
                    router: row | {"em_by_seed": by_seed.get(router)}
                    for router, row in panel.items()
                    if router not in same
                }
                here = routers["beaten"].get(split, {}).get(pool, {})
                replayed = any("partial_em" in row for row in panel.values())
                note = f" ({NONE_COMPLETE}: a partial replay, in which no routers are compared)" if replayed else ""
                parts.append(f"**{panel_title(split, pool)}**{note}")
                parts.append(leaderboard_table(shown, {ARMS: f"**{ARMS}**"}))
                parts += [] if replayed else [beats_table(here, list(shown))]
    return parts


def twins(board: Json) -> set[str]:
    """The routers of a leaderboard with ARMS' own numbers on the extended pool: the strategy that it stands for."""
    panels = [pools["extended"] for pools in board.values() if ARMS in pools.get("extended", {})]
    return {
        name
        for name in {name for panel in panels for name in panel} - {ARMS}
        if all(_numbers(panel.get(name, {})) == _numbers(panel[ARMS]) for panel in panels)
    }


def _numbers(row: Json) -> list[Any]:
    """All of a row but its times."""
    return [row.get(column) for column in (*COLUMNS, *PARTIAL_COLUMNS)]


def _cell(column: str, row: Json) -> str:
    if column == "interval":
        return interval(row, "em")
    value = row.get(column)
    if column == "em_by_seed":
        return f"{min(value):.3f} to {max(value):.3f} ({len(value)})" if value and len(value) > 1 else "-"
    if value is not None and column in ("us_per_query", "single_us"):
        return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
    return number(value, _DIGITS.get(column, 3))
