import pytest

from arms.reports.dataset_table import HEADINGS, PUBLISHED_POOLS, dataset_table, pool_table

RECORD = dict.fromkeys(HEADINGS, 12345) | {"split": "id", "benchmark": "all", "question_words": 4.04}


def test_a_column_for_each_vlm():
    records = [RECORD | {"accuracy": {"a": 1.0, "b": None}}, RECORD | {"accuracy": {"a": 0.5, "c": 0.25}}]
    lines = dataset_table(records).splitlines()
    assert lines[0].endswith("| known outcomes | accuracy, a | accuracy, b | accuracy, c |")
    assert lines[1].startswith("|---|---|---:|")
    assert (
        lines[2] == "| id | all | 12,345 | 12,345 | 12,345 | 12,345 | 4.0 | 12,345 | 12,345 | 12,345 | 1.000 | - | - |"
    )
    assert lines[3].endswith("| 0.500 | - | 0.250 |")
    assert {line.count("|") for line in lines} == {len(HEADINGS) + 3 + 1}


def test_no_records():
    with pytest.raises(ValueError, match="expected records, got none"):
        dataset_table([])


def test_pools_beside_those_of_the_paper():
    counts = {"train": (40_000, 30_000), "id": (4000, 3500), "all": (44_000, 33_500)}
    records = [
        {"pool": pool, "vlms": vlms, "split": split, "queries": 50_000, "complete": complete, "answerable": answerable}
        for pool, vlms in (("base", 2), ("extended", 5))
        for split, (complete, answerable) in counts.items()
    ]
    lines = pool_table(records).splitlines()
    assert lines[0] == "| queries with all outcomes (answerable) | VLMs | train | id | all |"
    assert lines[2] == "| base pool | 2 | 40,000 (30,000) | 4,000 (3,500) | 44,000 (33,500) |"
    assert lines[4:] == [
        "| M2, free | 4 | (29,626) | (3,000) | - |",
        "| M2, free and paid | 7 | (5,500) | (1,500) | - |",
    ]


def test_the_published_counts_add_up():
    """Table 2's own totals: 35,126 for training and 20,981 for tests."""
    pools = [counts for _, counts in PUBLISHED_POOLS.values()]
    assert sum(counts["train"] for counts in pools) == 35_126
    assert sum(counts["id"] + counts["ood"] for counts in pools) == 20_981
