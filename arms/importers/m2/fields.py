"""The fields of M2's records: what they hold, how they may be spelled, and that one says it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.importers.texts import shown

Fields = Mapping[str, Sequence[str]]  # by what they hold: the fields that may hold it

FIELDS: dict[str, tuple[str, ...]] = {  # the names in M2 itself are not published
    "query_id": ("id", "query_id"),
    "benchmark": ("benchmark", "source", "dataset"),
    "task": ("task",),
    "language": ("language",),
    "question": ("question", "text", "query"),
    "image": ("image", "image_path"),
    "answer": ("ground_truth", "answer", "target"),
    "vlm": ("vlm", "model"),
    "grade": ("label", "correct"),
    "output": ("output", "response", "answer_text"),
    "cost_usd": ("cost", "cost_usd"),
    "latency_s": ("latency", "latency_s"),
}

_FLAGS = {"query_id": "id", "answer": "ground-truth", "grade": "label", "cost_usd": "cost", "latency_s": "latency"}


class UnreadableError(ArmsError):
    """A file that is damaged, or not of its kind."""


def flag(held: str) -> str:
    """The flag that names a field."""
    return f"--{_FLAGS.get(held, held)}-field"


def present(path: Path, names: Sequence[str], fields: Fields, required: Sequence[str]) -> dict[str, list[str]]:
    """The fields that a file has, by what they hold; an ArmsError if a required one is missing or stands twice."""
    found = {held: [name for name in of_held if name in names] for held, of_held in fields.items()}
    for held in required:
        if not found[held]:
            listed = ", ".join(repr(name[:60]) for name in names[:40]) or "none"
            raise ArmsError(
                f"{path}: expected a field {' or '.join(map(repr, fields[held]))}, got {listed}; say which one it is: "
                f"{flag(held)}"
            )
    for name in (name for of_held in found.values() for name in of_held):
        if names.count(name) > 1:
            raise ArmsError(f"{path}: expected one field {name!r}, got {names.count(name)}; rename all but one")
    return {held: of_held for held, of_held in found.items() if of_held}


def pick(record: Mapping[str, Any], names: Sequence[str], held: str, where: str) -> Any:
    """What a record says in the first of some fields; an ArmsError if another one says something else."""
    values = [(name, record[name]) for name in names if record.get(name) is not None]
    if not values:
        return None
    first, value = values[0]
    for other, other_value in values[1:]:
        if other_value != value:
            raise ArmsError(
                f"{where}: expected one of the fields {first!r} and {other!r}, or both the same, got {shown(value)} "
                f"and {shown(other_value)}; say which one it is: {flag(held)}"
            )
    return value
