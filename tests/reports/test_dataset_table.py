import pytest

from arms.reports.dataset_table import HEADINGS, dataset_table

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
