"""Read the files of a log by a plan, and join their rows to queries and outcomes."""

from collections.abc import Sequence
from pathlib import Path

from arms.errors import ArmsError
from arms.importers.base import Intake, Log
from arms.importers.records.answered import gather_outcomes, vlms_of
from arms.importers.records.collect import Sheet, collect, look_into
from arms.importers.records.described import describe_queries, make_part
from arms.importers.records.layouts import Layout, lay_out
from arms.importers.records.plan import Plan
from arms.importers.rows.reader import find_files
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
    files = find_files(sources, lambda path: path.suffix.lower() in plan.suffixes) if plan.suffixes else [*sources]
    sheets = _look_into_all(files, sources, plan, intake.aside)
    if sheets and all(sheet.columns is not None for sheet in sheets):
        lay_out(sheets, plan)  # what is missing is found before anything long is read
    read = _read_all(sheets, sources, plan, intake)
    if not read:
        raise _nothing(sources, intake.aside)
    layouts = lay_out(read, plan)
    described = [layout for layout in layouts if layout.describes]
    benchmark = plan.benchmark or encodable(described[0].sheet.path.stem)
    for layout in layouts if plan.notes_unread else ():
        _note_unread(layout, intake.aside)
    parts = [make_part(layout, benchmark, plan, intake.aside) for layout in layouts]
    if not any(len(part.table) for part in parts):
        raise _nothing(sources, intake.aside)
    queries = describe_queries([part for part in parts if part.layout.describes], intake.aside)
    outcomes, verdicts = gather_outcomes(parts, plan, intake.aside)
    exact = (EXACT,) if plan.exact_match else ()
    return Log(queries, outcomes, vlms_of(outcomes, plan.wide), (*verdicts, *exact))


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


def _pass_over(path: Path, sources: Sequence[Path], error: UnreadableError, aside: SetAside) -> None:
    """Set a file that was found in a folder aside; one that the user named is an error."""
    if path in sources:
        raise error
    aside.add("file that cannot be read", str(path), "write it again", detail=str(error))


def _nothing(sources: Sequence[Path], aside: SetAside) -> ArmsError:
    return ArmsError(f"{', '.join(map(str, sources))}: expected records, got none to use\n{aside.text()}")


def _note_unread(layout: Layout, aside: SetAside) -> None:
    """Say which columns are not read."""
    used = {name for names in layout.columns.values() for name in names}
    used |= {name.partition(".")[0] for name in used}
    unread = [name for name in layout.sheet.columns or () if name not in used]
    splits = [name for name in unread if name.lower() in _SPLITS]
    others = [name for name in unread if name not in splits]
    path = str(layout.sheet.path)
    if splits:
        advice = "nothing, as arms splits by scene; to use it name it as the split column"
        aside.note("split that is not used", path, advice, detail=", ".join(splits))
    if others:
        aside.note("fields that are not read", path, "name them if they matter", detail=", ".join(others))
