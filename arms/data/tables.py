"""The outcome-table contract: the columns of a dataset folder, read, checked for type, and written."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from arms.data.parquet import read_parquet, write_parquet
from arms.data.profiles import VlmProfile, check_distinct_names, read_vlms, write_vlms
from arms.errors import ArmsError

logger = logging.getLogger(__name__)

Kind = Literal["text", "texts", "number", "verdict"]
VLMS_FILE = "vlms.yaml"


@dataclass(frozen=True, slots=True)
class TableFormat:
    """The columns of one Parquet file and what each holds.

    `older` names columns that older files have instead: of one text, where now there is a list of texts.
    """

    file: str
    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)
    older: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Kind]:
        """Every known column, in the order in which tables are written."""
        return {**self.required, **self.optional}


QUERIES = TableFormat(
    "queries.parquet",
    {
        "query_id": "text",
        "benchmark": "text",
        "task": "text",
        "language": "text",
        "question": "text",  # may be empty where there is an image
        "images": "texts",  # paths relative to the dataset's folder; an empty list: none was sent; null: unknown
        "answer": "text",  # null where unknown
    },
    {
        "group": "text",  # queries of one group stay on one side of a split; null: in no group
        "split": "text",  # train, val, id or ood, as published
    },
    older={"images": "image"},
)
OUTCOMES = TableFormat(
    "outcomes.parquet",
    {"query_id": "text", "vlm": "text", "correct": "verdict"},
    {  # null where unknown
        "output": "text",
        "cost_usd": "number",
        "latency_s": "number",
        "score": "number",  # how good the answer was, in [0, 1], where more is known than right or wrong
        "propensity": "number",  # the chance with which whoever logged this asked this VLM, in (0, 1]
    },
)
PROBABILITIES = TableFormat(
    "probabilities.parquet",
    {"query_id": "text", "vlm": "text", "probability": "number"},  # in [0, 1]
)

# What pandas' infer_dtype calls the values that a column of each kind may hold. A verdict column may hold mixed values,
# so that validation can set aside only the rows that are not a verdict.
_ACCEPTED: dict[Kind, tuple[str, ...]] = {
    "text": ("string",),
    "number": ("floating", "integer", "mixed-integer-float", "decimal"),
    "verdict": ("boolean", "integer", "floating", "mixed-integer-float", "mixed-integer", "mixed"),
}
_EXPECTED: dict[Kind, str] = {
    "text": "text (a string column)",
    "texts": "lists of texts (a list<string> column)",
    "number": "numbers (a float column)",
    "verdict": "true or false (a bool column, or integers 0 and 1)",
}


@dataclass(frozen=True, slots=True)
class Shares:
    """The numbers from 0 to 1, with or without 0 itself."""

    with_zero: bool

    def hold(self, numbers: Any) -> Any:
        """Which of some numbers, in a series or an array, are among them; NaN never is."""
        return ((numbers >= 0) if self.with_zero else (numbers > 0)) & (numbers <= 1)

    def __str__(self) -> str:
        return "[0, 1]" if self.with_zero else "(0, 1]"


SHARES = {"score": Shares(with_zero=True), "propensity": Shares(with_zero=False)}  # columns of `OUTCOMES`


@dataclass(frozen=True, eq=False)
class OutcomeTables:
    """Recorded outcomes: which VLM was right on which query.

    Attributes
    ----------
    folder : Path
        What the paths in `images` are relative to.
    queries : DataFrame
        The columns of `QUERIES` (the optional ones where known), one row per query.
    outcomes : DataFrame
        The columns of `OUTCOMES` (the optional ones where known), one row per query and VLM; a pair without a row is
        unknown.
    vlms : tuple of VlmProfile
    probabilities : DataFrame or None
        The columns of `PROBABILITIES`: the simulator's true chance of being right. None for recorded data.
    """

    folder: Path
    queries: pd.DataFrame
    outcomes: pd.DataFrame
    vlms: tuple[VlmProfile, ...]
    probabilities: pd.DataFrame | None = None


def read_dataset(folder: str | Path) -> OutcomeTables:
    """Read a dataset folder, checking files, columns and column types but not the rows (see `validation.validate`).

    Parameters
    ----------
    folder : str or Path
        Holds queries.parquet, outcomes.parquet, vlms.yaml and, if simulated, probabilities.parquet.

    Returns
    -------
    OutcomeTables
        Texts as pandas `str`, lists of texts as tuples, numbers as float64; `correct` as bool, as nullable boolean if
        any is null, or unchanged if any value is not a verdict.

    Raises
    ------
    ArmsError
        If the folder, a file or a column is missing or of the wrong type, or a probability is out of [0, 1].
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArmsError(
            f"{folder}: expected a dataset folder with {QUERIES.file}, {OUTCOMES.file} and {VLMS_FILE}, "
            f"got {'a file' if folder.exists() else 'no such folder'}"
        )
    simulated = (folder / PROBABILITIES.file).exists()
    return OutcomeTables(
        folder=folder,
        queries=read_table(folder / QUERIES.file, QUERIES),
        outcomes=read_table(folder / OUTCOMES.file, OUTCOMES),
        vlms=read_vlms(folder / VLMS_FILE),
        probabilities=read_probabilities(folder / PROBABILITIES.file) if simulated else None,
    )


def write_dataset(dataset: OutcomeTables, folder: str | Path) -> None:
    """Write a dataset's tables and profiles, not its images; the same dataset gives the same bytes.

    Each file appears whole or not at all, and the folder's other files stay. For a folder that appears whole, images
    included, write into an `atomic_folder`.

    Parameters
    ----------
    dataset : OutcomeTables
    folder : str or Path
        Made where missing. An older probabilities.parquet is removed if `dataset` has none.

    Raises
    ------
    ArmsError
        If a column is missing or of the wrong type, VLM names repeat, or a probability is out of [0, 1].
    """
    dataset = conform_dataset(dataset)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(dataset.queries, folder / QUERIES.file)
    write_table(dataset.outcomes, folder / OUTCOMES.file)
    write_vlms(dataset.vlms, folder / VLMS_FILE)
    if dataset.probabilities is None:
        (folder / PROBABILITIES.file).unlink(missing_ok=True)
    else:
        write_table(dataset.probabilities, folder / PROBABILITIES.file)


def conform_dataset(dataset: OutcomeTables) -> OutcomeTables:
    """The dataset with its tables as `read_dataset` gives them; the same errors, for tables made in memory."""
    folder = Path(dataset.folder)
    check_distinct_names(dataset.vlms, folder / VLMS_FILE)
    probabilities = dataset.probabilities
    if probabilities is not None:
        probabilities = conform(probabilities, PROBABILITIES, folder / PROBABILITIES.file)
        _check_probabilities(probabilities, folder / PROBABILITIES.file)
    return OutcomeTables(
        folder=folder,
        queries=conform(dataset.queries, QUERIES, folder / QUERIES.file),
        outcomes=conform(dataset.outcomes, OUTCOMES, folder / OUTCOMES.file),
        vlms=tuple(dataset.vlms),
        probabilities=probabilities,
    )


def read_table(path: Path, table: TableFormat) -> pd.DataFrame:
    """Read one Parquet file in the given format; an ArmsError names the file, the column, and what was expected."""
    expected = f"a Parquet file with columns {', '.join(table.required)}"
    content = read_parquet(path, expected, "write it again")
    try:
        # Column by column, each let go once it is converted: a large table is not held twice.
        frame = content.to_pandas(ignore_metadata=True, split_blocks=True, self_destruct=True)
    except (pa.ArrowException, ValueError, OverflowError) as error:  # such as dates beyond those that pandas holds
        raise ArmsError(f"{path}: expected {expected}, could not read it: {error}") from error
    return conform(frame, table, path)


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, whole or not at all, without what varies between runs (index, pandas' metadata)."""
    content = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    for place, column in enumerate(content.schema):
        if column.type == pa.list_(pa.null()):  # as Arrow takes lists that are all empty
            texts = column.with_type(pa.list_(pa.string()))
            content = content.set_column(place, texts, content.column(place).cast(texts.type))
    write_parquet(content, path)


def read_probabilities(path: Path) -> pd.DataFrame:
    """Read probabilities.parquet; an ArmsError if a pair repeats or a value is missing or out of [0, 1]."""
    probabilities = read_table(path, PROBABILITIES)
    _check_probabilities(probabilities, path)
    return probabilities


def conform(frame: pd.DataFrame, table: TableFormat, where: str | Path) -> pd.DataFrame:
    """The table's known columns in their order and types; extra ones are left out with a warning in the log.

    Parameters
    ----------
    frame : DataFrame
    table : TableFormat
    where : str or Path
        Opens the error messages.

    Raises
    ------
    ArmsError
        If a required column is missing or a column holds something else than its kind.
    """
    known = [*table.columns, *table.older.values()]
    if len(repeated := frame.columns[frame.columns.duplicated()].intersection(known)):
        raise ArmsError(f"{where}: expected each column once, got several called {repeated[0]!r}")
    frame = _with_lists(frame, table.older, where)
    for column in table.required:
        if column not in frame:
            raise ArmsError(
                f"{where}: column {column!r} is missing; expected {', '.join(table.required)}, "
                f"got {', '.join(map(str, frame.columns)) or 'no columns'}"
            )
    extra = [str(column) for column in frame if column not in table.columns]
    if extra:
        logger.warning("%s: left out unknown columns %s; known: %s", where, ", ".join(extra), ", ".join(table.columns))
    kept = {name: _conform_column(frame[name], kind, where) for name, kind in table.columns.items() if name in frame}
    return pd.DataFrame(kept, copy=False).reset_index(drop=True)


def is_in(column: pd.Series, names: Sequence[str] | pd.Series) -> np.ndarray:
    """Which texts are among `names`, as a bool array; null never is.

    Arrow's own search: `Series.isin` on texts turns the names into Python strings one by one, seconds for a million.
    """
    among = pa.array(names, type=pa.large_string(), from_pandas=True)
    texts = pa.array(column, type=pa.large_string(), from_pandas=True)
    return pc.is_in(texts, value_set=among, skip_nulls=True).to_numpy(zero_copy_only=False)


def places_in(column: pd.Series, names: Sequence[str] | pd.Series) -> np.ndarray:
    """The position of each text in `names`, an int32 array; -1 for null and for one that is not there.

    Arrow's own search, as in `is_in`: pandas' would turn the column into Python strings, a gigabyte for ten million.
    """
    among = pa.array(names, type=pa.large_string(), from_pandas=True)
    texts = pa.array(column, type=pa.large_string(), from_pandas=True)
    places = pc.index_in(texts, value_set=among, skip_nulls=True)
    return pc.fill_null(places, -1).to_numpy(zero_copy_only=False)


def parse_verdicts(column: pd.Series) -> pd.Series:
    """`correct` as nullable boolean: true or 1, false or 0, and null for anything else."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.astype("boolean")
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.where(column.isin([0, 1])).astype("boolean")
    return column.map(lambda value: bool(value) if _is_verdict(value) else None).astype("boolean")


def _with_lists(frame: pd.DataFrame, older: Mapping[str, str], where: str | Path) -> pd.DataFrame:
    """The table with lists of one text, where it has a column of these texts instead; null stays null."""
    for column, before in older.items():
        if before in frame and column not in frame:
            texts = _conform_column(frame[before], "text", where)
            lists = texts.map(lambda text: (text,), na_action="ignore").astype(object)
            frame = frame.rename(columns={before: column}).assign(**{column: lists})
    return frame


def _conform_column(column: pd.Series, kind: Kind, where: str | Path) -> pd.Series:
    """One column in the type of its kind; an ArmsError if it holds something else."""
    if kind == "texts":
        return _conform_lists(column, where)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found not in _ACCEPTED[kind] and not column.isna().all():
        raise ArmsError(f"{where}, column {column.name!r}: expected {_EXPECTED[kind]}, got {found} ({column.dtype})")
    if kind == "text":
        return column.astype("str")
    if kind == "number":
        return column.astype("float64")
    verdicts = parse_verdicts(column)
    if (verdicts.isna() & column.notna()).any():
        # Values of several types in one column cannot be compared or written, so what is not a verdict becomes text.
        return column if found not in ("mixed", "mixed-integer") else column.map(_verdict_or_text, na_action="ignore")
    return verdicts if verdicts.isna().any() else verdicts.astype(bool)


def _conform_lists(column: pd.Series, where: str | Path) -> pd.Series:
    """A column of lists of texts, as tuples, equal ones held once; null stays null."""
    held: dict[tuple[str, ...] | None, tuple[str, ...] | None] = {}
    lists = [held.setdefault(texts, texts) for texts in map(_texts_in, column)]
    for row, (value, texts) in enumerate(zip(column, lists, strict=True)):
        if texts is None and not (pd.api.types.is_scalar(value) and pd.isna(value)):
            raise ArmsError(
                f"{where}, column {column.name!r}: expected {_EXPECTED['texts']}, got {value!r:.60} in row {row}"
            )
    return pd.Series(lists, index=column.index, name=column.name, dtype=object)


def _texts_in(value: object) -> tuple[str, ...] | None:
    """The texts of a list, a null one as an empty text; None if the value is no list of texts."""
    if not isinstance(value, tuple | list | np.ndarray):
        return None
    texts = tuple("" if text is None else text for text in value)
    return texts if all(isinstance(text, str) for text in texts) else None


def _is_verdict(value: object) -> bool:
    """Whether a single value says right or wrong: a bool, or the number 0 or 1."""
    return isinstance(value, bool | np.bool_ | int | float | np.number) and value in (0, 1)


def _verdict_or_text(value: object) -> object:
    """A verdict as bool, anything else as its text."""
    return bool(value) if _is_verdict(value) else str(value)


def _check_probabilities(probabilities: pd.DataFrame, where: Path) -> None:
    """Raise an ArmsError if a (query, VLM) pair repeats or a probability is missing or out of range."""
    values = probabilities["probability"]
    wrong = ~values.between(0, 1)  # null is not between
    if wrong.any():
        raise ArmsError(
            f"{where}, column 'probability': expected values in [0, 1], got {values[wrong].iloc[0]} "
            f"in row {int(wrong.to_numpy().argmax())} ({int(wrong.sum())} such rows)"
        )
    repeated = probabilities.duplicated(["query_id", "vlm"])
    if repeated.any():
        row = probabilities[repeated].iloc[0]
        raise ArmsError(
            f"{where}: expected one row per query_id and vlm, got several for {row['query_id']!r}, {row['vlm']!r} "
            f"({int(repeated.sum())} rows too many)"
        )
