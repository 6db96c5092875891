"""Paths into what nests, such as `doc.question` or `choices[0].text`."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

_STEP = re.compile(r"\[(\d{1,9})\]|\.?([^.\[\]]+)")  # a place in a list, or a key


@cache
def split_path(path: str) -> tuple[str | int, ...]:
    """The keys of objects and the places in lists, from 0, that a path leads through; the text itself if it is none."""
    steps: list[str | int] = []
    end = 0
    while found := _STEP.match(path, end):
        steps.append(int(found[1]) if found[1] is not None else found[2])
        end = found.end()
    is_whole = end == len(path) and bool(steps) and isinstance(steps[0], str) and not path.startswith(".")
    return tuple(steps) if is_whole else (path,)


def is_path(name: str) -> bool:
    """Whether a column's name may be a path, too."""
    return len(split_path(name)) > 1


def head_of(path: str) -> str:
    """The column in which a path begins: `choices` of `choices[0].text`."""
    return str(split_path(path)[0])


def follow(value: Any, path: str, missing: Any = None) -> Any:
    """What is at the end of a path; `missing` where it leads nowhere."""
    for step in split_path(path):
        if not isinstance(value, Mapping | list):
            return missing
        try:
            value = value[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):  # a list has no keys
            return missing
    return value
