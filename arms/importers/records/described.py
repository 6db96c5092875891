"""The queries that rows describe: one for each id, by its first row; rows that disagree are set aside."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from arms.importers.records.collect import TEXT, encode
from arms.importers.records.image_cells import split_images
from arms.importers.records.layouts import Layout
from arms.importers.records.plan import QUERY_FLAGS, Plan
from arms.importers.set_aside import SetAside
from arms.importers.texts import shown

# Rows that differ in one of these are of another query, or of another version of it.
_ADVICE = {
    "benchmark": "give each query an id of its own, in all benchmarks",
    "image": "give each query an id of its own, or correct the image",
    "answer": "import one version of the benchmark, or correct the answer",
}


# Left out of the queries where no row has them.
_OPTIONAL = ("group", "split")


@dataclass(eq=False)
class Part:
    """The rows of one file.

    Attributes
    ----------
    layout : Layout
    table : Table
        The columns that the layout uses as `TEXT`, and `row`, the place of each row.
    """

    layout: Layout
    table: pa.Table

    def where(self, index: int) -> str:
        """The place of one of its rows."""
        return self.table["row"][index].as_py()

    def keep(self, kept: np.ndarray) -> None:
        """Leave the other rows out."""
        if not kept.all():
            self.table = self.table.filter(pa.array(kept))


class Coded(NamedTuple):
    """A column of N texts by their codes."""

    codes: np.ndarray  # of shape (N,), int32; -1 where there is none, or nothing but white space
    texts: pa.Array  # distinct

    def take(self, rows: np.ndarray | slice = slice(None)) -> pa.Array:
        """The texts of some rows, null where there is none."""
        codes = self.codes[rows]
        return self.texts.take(pa.array(codes, mask=codes < 0))


def code(column: pa.ChunkedArray) -> Coded:
    """A column of `TEXT` with one code for each text."""
    together = column.unify_dictionaries().combine_chunks()
    texts = together.dictionary
    codes = together.indices.fill_null(-1).to_numpy()
    blank = pc.equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
    return Coded(np.where(np.append(blank, True)[codes], -1, codes), texts)


def constant(text: str | None, rows: int) -> pa.Array:
    """A column that holds the same text in every row."""
    if text is None:
        return pa.nulls(rows, TEXT)
    return pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), pa.array([text], pa.large_string()))


def make_part(layout: Layout, benchmark: str, plan: Plan, aside: SetAside) -> Part:
    """A file's rows; where they describe queries, with all columns of one. Rows without an id are set aside.

    Where there is no column, the task is the benchmark, unless the plan has one. The id is made of the image, the
    question and, if it has a column, the benchmark, so that it is the same in every file.
    """
    assert layout.sheet.table is not None
    part = Part(layout, layout.sheet.table.select([*layout.columns, "row"]))
    if plan.exact_match:
        part.table = _with_exact_matches(part.table)
    if layout.describes:
        _fill_in(part, benchmark, plan)
    leave_out_nameless(part, aside)
    if plan.ids_per_benchmark:
        part.table = _with_full_ids(part.table)
    return part


def _fill_in(part: Part, benchmark: str, plan: Plan) -> None:
    """Give a part that describes queries the columns that its file has not."""
    table, present = part.table, part.layout.columns
    if "query_id" not in present:
        key = [name for name in ("image", "question", "benchmark") if name in present]
        table = table.append_column("query_id", _make_ids([code(table[name]) for name in key]))
    rows = table.num_rows
    missing = {"benchmark": benchmark, "language": plan.language} | dict.fromkeys(("image", "answer", *_OPTIONAL))
    for name, text in missing.items():
        if name not in present:
            table = table.append_column(name, constant(text, rows))
    if "task" not in present:
        table = table.append_column("task", table["benchmark"] if plan.task is None else constant(plan.task, rows))
    part.table = table


def describe_queries(parts: Sequence[Part], aside: SetAside) -> pd.DataFrame:
    """The queries that parts describe; rows that cannot be used are set aside, and left out of the parts.

    Parameters
    ----------
    parts : sequence of Part
        With every column of a query, see `make_part`.
    aside : SetAside

    Returns
    -------
    DataFrame
        The columns of `arms.data.tables.QUERIES`, one row for each id, in the order in which they come. A cell that
        is empty in a query's first row is taken from a later one.
    """
    for part in parts:
        _leave_out_repeats(part, aside)
    together = pa.concat_tables([part.table.select([*QUERY_FLAGS]) for part in parts])
    columns = {name: code(together[name]) for name in QUERY_FLAGS}
    query, distinct = pd.factorize(columns["query_id"].codes)  # which query a row is of
    kept = np.ones(len(query), dtype=bool)
    texts = {"query_id": columns["query_id"].texts.take(pa.array(distinct))}
    for name in ("benchmark", "image", "answer", "question", "task", "language", "group", "split"):
        values = columns[name]
        first = _first_known(query, values.codes, kept, len(distinct))
        texts[name] = values.texts.take(pa.array(first, mask=first < 0))
        differs = kept & (values.codes >= 0) & (values.codes != first[query])
        if name in _ADVICE:
            _set_aside_rows(parts, differs, name, values, first[query], aside)
            kept &= ~differs
        elif differs.any():
            index = int(differs.argmax())
            aside.note(
                f"{name} differs from that of the query's first row",
                _where(parts, index),
                "nothing if it is meant; the first one is kept",
                detail=shown(values.texts[int(values.codes[index])].as_py()),
                count=int(differs.sum()),
            )
    for part, mask in zip(parts, np.split(kept, np.cumsum([part.table.num_rows for part in parts])[:-1]), strict=True):
        part.keep(mask)
    given = [name for name in QUERY_FLAGS if name not in _OPTIONAL or texts[name].null_count < len(distinct)]
    queries = pa.table({name: texts[name] for name in given}).to_pandas().astype("str")
    images = queries.pop("image").map(split_images, na_action="ignore")
    return queries.assign(images=images.astype(object))


def leave_out_nameless(part: Part, aside: SetAside) -> None:
    """Set the rows without an id aside."""
    kept = code(part.table["query_id"]).codes >= 0
    names = " or ".join(map(repr, part.layout.columns.get("query_id", ())))
    for index in np.flatnonzero(~kept):
        aside.add("row without a query id", part.where(int(index)), f"fill in {names}")
    part.keep(kept)


def _leave_out_repeats(part: Part, aside: SetAside) -> None:
    """Set rows aside that repeat a whole row, in a file that has no outcomes; others say more with each row."""
    if part.layout.is_long or part.layout.wide_vlms:
        return
    codes = {name: code(part.table[name]).codes for name in QUERY_FLAGS}
    repeated = pd.DataFrame(codes).duplicated().to_numpy()
    for index in np.flatnonzero(repeated):
        aside.add("repeated row", part.where(int(index)), "nothing: the first is kept")
    part.keep(~repeated)


def _first_known(query: np.ndarray, codes: np.ndarray, usable: np.ndarray, queries: int) -> np.ndarray:
    """For each query, the code of its first row that has one, -1 if none has."""
    rows = np.flatnonzero(usable & (codes >= 0))[::-1]
    first = np.full(queries, -1, dtype=np.int32)
    first[query[rows]] = codes[rows]  # of several rows of one query the last assignment holds, the first of the file
    return first


def _set_aside_rows(
    parts: Sequence[Part], rows: np.ndarray, name: str, values: Coded, first: np.ndarray, aside: SetAside
) -> None:
    """Set rows aside that say something else than the first one of their query."""
    for index in np.flatnonzero(rows):
        own, known = (values.texts[int(codes[index])].as_py() for codes in (values.codes, first))
        aside.add(
            f"{name} differs from that of the query's first row",
            _where(parts, int(index)),
            _ADVICE[name],
            detail=f"{shown(own)}, {shown(known)} in the first",
        )


def _where(parts: Sequence[Part], index: int) -> str:
    """The place of a row, counted through all parts."""
    for part in parts:
        if index < part.table.num_rows:
            return part.where(index)
        index -= part.table.num_rows
    raise AssertionError(index)


def _make_ids(key: Sequence[Coded]) -> pa.DictionaryArray:
    """An id for each row, the same where all parts of the key are."""
    rows = np.zeros(len(key[0].codes), dtype=np.int64)
    for part in key:
        rows, _ = pd.factorize(rows * (len(part.texts) + 1) + part.codes + 1)
    _, first = np.unique(rows, return_index=True)  # rows count up as they come, so these are in their order too
    texts = zip(*(part.take(first).to_pylist() for part in key), strict=True)
    ids = [hashlib.sha256(json.dumps(one).encode()).hexdigest()[:16] for one in texts]
    return pa.DictionaryArray.from_arrays(rows.astype(np.int32), pa.array(ids, pa.large_string()))


def _with_exact_matches(table: pa.Table) -> pa.Table:
    """The table with grades for the rows that have none, but an output and an answer."""
    matches = pc.equal(_known(table, "output"), _known(table, "answer")).cast(pa.large_string())
    if "grade" not in table.column_names:
        return table.append_column("grade", encode(matches))
    return _replace(table, "grade", pc.coalesce(_known(table, "grade"), matches))


def _known(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column's texts, null where there is nothing but white space."""
    texts = table[name].cast(pa.large_string())
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)


def _with_full_ids(table: pa.Table) -> pa.Table:
    """The table with ids that hold in all benchmarks."""
    benchmark = pc.fill_null(table["benchmark"].cast(pa.large_string()), "")
    ids = table["query_id"].cast(pa.large_string())
    return _replace(table, "query_id", pc.binary_join_element_wise(benchmark, ids, pa.scalar("/", pa.large_string())))


def _replace(table: pa.Table, name: str, texts: pa.ChunkedArray) -> pa.Table:
    """The table with another column of this name."""
    return table.set_column(table.column_names.index(name), name, encode(texts))
