from typing import Any

import pytest

from arms.importers.rows.paths import follow, head_of, is_path, split_path

VALUE = {"doc": {"question": "Q?", "runs": [{"text": "a"}, {"text": "b", "tags": [["x"], ["y", "z"]]}]}, "a.b": 1}


@pytest.mark.parametrize(
    ("path", "steps", "found"),
    [
        ("doc.question", ("doc", "question"), "Q?"),
        ("doc.runs[1].text", ("doc", "runs", 1, "text"), "b"),
        ("doc.runs[1].tags[1][0]", ("doc", "runs", 1, "tags", 1, 0), "y"),
        ("doc.runs[2].text", ("doc", "runs", 2, "text"), None),
        ("doc.runs.text", ("doc", "runs", "text"), None),
        ("doc.question[0]", ("doc", "question", 0), None),
        ("doc", ("doc",), VALUE["doc"]),
        ("nowhere.at.all", ("nowhere", "at", "all"), None),
    ],
)
def test_paths(path: str, steps: tuple[str | int, ...], found: Any) -> None:
    assert split_path(path) == steps
    assert is_path(path) == (len(steps) > 1)
    assert head_of(path) == steps[0]
    assert follow(VALUE, path) == found
    assert follow(VALUE, path, "missing") == ("missing" if found is None else found)


@pytest.mark.parametrize("name", ["score [%]", "[0]", "a[b]", "a[1", "a]", ".a", "a.", "", "a[-1]"])
def test_names_that_are_no_paths(name: str) -> None:
    assert split_path(name) == (name,)
    assert not is_path(name)
