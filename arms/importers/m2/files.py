"""M2's records in one file, JSON Lines or Parquet, as a table of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from arms.importers.base import Intake
from arms.importers.m2.fields import Fields
from arms.importers.m2.lines import read_lines
from arms.importers.m2.parquet import read_parquet

SUFFIXES = (".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True, eq=False)
class Records:
    """The records of one file.

    Attributes
    ----------
    path : Path
    fields : dict of str to str
        What was read, by what it holds.
    unread : tuple of str
        The other fields.
    table : Table
        A column of `csv.file.TEXT` for each of `fields`, and `row`, the line or row of the file.
    """

    path: Path
    fields: dict[str, str]
    unread: tuple[str, ...]
    table: pa.Table


def read_records(path: Path, fields: Fields, required: Sequence[str], intake: Intake) -> Records:
    """Read one file; images that are in it are taken in.

    Parameters
    ----------
    path : Path
        Parquet if it is called .parquet, else JSON Lines.
    fields : mapping of str to sequence of str
        By what they hold, the fields that may hold it.
    required : sequence of str
        What must be there.
    intake : Intake

    Raises
    ------
    UnreadableError
        If the file cannot be read.
    ArmsError
        If a required field is missing, or two fields hold different things where one is expected.
    """
    read = read_parquet if path.suffix.lower() == ".parquet" else read_lines
    tables, names = read(path, fields, required, intake)
    found = {held: [name for name in of_held if name in names] for held, of_held in fields.items()}
    found = {held: of_held for held, of_held in found.items() if of_held}
    used = {name for of_held in found.values() for name in of_held}
    empty = pa.table({"row": pa.array([], pa.int64())})
    together = pa.concat_tables([table.select([*found, "row"]) for table in tables]) if tables else empty
    unread = tuple(name for name in names if name not in used)
    return Records(path, {held: " or ".join(of_held) for held, of_held in found.items()}, unread, together)
