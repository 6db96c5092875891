"""How a dataset is split, in Markdown: queries, pictures and scenes, and how many test pictures train has seen."""

from collections.abc import Mapping
from typing import Any

from arms.reports.markdown import markdown_table


def splits_section(sizes: Mapping[str, Any]) -> list[str]:
    """The paragraphs about the splits.

    Parameters
    ----------
    sizes : mapping
        What `arms.data.prepared.split_sizes` returns.
    """
    rates = sizes["near_copies"]
    similarities = sorted({at for of in rates.values() for at in of}, key=float, reverse=True)
    head = ["split", "queries", "pictures", "scenes", *(f"near-copy in train, from {at}" for at in similarities)]
    rows = [
        [
            name,
            *(f"{of[key]:,}" for key in ("queries", "distinct_images", "scenes")),
            *_rates(rates.get(name), similarities),
        ]
        for name, of in sizes["splits"].items()
    ]
    excluded = sizes["excluded_queries"]
    return [
        "## Splits",
        "Queries of one scene stay on one side of a split: those whose pictures are near-copies, or whose group is the "
        f"same. The largest scene has {sizes['largest_scene_queries']:,} queries. The last columns are the share of a "
        "test split's pictures that have a near-copy in train, by the correlation of thumbnails from which on two "
        "pictures count as near-copies."
        + (f" {excluded:,} queries are left out, as they are of one scene with a held-out query." if excluded else ""),
        markdown_table([head, *rows], left=1),
    ]


def _rates(of: Mapping[str, float] | None, similarities: list[str]) -> list[str]:
    """The cells of one split; dashes for the splits that are not a test."""
    return ["-" if of is None else f"{of[at]:.1%}" for at in similarities]
