"""A small part of the campaign; `python -m tests.faults` runs all of it."""

from tests.faults.bytes_campaign import REFUSED, count, try_files


def test_no_damage_gives_a_wrong_number(project):
    """Two files of each kind; an older version needs a second run of the pipeline, and is left to the campaign."""
    damages = ("flip", "truncate", "delete", "swap")
    counts, wrong = count(try_files(project.folder, project.folder, per_kind=2, damages=damages))
    assert wrong == []
    assert {kind for kind, _, _ in counts} == {
        "tables of a dataset", "pictures", "prepared", "features", "scores", "routers", "metrics",
    }  # fmt: skip
    assert sum(number for (_, _, outcome), number in counts.items() if outcome == REFUSED) > 20
