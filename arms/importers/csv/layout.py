"""What each CSV file gives: descriptions of queries, and outcomes in rows or in a column for each VLM, or both."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from arms.errors import ArmsError
from arms.importers.csv.file import Sheet

# What columns hold, and the flag that names each.
QUERY_FLAGS = {
    "query_id": "--id-column",
    "benchmark": "--benchmark-column",
    "task": "--task-column",
    "language": "--language-column",
    "question": "--question-column",
    "image": "--image-column",
    "answer": "--answer-column",
}
OUTCOME_FLAGS = {
    "vlm": "--vlm-column",
    "grade": "--correct-column",
    "output": "--output-column",
    "cost_usd": "--cost-column",
    "latency_s": "--latency-column",
}
FLAGS = {**QUERY_FLAGS, **OUTCOME_FLAGS}
WIDE_FLAGS = {"grade": "--verdict", "output": "--output", "cost_usd": "--cost", "latency_s": "--latency"}

Wide = Mapping[str, Mapping[str, str]]  # by VLM, by what it holds: a column


@dataclass(frozen=True)
class Layout:
    """What one file gives.

    Attributes
    ----------
    sheet : Sheet
    columns : dict of str to str
        What is to be read, by what it holds: a column of the file. For a VLM with columns of its own, see `of_vlm`.
    describes : bool
        It describes queries.
    is_long : bool
        It has a row for each outcome.
    wide_vlms : tuple of str
        The VLMs that have a verdict column.
    """

    sheet: Sheet
    columns: dict[str, str]
    describes: bool
    is_long: bool
    wide_vlms: tuple[str, ...]


def of_vlm(held: str, vlm: str) -> str:
    """What a column is called that holds something of one VLM alone."""
    return f"{held} of {vlm}"


def parse_wide(settings: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """The VLMs with columns of their own, from settings such as "gpt-4o=gpt4o_correct".

    Parameters
    ----------
    settings : mapping of str to sequence of str
        By what the columns hold, the keys of `WIDE_FLAGS`.

    Raises
    ------
    ArmsError
        If a setting is not VLM=COLUMN, repeats, or is of a VLM without a verdict column.
    """
    wide: dict[str, dict[str, str]] = {}
    for held, flag in WIDE_FLAGS.items():
        for text in settings[held]:
            vlm, _, column = (part.strip() for part in text.partition("="))
            if not vlm or not vlm.isprintable() or not column:
                raise ArmsError(f"{flag}: expected VLM=COLUMN, got {text!r}")
            if held != "grade" and vlm not in wide:
                raise ArmsError(f"{flag} {text}: expected a VLM with a column of verdicts; add --verdict {vlm}=COLUMN")
            if held in wide.setdefault(vlm, {}):
                raise ArmsError(f"{flag}: expected one column for {vlm}, got {wide[vlm][held]!r} and {column!r}")
            wide[vlm][held] = column
    return wide


def lay_out(sheets: Sequence[Sheet], columns: Mapping[str, str], wide: Wide, named: Collection[str]) -> list[Layout]:
    """Tell by their columns what files give.

    Parameters
    ----------
    sheets : sequence of Sheet
    columns : mapping of str to str
        By what it holds, a key of `FLAGS`: a column.
    wide : mapping
        As `parse_wide` gives it.
    named : collection of str
        Keys of `columns` that the user named, so that they must be there.

    Raises
    ------
    ArmsError
        If a column is missing or stands twice, or the files together describe no queries or give no outcomes.
    """
    layouts = [_lay_out(sheet, columns, wide) for sheet in sheets]
    if not any(layout.describes for layout in layouts):
        sheet = max(sheets, key=lambda one: (columns["question"] in one.header) + (columns["image"] in one.header))
        raise _missing(sheet, "question" if columns["question"] not in sheet.header else "image", columns)
    if not any(layout.is_long or layout.wide_vlms for layout in layouts):
        raise ArmsError(
            f"{_missing(sheets[-1], 'vlm', columns)}; or, where each VLM has a column of verdicts, which these are: "
            "--verdict VLM=COLUMN"
        )
    for layout in layouts:
        if not (layout.describes or layout.is_long or layout.wide_vlms):
            raise ArmsError(
                f"{layout.sheet.path}: expected columns of queries ({columns['question']!r} and {columns['image']!r}) "
                f"or of outcomes ({columns['vlm']!r}), got {_listed(layout.sheet)}; say which ones these are: "
                f"{FLAGS['question']}, {FLAGS['image']}, {FLAGS['vlm']}, --verdict"
            )
    joined = not all(layout.describes for layout in layouts)
    if joined or any("query_id" in layout.columns for layout in layouts):
        for layout in layouts:
            if "query_id" not in layout.columns:
                raise _missing(layout.sheet, "query_id", columns)
    _check_used(layouts, columns, wide, named)
    return layouts


def _lay_out(sheet: Sheet, columns: Mapping[str, str], wide: Wide) -> Layout:
    """What one file gives, by itself."""
    present = set(sheet.header)
    describes = {columns["question"], columns["image"]} <= present
    is_long = columns["vlm"] in present
    vlms = tuple(vlm for vlm, own in wide.items() if own["grade"] in present)
    if is_long and vlms:
        raise ArmsError(
            f"{sheet.path}: expected rows of one VLM each, or a column of verdicts for each VLM, got both, "
            f"{columns['vlm']!r} and {wide[vlms[0]]['grade']!r}; leave out --verdict, or name another {FLAGS['vlm']}"
        )
    if is_long and columns["grade"] not in present:
        raise _missing(sheet, "grade", columns)
    held = [*(QUERY_FLAGS if describes else ["query_id"]), *(OUTCOME_FLAGS if is_long else [])]
    found = {one: columns[one] for one in held if columns[one] in present}
    for vlm in vlms:
        found |= {of_vlm(one, vlm): column for one, column in wide[vlm].items() if column in present}
    times = Counter(sheet.header)
    twice = next((column for column in found.values() if times[column] > 1), None)
    if twice is not None:
        raise ArmsError(f"{sheet.path}: expected one column {twice!r}, got {times[twice]}; rename all but one")
    return Layout(sheet, found, describes, is_long, vlms)


def _check_used(layouts: Sequence[Layout], columns: Mapping[str, str], wide: Wide, named: Collection[str]) -> None:
    """Raise an ArmsError if a column that the user named is used nowhere."""
    used = {held for layout in layouts for held in layout.columns}
    for held in named:
        if held not in used:
            raise _missing(layouts[0].sheet, held, columns)
    for vlm, own in wide.items():
        for held, column in own.items():
            if of_vlm(held, vlm) not in used:
                listed = "; ".join(f"{layout.sheet.path} has {_listed(layout.sheet)}" for layout in layouts)
                raise ArmsError(f"{WIDE_FLAGS[held]} {vlm}={column}: expected a column {column!r}, got none; {listed}")


def _missing(sheet: Sheet, held: str, columns: Mapping[str, str]) -> ArmsError:
    """What to say where a column is not there."""
    return ArmsError(
        f"{sheet.path}: expected a column {columns[held]!r}, got {_listed(sheet)} (split by "
        f"{sheet.dialect.delimiter!r}); say which one it is: {FLAGS[held]}"
    )


def _listed(sheet: Sheet) -> str:
    """The columns that are there, the first of very many."""
    names = [repr(name[:60]) for name in sheet.header[:40]]
    return ", ".join(names) + (f" and {len(sheet.header) - 40} more" if len(sheet.header) > 40 else "")
