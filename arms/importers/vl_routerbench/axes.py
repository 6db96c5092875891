"""The names along the two axes of the arrays: sample ids and VLMs, from any file that says them but a pickle."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arms.errors import ArmsError
from arms.importers.rows.json_files import read_json
from arms.importers.rows.packed import open_unpacked
from arms.importers.rows.reader import open_table
from arms.importers.rows.table import UnreadableError, cell_text
from arms.importers.set_aside import SetAside
from arms.importers.vl_routerbench.arrays import read_arrays, texts_of

_LONGEST = 2**28  # bytes of a list of names


@dataclass(frozen=True)
class Axis:
    """What the names along one axis may be kept in.

    Attributes
    ----------
    noun : str
    in_archive : tuple of str
        Names of arrays beside the numbers.
    stems : tuple of str
        Names of files without their endings, the first that is there counts.
    key : str
        Of what a record in a table or a list of objects is called.
    """

    noun: str
    in_archive: tuple[str, ...]
    stems: tuple[str, ...]
    key: str


SAMPLES = Axis("sample ids", ("sample_ids",), ("sample_ids", "sample_index", "meta"), "sample_id")
VLMS = Axis("VLMs", ("model_names", "models"), ("model_names", "models", "model_index"), "name")


def read_axis(axis: Axis, length: int, archive: Path, folders: Sequence[Path], flag: str) -> list[str]:
    """The names along an axis.

    Parameters
    ----------
    axis : Axis
    length : int
        How many there must be.
    archive : Path
        The file of the numbers, which may hold the names too.
    folders : sequence of Path
        Where files of names may lie.
    flag : str
        Names the file of them, for messages.

    Raises
    ------
    ArmsError
        If no file says them, such as where only a pickle does, or one says others than are needed.
    """
    if archive.suffix == ".npz":
        arrays = read_arrays(archive)
        for name in axis.in_archive:
            if name in arrays:
                return check_names(texts_of(arrays[name]), axis, length, archive)
    for path in _candidates(axis, folders):
        names = read_names(path, axis)
        return check_names(names, axis, length, path)
    raise _missing(axis, archive, folders, flag)


def read_names(path: Path, axis: Axis) -> list[Any]:
    """The names in one file; an ArmsError if it is a pickle or none that is known."""
    if path.suffix in (".pkl", ".pickle"):
        raise ArmsError(_refuse_pickle(path))
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise ArmsError(f"{path}: expected {axis.noun} in {', '.join(_READERS)}, got {path.suffix or 'no ending'}")
    return reader(path, axis)


def _candidates(axis: Axis, folders: Sequence[Path]) -> Iterator[Path]:
    for stem in axis.stems:
        for folder in folders:
            for suffix in _READERS:
                path = folder / f"{stem}{suffix}"
                if path.exists():
                    yield path


def check_names(names: Sequence[Any], axis: Axis, length: int, path: Path) -> list[str]:
    """The names as texts; an ArmsError if they are not as many as there are rows or columns, or not distinct."""
    texts = [cell_text(name) or "" for name in names]
    if len(texts) != length:
        raise ArmsError(
            f"{path}: expected {length:,} {axis.noun}, as the array has, got {len(texts):,}; use one version"
        )
    for text, count in Counter(texts).items():
        if not text.strip() or not text.isprintable() or count > 1:
            raise ArmsError(
                f"{path}: expected {axis.noun} that are texts on one line, each once, got {text!r}, {count} times"
            )
    return texts


def _missing(axis: Axis, archive: Path, folders: Sequence[Path], flag: str) -> ArmsError:
    pickles = [folder / f"{stem}.pkl" for stem in axis.stems for folder in folders]
    there = next((path for path in pickles if path.exists()), None)
    if there is not None:
        return ArmsError(_refuse_pickle(there))
    files = " or ".join(f"{stem}{suffix}" for stem in axis.stems[:2] for suffix in (".json", ".txt"))
    looked = ", ".join(map(str, folders))
    return ArmsError(
        f"{archive}: expected its {axis.noun} in {files}, in {looked}, got none of these: an array has no names; write "
        f"them, one on each line and in the array's order, and name the file: {flag}"
    )


def _refuse_pickle(path: Path) -> str:
    target = path.with_suffix(".json")
    code = (
        f"import json, pickle; names = pickle.load(open({path.name!r}, 'rb')); "
        f"json.dump(list(map(str, names)), open({target.name!r}, 'w'))"
    )
    return (
        f"{path}: expected names in .json, .txt or .npy, got a pickle, which is never loaded, as it can run code; if "
        f"you trust where it comes from, convert it yourself, in {path.parent}: python -c {shlex.quote(code)}"
    )


def _from_json(path: Path, axis: Axis) -> list[Any]:
    """A list of names or of records, alone or as the only list in an object."""
    content = read_json(path, (list, dict))
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        if len(lists) != 1:
            raise UnreadableError(f"{path}: expected a list of {axis.noun}, got an object with {len(lists)} lists")
        content = lists[0]
    return [one.get(axis.key) if isinstance(one, dict) else one for one in content]


def _from_lines(path: Path, axis: Axis) -> list[Any]:
    try:
        with open_unpacked(path) as stream:
            text = stream.read(_LONGEST).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path}: expected a name on each line, could not read it: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _from_table(path: Path, axis: Axis) -> list[Any]:
    aside = SetAside()
    with open_table(path, aside) as table:
        if axis.key not in (table.columns or ()):
            raise UnreadableError(f"{path}: expected a column {axis.key}, got {', '.join((table.columns or ())[:20])}")
        names = [cells[axis.key] for _, cells in table.rows([axis.key])]
    if aside.count:
        raise UnreadableError(f"{path}: expected every row to be whole, as the array is in their order\n{aside.text()}")
    return names


def _from_array(path: Path, axis: Axis) -> list[Any]:
    array = read_arrays(path)[""]
    return texts_of(array.astype(str) if array.dtype.kind in "SU" else array.astype(np.int64).astype(str))


_READERS: dict[str, Callable[[Path, Axis], list[Any]]] = {
    ".json": _from_json,
    ".txt": _from_lines,
    ".npy": _from_array,
    ".parquet": _from_table,
    ".csv": _from_table,
}
