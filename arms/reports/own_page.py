"""The page of a dataset of one's own: the verdict, the tables and figures of the last run, and the learning curve."""

from collections.abc import Mapping, Sequence
from typing import Any

from arms.reports.markdown import markdown_table, number
from arms.reports.results_table import results_table
from arms.reports.splits_section import splits_section
from arms.reports.unseen_section import unseen_sentence
from arms.reports.verdict import more_data, verdict


def own_page(
    name: str,
    description: str,
    metrics: Mapping[str, Any],
    singles: Mapping[str, Any],
    pairs: Sequence[Mapping[str, Any]],
    folders: Mapping[str, str],
    sizes: Mapping[str, Any],
    *,
    curve: Mapping[str, Any] | None,
    unseen: Mapping[str, Any] | None,
    figures: Mapping[str, str],
) -> str:
    """Markdown for one dataset, from what the pipeline wrote.

    Parameters
    ----------
    name, description : str
        As in conf/data/<name>.yaml.
    metrics : mapping
        router -> split -> pool -> metrics, of the routers that are shown.
    singles : mapping
        The content of metrics/vlms.json.
    pairs : sequence
        The content of data/plots/evaluate/pairs.json.
    folders : mapping
        Where each router is saved that can be routed with.
    sizes : mapping
        What `arms.data.prepared.split_sizes` returns.
    curve, unseen : mapping or None
        What the studies of that name wrote, if they were run.
    figures : mapping
        The files of the figures, as links from the page: em, pareto, reliability, curve; any may be missing.
    """
    shown = {name: f"![{_ALT[name]}]({file})" for name, file in figures.items()}
    parts = [
        f"# Results on {name}",
        description,
        "## Verdict",
        *verdict(metrics, singles, pairs, folders),
        "## What more data would bring",
        *more_data(curve),
        shown.get("curve", ""),
        _curve_table(curve),
        "## Kinds of queries that training never saw",
        *_unseen(unseen),
        "## All routers",
        results_table(metrics).rstrip(),
        *(shown[figure] for figure in ("em", "pareto", "reliability") if figure in shown),
        *splits_section(sizes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_ALT = {
    "em": "EM of routers and single VLMs",
    "pareto": "Cost against accuracy",
    "reliability": "Reliability",
    "curve": "Learning curve",
}


def _curve_table(curve: Mapping[str, Any] | None) -> str:
    if curve is None:
        return ""
    head = ["training queries", *curve["routers"]]
    rows = [
        [f"{count:,}", *(number(points[place]["em"]) for points in curve["routers"].values())]
        for place, count in enumerate(curve["queries"])
    ]
    return markdown_table([head, *rows])


def _unseen(unseen: Mapping[str, Any] | None) -> list[str]:
    if unseen is None:
        return ["Each task left out of training in turn is not measured yet. Run: `dvc repro studies/dvc.yaml:unseen`"]
    if not unseen["left_out"]:
        return ["This dataset has no two kinds with enough queries."]
    return [unseen_sentence(column, of["routers"]) for column, of in unseen["left_out"].items()]
