"""What a dataset holds, in Markdown, with the paper's Tables 1 and 2 beside."""

from collections.abc import Mapping, Sequence
from typing import Any

from arms.reports.markdown import markdown_table
from arms.reports.titles import POOL_TITLES

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
# Table 2 of arXiv:2606.08970 by pool: the number of VLMs and of queries, each answerable by some VLM of the pool.
PUBLISHED_POOLS = {
    "free": (4, {"train": 29626, "id": 3000, "ood": 7084}),
    "free and paid": (7, {"train": 5500, "id": 1500, "ood": 9397}),
}
# Table 1 of arXiv:2606.08970: name, whether multimodal, whether with outputs, target, queries. Its marks are pictures;
# the text of its section 2 says what they show.
PUBLISHED_DATASETS = (
    ("FrugalGPT", False, False, "selection", 17982),
    ("RouterDC", False, True, "selection", 8225),
    ("MARS", False, True, "selection", 30000),
    ("HELM", False, True, "evaluation", 16000),
    ("VHELM", True, True, "evaluation", 21000),
    ("M2", True, True, "selection", 56107),
)


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


def pool_table(records: Sequence[Mapping[str, Any]]) -> str:
    """The records of `complementarity.pool_statistics`, a column for each split, with the published Table 2 below.

    A cell is the number of queries on which each VLM of the pool has an outcome, and how many of these some VLM of it
    answers. The published dataset holds only such queries.
    """
    splits = list(dict.fromkeys(record["split"] for record in records))
    cells = {
        (record["pool"], record["split"]): f"{record['complete']:,} ({record['answerable']:,})" for record in records
    }
    rows = [["queries with all outcomes (answerable)", "VLMs", *splits]]
    for pool, num_vlms in dict.fromkeys((record["pool"], record["vlms"]) for record in records):
        rows.append([POOL_TITLES[pool], str(num_vlms), *(cells[pool, split] for split in splits)])
    for pool, (num_vlms, published) in PUBLISHED_POOLS.items():
        counts = (published.get(split) for split in splits)
        rows.append([f"M2, {pool}", str(num_vlms), *("-" if n is None else f"({n:,})" for n in counts)])
    return markdown_table(rows, left=1)


def comparison_table(name: str, record: Mapping[str, Any]) -> str:
    """The record of `complementarity.comparison_record`, above the published Table 1."""
    own = (name, record["multimodal"], record["outputs"], "selection", record["queries"])
    rows = [["dataset", "multimodal", "model outputs", "target", "queries"]]
    for title, multimodal, outputs, target, queries in (own, *PUBLISHED_DATASETS):
        rows.append([title, "yes" if multimodal else "no", "yes" if outputs else "no", target, f"{queries:,}"])
    return markdown_table(rows, left=4)


def _cell(value: str | int | float | None, digits: int = 1) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
