"""The section about a dataset's splits."""

from arms.reports.splits_section import splits_section

SIZES = {
    "splits": {
        "train": {"queries": 1200, "distinct_images": 600, "scenes": 300},
        "id": {"queries": 20, "distinct_images": 10, "scenes": 5},
    },
    "largest_scene_queries": 40,
    "near_copies": {"id": {"0.9": 0.25, "0.98": 0.0}},
    "excluded_queries": 0,
}


def test_the_share_of_near_copies_is_shown_for_test_splits():
    *_, table = splits_section(SIZES)
    header, _, train, test = table.splitlines()
    assert header.endswith("| near-copy in train, from 0.98 | near-copy in train, from 0.9 |")
    assert train == "| train | 1,200 | 600 | 300 | - | - |"
    assert test == "| id | 20 | 10 | 5 | 0.0% | 25.0% |"


def test_left_out_queries_are_counted():
    assert "left out" not in splits_section(SIZES)[1]
    assert "7 queries are left out" in splits_section({**SIZES, "excluded_queries": 7})[1]
