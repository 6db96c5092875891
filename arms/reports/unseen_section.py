"""The part of a dataset's page about kinds of queries that training never saw."""

from collections.abc import Mapping
from typing import Any

from arms.reports.markdown import markdown_table, number, with_interval

ARMS = "arms"
_HEAD = (
    "router",
    "kinds",
    "mean gain over best single VLM",
    "worst kind",
    "its gain",
    "gain on id",
    "EM",
    "EM, all queries",
    "best single VLM, EM",
    "ECE, all queries",
    "ECE on id",
    "excess AURC",
    "excess AURC on id",
)


def unseen_section(unseen: Mapping[str, Any], metrics: Mapping[str, Any], figures: str) -> list[str]:
    """Tables and figures of the study that leaves each kind of queries out; nothing where it was not run.

    Parameters
    ----------
    unseen : mapping
        What `studies.unseen` writes; empty if it was not run.
    metrics : mapping
        router -> split -> pool -> metrics, for the gain on id; a router that is missing has a dash.
    figures : str
        The folder of the figures, as a link from the page.
    """
    if not unseen:
        return []
    if not unseen["left_out"]:
        return ["## Kinds of queries that training never saw", "This dataset has no two kinds with enough queries."]
    parts = [
        "## Kinds of queries that training never saw",
        "Each kind is left out of training in turn, and the routers choose on it (its queries in train and val, base "
        "pool, complete cases; the test splits are not used). The mean counts every kind the same; its interval is "
        "over scenes, for these kinds. The best single VLM is chosen on what the fold trained on. AURC is the mean "
        "share wrong over all coverages, the surest queries first; its excess is over the best order.",
    ]
    for column, of in unseen["left_out"].items():
        parts += [
            f"**Left out by {column}.** {unseen_sentence(column, of['routers'])}",
            markdown_table([_HEAD, *_rows(of, unseen["trust_id"], metrics)], left=1),
            f"![Gain by {column} left out]({figures}/unseen-{column}.png)",
            f"![Risk by coverage, by {column} left out]({figures}/risk-coverage-{column}.png)",
        ]
    return parts


def unseen_sentence(column: str, routers: Mapping[str, Any]) -> str:
    """What ARMS gains on unseen kinds, in words; empty if it was not judged."""
    if ARMS not in routers:
        return ""
    macro, worst = routers[ARMS]["macro"], routers[ARMS]["worst"]
    word = "above" if macro["gain_low"] > 0 else "below" if macro["gain_high"] < 0 else "level with"
    return (
        f"On a {column} that training never saw, ARMS is {word} the best single VLM on average over "
        f"{len(routers[ARMS]['folds'])}: {with_interval(macro, 'gain', sign=True)}; at worst "
        f"{with_interval(worst, 'gain', sign=True)}, on {worst['fold']}."
    )


def _rows(of: Mapping[str, Any], on_id: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[list[str]]:
    by_gain = sorted(of["routers"].items(), key=lambda item: -item[1]["macro"]["gain"])
    return [
        [name, *_cells(judged, _gain_on_id(name, metrics)), *_trust_cells(name, of["trust"], on_id)]
        for name, judged in by_gain
    ]


def _gain_on_id(name: str, metrics: Mapping[str, Any]) -> str:
    on_id = metrics.get(name, {}).get("id", {}).get("base", {})
    return "-" if on_id.get("gain") is None else with_interval(on_id, "gain", sign=True)


def _cells(judged: Mapping[str, Any], gain_on_id: str) -> list[str]:
    return [
        str(len(judged["folds"])),
        with_interval(judged["macro"], "gain", sign=True),
        judged["worst"]["fold"],
        with_interval(judged["worst"], "gain", sign=True),
        gain_on_id,
        *(number(judged["macro"][key]) for key in ("em", "em_all", "best_single_em")),
    ]


def _trust_cells(name: str, unseen: Mapping[str, Any], on_id: Mapping[str, Any]) -> list[str]:
    """Calibration and excess AURC, each on unseen kinds and on id; a dash where id was not judged."""
    return [number(of.get(name, {}).get(key)) for key in ("ece_all", "excess_aurc") for of in (unseen, on_id)]
