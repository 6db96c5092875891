import math

import pandas as pd
import pytest

from arms.importers.texts import as_text, encodable, encodable_texts, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (math.nan, None),
        ("", ""),
        ("Bär", "Bär"),
        ("half \ud800", "half ?"),
        (3, "3"),
        (0.5, "0.5"),
        (math.inf, "inf"),
        (10**100, "1" + "0" * 100),
        (True, "true"),
        (["a", 1, None], '["a", 1, null]'),
        ({"Bär": ["\ud800"]}, '{"Bär": ["?"]}'),
    ],
)
def test_any_value_as_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [("plain", "plain"), ("Bär 🐻", "Bär 🐻"), ("\ud83d\ude00", "??"), ("a\udcffb", "a?b"), ("nul\0", "nul\0")],
)
def test_text_that_can_be_written(text: str, written: str) -> None:
    assert encodable(text) == written


def test_a_table_that_can_be_written() -> None:
    values = pd.Series(["half \ud800", None, 3, True, ["\ud800"]], dtype=object)
    frame = pd.DataFrame({"a": values, "b": range(5), "c": pd.Series(["x"] * 5, dtype="str")})
    written = encodable_texts(frame)
    assert written["a"].tolist() == ["half ?", None, 3, True, ["\ud800"]]
    pd.testing.assert_frame_equal(written[["b", "c"]], frame[["b", "c"]])
    assert frame["a"].iloc[0] == "half \ud800", "the table given stays as it was"


def test_a_value_in_a_message() -> None:
    assert shown("two\nlines") == r"'two\nlines'"
    assert shown({"a": [1, 2]}) == "{'a': [1, 2]}"
    assert shown("x" * 100) == "'" + "x" * 76 + "..."
    assert len(shown("x" * 1_000_000)) == 80
