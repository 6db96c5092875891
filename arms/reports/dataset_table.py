"""What a dataset holds, in Markdown."""

from collections.abc import Sequence
from typing import Any

from arms.reports.markdown import markdown_table

HEADINGS = {
    "split": "split",
    "benchmark": "benchmark",
    "queries": "queries",
    "images": "images",
    "languages": "languages",
    "tasks": "tasks",
    "question_words": "words per question",
    "answerable_base": "answerable, base pool",
    "answerable_extended": "answerable, extended pool",
    "known_outcomes": "known outcomes",
}


def dataset_table(records: Sequence[dict[str, Any]]) -> str:
    """The records of `complementarity.dataset_statistics`, a column for each VLM's accuracy at the right.

    Raises
    ------
    ValueError
        If there are no records.
    """
    if not records:
        raise ValueError("dataset_table: expected records, got none; the dataset has no queries")
    vlms = list(dict.fromkeys(vlm for record in records for vlm in record["accuracy"]))
    rows = [[*HEADINGS.values(), *(f"accuracy, {vlm}" for vlm in vlms)]]
    for record in records:
        accuracies = [record["accuracy"].get(vlm) for vlm in vlms]
        rows.append([*(_cell(record[key]) for key in HEADINGS), *(_cell(value, 3) for value in accuracies)])
    return markdown_table(rows, left=2)


def _cell(value: str | int | float | None, digits: int = 1) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
