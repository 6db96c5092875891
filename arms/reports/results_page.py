"""The page of all results, docs/results.md: every dataset's tables and figures, with the published numbers beside."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.evaluation.complementarity import statistics_table
from arms.reports.leaderboard import routers_section
from arms.reports.results_table import NOT_ROUTERS, SPLITS, results_table

# Table 3 of arXiv:2606.08970, on the free pool of its own dataset, by study and variant: accuracy, precision, recall,
# F1, EM. Its full router tunes both encoders.
_FULL = (0.6751, 0.6403, 0.6882, 0.6634, 0.5721)
PUBLISHED_ABLATION = {
    "ablation": {
        "full": _FULL,
        "concat": (0.6577, 0.6091, 0.5979, 0.6036, 0.5272),
        "name": (0.6254, 0.5994, 0.6351, 0.6168, 0.5115),
    },
    "tuning": {
        "both-tuned": _FULL,
        "image-frozen": (0.6542, 0.6270, 0.6644, 0.6452, 0.5351),
        "text-frozen": (0.5875, 0.3558, 0.6630, 0.4631, 0.3480),
    },
}
# Its Fig. 5: EM of ARMS after 2 epochs, by pool and split.
PUBLISHED_EM = {
    ("base", "id"): 0.5739,
    ("base", "ood"): 0.4321,
    ("extended", "id"): 0.7958,
    ("extended", "ood"): 0.5428,
}
STUDIES = {
    "ablation": "Ablation",
    "tuning": "Which layers train",
    "data": "Amount of training data",
    "epochs": "Epochs",
}
_ABLATION_METRICS = ("accuracy", "precision", "recall", "f1", "em")

_HEAD = """# Results

This page is generated: `arms report --out docs/results.md`, from what `dvc repro` and `dvc repro studies/dvc.yaml`
wrote for each dataset.

EM is the share of queries whose selected VLM was right, over the queries that at least one VLM of the pool answers;
"EM, all queries" counts the others too. Intervals are 95 % bootstrap intervals over images; that of a gain is paired.
The best single VLM is chosen on the training split. `arms` is Phi on the base pool; on the extended pool it is the
strategy that `extend.strategy` names. Splits are by image, and all choices are made on val. The
metrics of the test splits were seen more than once while this was developed; docs/log.md says where. Where a study has
several seeds, a figure is their mean, with the lowest and the highest in brackets; what ARMS, the pipeline's own run,
has over a variant is of the first seed, with its paired interval."""


def read_summaries(folder: Path) -> dict[str, dict[str, Any]]:
    """The summary of each dataset below a folder, the sample first.

    Raises
    ------
    ArmsError
        If there are none.
    """
    found = {file.parent.name: json.loads(file.read_text()) for file in sorted(folder.glob("*/summary.json"))}
    if not found:
        raise ArmsError(f"{folder}: expected <data>/summary.json, found none; run: dvc repro studies/dvc.yaml")
    return dict(sorted(found.items(), key=lambda item: (item[0] != "sample", item[0])))


def results_page(
    summaries: Mapping[str, dict[str, Any]], descriptions: Mapping[str, str], more: Sequence[str] = ()
) -> str:
    """Markdown for all datasets, and more sections after them.

    Parameters
    ----------
    summaries : mapping of str to dict
        What the studies wrote, by dataset: studies/results/<data>/summary.json.
    descriptions : mapping of str to str
        What each dataset is, from conf/data/<data>.yaml.
    more : sequence of str
        Markdown, each with its own heading.
    """
    parts = [_HEAD]
    for name, summary in summaries.items():
        parts += [f"## {name}", f"{descriptions[name]} {_settings(summary['settings'])}"]
        if summary["quick"]:
            parts.append("**A quick run, to see that everything works: the studies' figures mean nothing.**")
        routers = {router: metrics for router, metrics in summary["metrics"].items() if router not in NOT_ROUTERS}
        parts += [results_table(routers).rstrip(), _published_em()]
        parts += [f"![EM of routers and single VLMs](../studies/figures/{name}/em.png)", *_studies(name, summary)]
    parts += [section.rstrip() for section in more]
    return "\n\n".join(part for part in parts if part) + "\n"


def _settings(settings: dict[str, Any]) -> str:
    return f"Encoders: {settings['encoders']}; {settings['epochs']} epochs; all else as in params.yaml."


def _published_em() -> str:
    cells = ", ".join(f"{em:.3f} on {split} with the {pool} pool" for (pool, split), em in PUBLISHED_EM.items())
    return f"Published for ARMS on other data, which is not public (arXiv:2606.08970, M2 and VHELM): {cells}."


def _studies(name: str, summary: dict[str, Any]) -> list[str]:
    figures = f"../studies/figures/{name}"
    studies = summary["studies"]
    parts = []
    for study, title in STUDIES.items():
        if studies[study]:
            table = (_ablation_table if study in PUBLISHED_ABLATION else _curve_table)(study, studies[study])
            parts += [f"### {title}", table, f"![{title}]({figures}/{study}.png)"]
    parts += _extension(summary.get("extension", {}), figures)
    parts += routers_section(summary.get("routers", {}), figures)
    parts += ["### Inside the router", f"![Gate by task and load of each expert]({figures}/gates.png)"]
    parts += [f"![Confidences]({figures}/confidences.png)", f"![Reliability]({figures}/reliability.png)"]
    parts += [f"![Map of the fused vectors]({figures}/map.png)"]
    parts += ["### The dataset", statistics_table(summary["statistics"])]
    parts += [
        f"![Who is right where another is wrong, {split}]({figures}/rescue-{split}.png)" for split in summary["rescue"]
    ]
    return parts


def _extension(extension: dict[str, Any], figures: str) -> list[str]:
    """Strategies, what was forgotten, few outcomes, theta and Phi's share of the data; empty where not studied."""
    if not extension:
        return []
    parts = [
        "### Extending the pool",
        f"New: {', '.join(extension['new'])}. Seconds are of training alone. Phi alone chooses among its own VLMs, on "
        "the same queries; full retraining is a router over the extended pool, trained on all outcomes from nothing.",
        *_strategy_tables(extension["strategies"]),
        _forgotten(extension["forgotten"]),
        f"![EM by theta, with calibrated confidences and without]({figures}/theta.png)",
    ]
    if "few-shot" in extension:
        parts += ["**From few outcomes of the new VLMs**", _few_shot_table(extension["few-shot"])]
        parts.append(f"![EM by the number of outcomes]({figures}/few-shot.png)")
    if "initial" in extension:
        parts.append(f"![EM by the share of the data that Phi was trained on]({figures}/initial.png)")
    return parts


def _strategy_tables(strategies: dict[str, Any]) -> Iterator[str]:
    header = [
        "strategy",
        "EM",
        "gain over best single",
        "minus Phi alone",
        "minus full retraining",
        "a new VLM chosen",
        "s",
    ]
    for split, title in SPLITS.items():
        rows = [header]
        for name, of in strategies.items():
            metrics = of["metrics"][split]
            if metrics["em"] is None:
                break
            rows.append(
                [
                    name,
                    f"{metrics['em']:.3f} ({metrics['em_low']:.3f} to {metrics['em_high']:.3f})",
                    f"{metrics['gain']:+.3f} ({metrics['gain_low']:+.3f} to {metrics['gain_high']:+.3f})",
                    _difference(of["over_phi_alone"][split]),
                    _difference(of["over_full"][split]),
                    f"{of['new_share'][split]:.0%}",
                    f"{of['seconds']:.1f}",
                ]
            )
        if len(rows) > 1:
            yield f"**{title.capitalize()}**\n\n{markdown_table(rows)}"


def _forgotten(forgotten: dict[str, Any]) -> str:
    texts = [
        f"on {split} {of['before']['em']:.3f} before, {of['after']['em']:.3f} after, "
        f"{_difference(of['after_minus_before'])}"
        for split, of in forgotten.items()
        if of["before"]["em"] is not None
    ]
    return f"What incremental training forgets, EM of the base pool: {'; '.join(texts)}."


def _few_shot_table(records: Sequence[dict[str, Any]]) -> str:
    splits = [split for split in SPLITS if any(record["split"] == split for record in records)]
    strategies = list(dict.fromkeys(record["strategy"] for record in records))
    found = {(record["outcomes"], record["split"], record["strategy"]): record for record in records}
    rows = [["outcomes of each", *(f"{split}: {strategy}" for split in splits for strategy in strategies)]]
    for count in sorted({record["outcomes"] for record in records}):
        cells = [_spread(found.get((count, split, strategy))) for split in splits for strategy in strategies]
        rows.append([f"{count:,}", *cells])
    return markdown_table(rows)


def _ablation_table(study: str, variants: Mapping[str, dict[str, Any]]) -> str:
    parts, published = [], PUBLISHED_ABLATION[study]
    for split in ("id", "ood"):
        if not any(variant[split] for variant in variants.values()):
            continue
        header = ["variant", *_ABLATION_METRICS, "EM of ARMS minus this"]
        rows = [header + (["published F1", "published EM"] if split == "id" else [])]
        for name, variant in variants.items():
            row = [name, *(_spread(variant[split].get(metric)) for metric in _ABLATION_METRICS)]
            row.append(_difference(variant["phi_minus_this"][split]))
            if split == "id":
                row += [f"{value:.3f}" for value in published[name][-2:]] if name in published else ["", ""]
            rows.append(row)
        parts.append(f"**{SPLITS[split].capitalize()}**\n\n{markdown_table(rows)}")
    return "\n\n".join(parts)


def _curve_table(study: str, variants: Mapping[str, dict[str, Any]]) -> str:
    drawn = [split for split in ("id", "ood") if any(variant[split] for variant in variants.values())]
    label = "share of the images, %" if study == "data" else study
    rows = [[label, *(f"{split}: {metric}" for split in drawn for metric in ("accuracy", "F1", "EM"))]]
    for name, variant in variants.items():
        rows.append(
            [name, *(_spread(variant[split].get(metric)) for split in drawn for metric in ("accuracy", "f1", "em"))]
        )
    return markdown_table(rows)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The first row as header."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _difference(values: dict[str, float]) -> str:
    return f"{values['difference']:+.3f} ({values['low']:+.3f} to {values['high']:+.3f})"


def _spread(values: dict[str, float] | None) -> str:
    if values is None:
        return "-"
    if values["low"] == values["high"]:
        return f"{values['mean']:.3f}"
    return f"{values['mean']:.3f} ({values['low']:.3f} to {values['high']:.3f})"
