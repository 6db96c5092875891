"""The rows of one file as columns of text, each distinct text held once; images are taken in on the way."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from arms.errors import ArmsError
from arms.importers.base import Intake
from arms.importers.records.image_cells import ImageCells
from arms.importers.records.plan import Plan
from arms.importers.rows.packed import suffix_of
from arms.importers.rows.paths import follow, head_of, is_path
from arms.importers.rows.reader import open_table
from arms.importers.rows.table import Table, cell_text
from arms.importers.set_aside import SetAside
from arms.importers.texts import as_text, encodable, shown

TEXT = pa.dictionary(pa.int32(), pa.large_string())

_CHUNK = 4_000  # rows that are held as objects; of more the garbage collector takes longer
_TEXTS_ONLY = ("question", "vlm")
_NOWHERE = object()  # where a path leads
_WHOLE = (".json", ".xlsx")  # files whose columns cost as much as their rows


@dataclass(frozen=True, eq=False)
class Sheet:
    """A file and what is known of it.

    Attributes
    ----------
    path : Path
    columns : tuple of str, or None
        None: not known before the rows are read. Those that nest are named by their paths too, as far as the plan does.
    delimiter : str
        Of a text file.
    table : Table or None
        Once it is read: by what it holds, a column of `TEXT`, and `row`, the place of each row.
    vlm : str or None
        The one VLM whose outcomes the file holds, as its name says; `table` then has the column `vlm`.
    """

    path: Path
    columns: tuple[str, ...] | None
    delimiter: str = ""
    table: pa.Table | None = None
    vlm: str | None = None

    def having(self, names: Sequence[str]) -> list[str]:
        """Which of some columns the file has."""
        return [name for name in names if name in (self.columns or ())]


def look_into(path: Path, plan: Plan) -> Sheet:
    """A file's columns, as far as they are known before its rows are read."""
    if suffix_of(path) in _WHOLE and plan.others_are is None:
        return Sheet(path, None, vlm=_vlm_of(path, plan))
    with _open(path, plan, SetAside()) as table:
        return _sheet_of(table, plan)


def collect(path: Path, plan: Plan, intake: Intake) -> Sheet:
    """Read what a plan may want of a file.

    Raises
    ------
    UnreadableError
        If the file cannot be read.
    ArmsError
        If a column is there twice, or two columns say different things where one is expected.
    """
    with _open(path, plan, intake.aside) as table:
        sheet = _sheet_of(table, plan)
        is_known = table.columns is not None
        wanted = {held: sheet.having(names) if is_known else names for held, names in plan.wanted.items()}
        collector = _Collector(plan, intake, wanted, tracks=not is_known)
        heads = {_head(name, table) for names in wanted.values() for name in names}
        is_sheet = suffix_of(path) == ".xlsx"
        for where, cells in table.rows(heads):
            collector.add(where, {name: cell_text(cell) for name, cell in cells.items()} if is_sheet else cells)
        texts = collector.table()
        if sheet.vlm is not None:
            texts = _named(texts, encodable(sheet.vlm))
        return replace(sheet, columns=sheet.columns if is_known else tuple(collector.seen), table=texts)


def encode(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Texts as `TEXT`."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    return texts.cast(pa.large_string()).dictionary_encode().cast(TEXT)


def _open(path: Path, plan: Plan, aside: SetAside) -> AbstractContextManager[Table]:
    known = suffix_of(path) in plan.suffixes or plan.others_are is None
    return open_table(path, aside, dialect=plan.dialect, suffix=None if known else plan.others_are, rows=plan.rows)


def _sheet_of(table: Table, plan: Plan) -> Sheet:
    """A file's columns, and the paths into them that the plan names."""
    if table.columns is None:
        return Sheet(table.path, None, vlm=_vlm_of(table.path, plan))
    paths = {name for names in plan.wanted.values() for name in names if is_path(name)}
    nested = [name for name in sorted(paths - {*table.columns}) if head_of(name) in table.columns]
    return Sheet(table.path, (*table.columns, *nested), table.delimiter, vlm=_vlm_of(table.path, plan))


def _named(texts: pa.Table, vlm: str) -> pa.Table:
    """The table with a VLM in every row, unless it has a column of VLMs, which `lay_out` refuses."""
    if "vlm" in texts.column_names:
        if texts["vlm"].null_count < len(texts):
            return texts
        texts = texts.drop_columns("vlm")  # of JSON Lines, where nobody knew before that there is none
    return texts.append_column("vlm", encode(pa.array([vlm] * len(texts), pa.large_string())))


def _vlm_of(path: Path, plan: Plan) -> str | None:
    """The VLM that a file's name names, if the user said where."""
    return None if plan.vlm_pattern is None else plan.vlm_pattern.find(path)


def _head(name: str, table: Table) -> str:
    """The column that holds what a name or path leads to."""
    return name if name in (table.columns or ()) else head_of(name)


class _Collector:
    """Takes rows one by one, and keeps some thousands as objects before they become columns."""

    def __init__(self, plan: Plan, intake: Intake, wanted: Mapping[str, Sequence[str]], *, tracks: bool) -> None:
        self.seen: dict[str, None] = {}  # columns of the rows, if they have to be known from these
        self._tracks = tracks
        self._plan = plan
        self._intake = intake
        self._names = {held: names for held, names in wanted.items() if names}
        self._held = list(self._names)
        self._image = self._held.index("image") if "image" in self._names else None
        self._images = ImageCells(intake.images)
        self._paths = {name for names in self._names.values() for name in names if is_path(name)}
        flat = [names[0] for names in self._names.values() if len(names) == 1]
        self._flat = flat if len(flat) == len(self._names) and not self._paths else None  # one plain column for each
        self._wheres: list[str] = []
        self._rows: list[list[Any]] = []
        self._tables: list[pa.Table] = []

    def add(self, where: str, cells: Mapping[str, Any]) -> None:
        """Take a row; it is set aside if its images are something else."""
        if self._tracks:
            self.seen.update(dict.fromkeys(cells))
        if self._flat is not None:
            values = list(map(cells.get, self._flat))
        else:
            values = [
                None if held == "image" and self._plan.joins_images else self._pick(cells, names, held, where)
                for held, names in self._names.items()
            ]
        if self._image is not None:
            try:
                values[self._image] = self._image_of(cells, values[self._image])  # at once: images can be large
            except ArmsError as error:
                self._set_aside(where, error)
                return
        self._wheres.append(where)
        self._rows.append(values)
        if len(self._rows) == _CHUNK:
            self._flush()

    def table(self) -> pa.Table:
        """All rows as columns."""
        self._flush()
        return pa.concat_tables(self._tables)

    def _image_of(self, cells: Mapping[str, Any], value: Any) -> str | None:
        """What a row says of its images, in one column or in several, one after the other."""
        if not self._plan.joins_images:
            return self._images.of(value)
        names = self._names["image"]
        return self._images.of_columns([self._cell(cells, one) for one in names])

    def _pick(self, cells: Mapping[str, Any], names: Sequence[str], held: str, where: str) -> Any:
        """What a row says in the first of some columns; an ArmsError if another one says something else."""
        found: dict[str, Any] = {}
        for name in names:
            value = self._cell(cells, name)
            if value is not None:
                found[name] = value
        if len(found) > 1:
            (first, value), *others = found.items()
            for other, other_value in others:
                if other_value != value:
                    raise ArmsError(
                        f"{where}: expected one of the {self._plan.noun}s {first!r} and {other!r}, or both the same, "
                        f"got {shown(value)} and {shown(other_value)}; say which one it is: {self._plan.flags[held]}"
                    )
        return next(iter(found.values()), None)

    def _cell(self, cells: Mapping[str, Any], name: str) -> Any:
        """What is in a column, or at the end of a path."""
        if name in cells or name not in self._paths:
            return cells.get(name)
        value = follow(cells, name, _NOWHERE)
        if value is _NOWHERE:
            return None
        self.seen.setdefault(name)
        return value

    def _flush(self) -> None:
        """Turn the rows held as objects into columns; a row without text where it has to be text is set aside."""
        usable = np.ones(len(self._rows), dtype=bool)
        lists = zip(*self._rows, strict=True) if self._rows else [()] * len(self._held)
        columns = {
            held: self._column(held, list(values), usable) for held, values in zip(self._held, lists, strict=True)
        }
        columns["row"] = pa.array(map(encodable, self._wheres), pa.large_string())  # names of files may be no UTF-8
        self._tables.append(pa.table(columns).filter(pa.array(usable, pa.bool_())))
        self._wheres, self._rows = [], []

    def _column(self, held: str, values: list[Any], usable: np.ndarray) -> pa.Array:
        """Values as texts; `usable` becomes false where that cannot be done."""
        try:
            return encode(pa.array(values, pa.large_string()))
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):  # not all are texts that can be written
            texts = []
        for index, value in enumerate(values):
            if held in _TEXTS_ONLY and not (value is None or isinstance(value, str)):
                if usable[index]:
                    error = ArmsError(f"expected the {held} as text, got {shown(value)}")
                    self._set_aside(self._wheres[index], error)
                usable[index] = False
                value = None
            texts.append(as_text(value))
        return encode(pa.array(texts, pa.large_string()))

    def _set_aside(self, where: str, error: ArmsError) -> None:
        self._intake.aside.add("record that cannot be used", where, "correct it", detail=str(error))
