"""The part of a dataset's page that shows the studies: ablation, which layers train, data and epochs."""

from collections.abc import Mapping
from typing import Any

from arms.reports.markdown import markdown_table
from arms.reports.titles import split_title

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
STUDY_TITLES = {
    "ablation": "Ablation",
    "tuning": "Which layers train",
    "data": "Amount of training data",
    "epochs": "Epochs",
}
_ABLATION_METRICS = ("accuracy", "precision", "recall", "f1", "em")
_SPLITS = ("id", "ood")


def studies_section(studies: Mapping[str, Mapping[str, Any]], figures: str) -> list[str]:
    """A table and a figure for each study that was run.

    Parameters
    ----------
    studies : study -> variant -> its metrics by split, as `studies.summary` writes them
    figures : the folder of the figures
    """
    parts = []
    for study, title in STUDY_TITLES.items():
        if studies[study]:
            table = (_ablation_table if study in PUBLISHED_ABLATION else _curve_table)(study, studies[study])
            parts += [f"## {title}", table, f"![{title}]({figures}/{study}.png)"]
    return parts


def difference(values: Mapping[str, float]) -> str:
    """A paired difference with its interval."""
    return f"{values['difference']:+.3f} ({values['low']:+.3f} to {values['high']:+.3f})"


def claimed(values: Mapping[str, float | None]) -> str:
    """A difference with the interval that is corrected for all of the study; a dash without queries."""
    if values["difference"] is None:
        return "-"
    return f"{values['difference']:+.3f} ({values['claim_low']:+.3f} to {values['claim_high']:+.3f})"


def spread(values: Mapping[str, float] | None) -> str:
    """A mean over seeds, with the lowest and the highest in brackets where they differ; a dash for None."""
    if values is None:
        return "-"
    if values["low"] == values["high"]:
        return f"{values['mean']:.3f}"
    return f"{values['mean']:.3f} ({values['low']:.3f} to {values['high']:.3f})"


def _ablation_table(study: str, variants: Mapping[str, dict[str, Any]]) -> str:
    parts, published = [], PUBLISHED_ABLATION[study]
    for split in _run(variants):
        header = ["variant", *_ABLATION_METRICS, "EM of ARMS minus this"]
        rows = [header + (["published F1", "published EM"] if split == "id" else [])]
        for name, variant in variants.items():
            row = [name, *(spread(variant[split].get(metric)) for metric in _ABLATION_METRICS)]
            row.append(claimed(variant["phi_minus_this"][split]))
            if split == "id":
                row += [f"{value:.3f}" for value in published[name][-2:]] if name in published else ["", ""]
            rows.append(row)
        parts.append(f"**{split_title(split)}**\n\n{markdown_table(rows)}")
    return "\n\n".join(parts)


def _curve_table(study: str, variants: Mapping[str, dict[str, Any]]) -> str:
    splits = _run(variants)
    label = "share of the images, %" if study == "data" else study
    columns = ("accuracy", "F1", "EM", "EM of ARMS minus this")
    rows = [[label, *(f"{split}: {column}" for split in splits for column in columns)]]
    for name, variant in variants.items():
        row = [name]
        for split in splits:
            row += [spread(variant[split].get(metric)) for metric in ("accuracy", "f1", "em")]
            row.append(claimed(variant["phi_minus_this"][split]))
        rows.append(row)
    return markdown_table(rows)


def _run(variants: Mapping[str, dict[str, Any]]) -> list[str]:
    """The splits that have queries."""
    return [split for split in _SPLITS if any(variant[split] for variant in variants.values())]
