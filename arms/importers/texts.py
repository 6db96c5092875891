"""Values of a log as text that a table, a report and a terminal can hold."""

import json
import math
from typing import Any

import pandas as pd

# A row of its own after a table's last one: where it ends up inside another row, a quote was left open.
END = "\x1a" * 8

_SHORT = 80  # characters of a value in a message


def as_text(value: Any) -> str | None:
    """A value of a log as text: lists and mappings as JSON; null where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list | dict | bool):
        return encodable(json.dumps(value, ensure_ascii=False, default=str))
    return encodable(str(value))


def encodable(text: str) -> str:
    """The text with halves of surrogate pairs, which file names and JSON can hold and UTF-8 cannot, replaced by '?'."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def encodable_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with every text `encodable`, those in tuples too; all else stays."""
    frame = frame.copy(deep=False)
    for column in frame:
        if pd.api.types.is_object_dtype(frame[column].dtype):  # a column of only texts cannot hold those halves
            frame[column] = pd.Series(map(_encodable, frame[column]), index=frame.index, dtype=object)
    return frame


def _encodable(value: Any) -> Any:
    """A text, or the texts of a tuple, `encodable`; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(_encodable, value))
    return encodable(value) if isinstance(value, str) else value


def shown(value: Any) -> str:
    """A value on one short line, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."
