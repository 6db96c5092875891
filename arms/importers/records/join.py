"""Read the files of a log by a plan, and join their rows to queries and outcomes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from arms.errors import ArmsError
from arms.importers.base import Intake, Log
from arms.importers.records.answered import gather_outcomes, vlms_of
from arms.importers.records.collect import Sheet, collect, look_into
from arms.importers.records.described import describe_queries, make_part
from arms.importers.records.layouts import Layout, gives_something, lay_out
from arms.importers.records.plan import Plan
from arms.importers.rows.packed import stem_of, suffix_of
from arms.importers.rows.paths import head_of
from arms.importers.rows.reader import SUFFIXES, find_files
from arms.importers.rows.table import UnreadableError
from arms.importers.set_aside import SetAside
from arms.importers.texts import encodable
from arms.progress import progress_bar

EXACT = "output equal to the ground truth"
_SPLITS = ("split", "subset", "partition", "fold")  # columns that usually say what a row is for


def read_records(sources: Sequence[Path], plan: Plan, intake: Intake) -> Log:
    """Read and join the rows of some files and folders.

    Raises
    ------
    ArmsError
        If a named file cannot be read, a column is missing, or no row can be used.
    """
    files = find_files(sources, lambda path: suffix_of(path) in plan.suffixes) if plan.suffixes else [*sources]
    _check_rows(files, plan)
    sheets = _look_into_all(files, sources, plan, intake.aside)
    if sheets and all(sheet.columns is not None for sheet in sheets):
        lay_out(_with_columns(sheets, sources, plan), plan)  # what is missing is found before anything long is read
    read = _read_all(sheets, sources, plan, intake)
    if not read:
        raise _nothing(sources, plan, intake.aside)
    read = _leave_out_others(read, sources, plan, intake.aside)
    layouts = lay_out(read, plan)
    described = [layout for layout in layouts if layout.describes]
    benchmark = plan.benchmark or encodable(stem_of(described[0].sheet.path))
    for layout in layouts:
        _note_unread(layout, intake.aside)
    parts = [make_part(layout, benchmark, plan, intake.aside) for layout in layouts]
    if not any(len(part.table) for part in parts):
        raise _nothing(sources, plan, intake.aside)
    queries = describe_queries([part for part in parts if part.layout.describes], intake.aside)
    outcomes, verdicts = gather_outcomes(parts, plan, intake.aside)
    exact = (EXACT,) if plan.exact_match else ()
    return Log(queries, outcomes, vlms_of(outcomes, plan.wide), (*verdicts, *exact))


def _check_rows(files: Sequence[Path], plan: Plan) -> None:
    """Raise an ArmsError if a place in documents is named, and there is none."""
    endings = sorted({suffix_of(path) or "no ending" for path in files})
    if plan.rows is not None and files and ".json" not in endings:
        raise ArmsError(
            f"--rows {plan.rows}: expected a JSON document among the files, got {', '.join(endings)}; leave it out: "
            "their rows need no path"
        )


def _look_into_all(files: Sequence[Path], sources: Sequence[Path], plan: Plan, aside: SetAside) -> list[Sheet]:
    sheets = []
    for path in files:
        try:
            sheets.append(look_into(path, plan))
        except UnreadableError as error:
            _pass_over(path, sources, error, aside)
    return sheets


def _read_all(sheets: Sequence[Sheet], sources: Sequence[Path], plan: Plan, intake: Intake) -> list[Sheet]:
    """The files with what was read of them; those of JSON Lines without a record are left out."""
    read = []
    with progress_bar("read", "files") as progress:
        for done, sheet in enumerate(sheets, start=1):
            try:
                read.append(collect(sheet.path, plan, intake))
            except UnreadableError as error:
                _pass_over(sheet.path, sources, error, intake.aside)
            progress(done, len(sheets))
    return [sheet for sheet in read if sheet.columns or len(sheet.table or ())]


def _leave_out_others(sheets: list[Sheet], sources: Sequence[Path], plan: Plan, aside: SetAside) -> list[Sheet]:
    """The files but those in folders that have the columns of neither queries nor outcomes, which are noted."""
    kept = _with_columns(sheets, sources, plan)
    for sheet in sheets:
        if sheet not in kept:
            detail = ", ".join((sheet.columns or ())[:20])
            advice = "nothing, if it is none of queries or outcomes; else name its columns"
            aside.note("file without the columns of queries or outcomes", str(sheet.path), advice, detail=detail)
    return kept


def _with_columns(sheets: list[Sheet], sources: Sequence[Path], plan: Plan) -> list[Sheet]:
    """The files that the user named, and those in folders that have columns of queries or outcomes; all if none has."""
    if plan.required:
        return sheets
    return [sheet for sheet in sheets if sheet.path in sources or gives_something(sheet, plan)] or sheets


def _pass_over(path: Path, sources: Sequence[Path], error: UnreadableError, aside: SetAside) -> None:
    """Set a file that was found in a folder aside; one that the user named is an error."""
    if path in sources:
        raise error
    aside.add("file that cannot be read", str(path), "write it again", detail=str(error))


def _nothing(sources: Sequence[Path], plan: Plan, aside: SetAside) -> ArmsError:
    named = ", ".join(map(str, sources))
    return ArmsError(f"{named}: expected records, got none to use{_found_in(sources, plan)}\n{aside.text()}".rstrip())


def _found_in(sources: Sequence[Path], plan: Plan) -> str:
    """What lies in the folders among the sources, by the endings of names, and how that can be read."""
    there = find_files([source for source in sources if source.is_dir()], lambda path: True)
    endings = Counter(suffix_of(path) or "no ending" for path in there)
    if not endings:
        return ""
    listed = ", ".join(f"{count:,} {ending}" for ending, count in endings.most_common(5))
    others = [ending for ending in endings if ending in SUFFIXES and ending not in plan.suffixes]
    hint = f"; arms import records reads {', '.join(sorted(others))}" if others else ""
    return f", in {listed}{hint}"


def _note_unread(layout: Layout, aside: SetAside) -> None:
    """Say which columns are not read."""
    used = {name for names in layout.columns.values() for name in names}
    used |= set(map(head_of, used))
    unread = [name for name in layout.sheet.columns or () if name not in used]
    splits = [name for name in unread if name.lower() in _SPLITS]
    others = [name for name in unread if name not in splits]
    path = str(layout.sheet.path)
    if splits:
        advice = "nothing, as arms splits by scene; to use it name it as the split column"
        aside.note("split that is not used", path, advice, detail=", ".join(splits))
    if others:
        aside.note("fields that are not read", path, "name them if they matter", detail=", ".join(others))
