"""Damage to JSON and JSON Lines that stays JSON: nodes deleted, replaced by other values, moved, renamed."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.importers.damage.files import write
from tests.importers.damage.values import DEEP, json_value

Place = tuple[Any, Any]  # a list or mapping, and an index or key in it


def delete_node(path: Path, rng: Random) -> None:
    _change(path, rng, _delete)


def replace_node(path: Path, rng: Random) -> None:
    _change(path, rng, lambda place, places, rng: _put(place, json_value(rng)))


def replace_leaf(path: Path, rng: Random) -> None:
    """One that holds no others, of which there are more and which say more."""
    _change(path, rng, lambda place, places, rng: _put(place, json_value(rng)), leaves=True)


def replace_alike(path: Path, rng: Random) -> None:
    """Every node of one key, as another version of the tool would write it."""

    def change(place: Place, places: list[Place], rng: Random) -> None:
        new = json_value(rng)
        for other in places:
            if other[1] == place[1]:
                _put(other, new)

    _change(path, rng, change, whole_file=True)


def copy_node(path: Path, rng: Random) -> None:
    """A node takes the place of another one."""
    _change(path, rng, lambda place, places, rng: _put(place, _at(rng.choice(places))))


def duplicate_node(path: Path, rng: Random) -> None:
    """In its list, where it stands in one, with a change inside."""

    def change(place: Place, places: list[Place], rng: Random) -> None:
        lists = [one for one in places if isinstance(one[0], list)]
        if lists:
            owner, index = rng.choice(lists)
            twin = json.loads(json.dumps(owner[index]))
            owner.insert(rng.randrange(len(owner) + 1), twin)
            inner = _places(twin)
            if inner and rng.random() < 0.7:
                _put(rng.choice(inner), json_value(rng))

    _change(path, rng, change)


def rename_key(path: Path, rng: Random) -> None:
    def change(place: Place, places: list[Place], rng: Random) -> None:
        owner, key = place
        if isinstance(owner, dict):
            owner[rng.choice(["", "x", key.upper(), f"{key}s", "id", "score", "\ud800", "image"])] = owner.pop(key)

    _change(path, rng, change)


def _change(
    path: Path,
    rng: Random,
    change: Callable[[Place, list[Place], Random], None],
    *,
    leaves: bool = False,
    whole_file: bool = False,
) -> None:
    """Change one node of a file, or of one line of JSON Lines."""
    text = path.read_bytes().decode("utf-8", "replace")
    parts = text.splitlines() if path.suffix == ".jsonl" else [text]
    chosen = range(len(parts)) if whole_file else [rng.randrange(len(parts))] if parts else []
    state = rng.getstate()
    for number in chosen:
        try:
            root = [json.loads(parts[number])]
        except (ValueError, RecursionError):  # damaged before
            continue
        places = _places(root)
        if leaves:
            places = [place for place in places if not isinstance(_at(place), list | dict)] or places
        rng.setstate(state)  # the same change in every line
        change(rng.choice(places), places, rng)
        parts[number] = _written(root[0], rng) if root else ""
    write(path, "\n".join(parts).encode("utf-8", "surrogatepass"))


def _places(root: Any) -> list[Place]:
    """Every place below a value, in a fixed order."""
    found: list[Place] = []
    stack = [root]
    while stack:
        owner = stack.pop()
        inside = enumerate(owner) if isinstance(owner, list) else owner.items() if isinstance(owner, dict) else ()
        for key, value in inside:
            found.append((owner, key))
            stack.append(value)
    return found


def _at(place: Place) -> Any:
    owner, key = place
    try:
        return owner[key]
    except (KeyError, IndexError):  # deleted by now
        return None


def _put(place: Place, value: Any) -> None:
    owner, key = place
    owner[key] = json.loads(json.dumps(value))  # a copy, so that nothing ends up inside itself


def _delete(place: Place, places: list[Place], rng: Random) -> None:
    owner, key = place
    del owner[key]


def _written(value: Any, rng: Random) -> str:
    """As JSON, escaped or not."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    depth = rng.choice([50, 500, 890, 100_000])
    return text.replace(json.dumps(DEEP), rng.choice(["[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth]))
