"""What each file gives: descriptions of queries, and outcomes in rows or in a column for each VLM, or both."""

from collections.abc import Sequence
from dataclasses import dataclass

from arms.errors import ArmsError
from arms.importers.records.collect import Sheet
from arms.importers.records.plan import OUTCOME_FLAGS, QUERY_FLAGS, WIDE_FLAGS, Plan, of_vlm


@dataclass(frozen=True, eq=False)
class Layout:
    """What one file gives.

    Attributes
    ----------
    sheet : Sheet
    columns : dict of str to list of str
        What is used, by what it holds: a column of the file, or several that say the same. See `of_vlm` for a VLM with
        columns of its own.
    describes : bool
        It describes queries.
    is_long : bool
        It has a row for each outcome.
    wide_vlms : tuple of str
        The VLMs that have a verdict column.
    """

    sheet: Sheet
    columns: dict[str, list[str]]
    describes: bool
    is_long: bool
    wide_vlms: tuple[str, ...]


def lay_out(sheets: Sequence[Sheet], plan: Plan) -> list[Layout]:
    """See by their columns what files give.

    Raises
    ------
    ArmsError
        If a column is missing, or the files together describe no queries or give no outcomes.
    """
    for sheet in sheets:
        for held in plan.required:
            if not sheet.having(plan.columns[held]):
                raise _missing(sheet, [held], plan)
    layouts = [_lay_out(sheet, plan) for sheet in sheets]
    answered = any(layout.is_long or layout.wide_vlms for layout in layouts)
    if not any(layout.describes for layout in layouts):
        sheet = max(sheets, key=lambda one: sum(bool(one.having(plan.columns[held])) for held in plan.asked))
        if len(sheets) == 1 and not answered:  # all that is missing is to be in this file, so it is said at once
            raise _without_outcomes(sheet, _lacking(sheet, (*plan.asked, "vlm", "grade"), plan), plan)
        raise _missing(sheet, _lacking(sheet, plan.asked, plan), plan)
    if not answered:
        raise _without_outcomes(sheets[-1], _lacking(sheets[-1], ("vlm", "grade"), plan), plan)
    for layout in layouts:
        if not (layout.describes or layout.is_long or layout.wide_vlms):
            flags = ", ".join(plan.flags[held] for held in ("question", "image", "vlm"))
            raise ArmsError(
                f"{layout.sheet.path}: expected columns of queries ({plan.spelled('question')} and "
                f"{plan.spelled('image')}) or of outcomes ({plan.spelled('vlm')}), got {_listed(layout.sheet)}; say "
                f"which ones these are: {flags}, --verdict"
            )
    if not plan.required:
        _check_joined(layouts, plan)
        _check_used(layouts, plan)
    return layouts


def gives_something(sheet: Sheet, plan: Plan) -> bool:
    """Whether a file has the columns of queries or of outcomes."""
    present = {held for held, names in plan.wanted.items() if sheet.having(names)}
    wide = any(of_vlm("grade", vlm) in present for vlm in plan.wide)
    return present.issuperset(plan.asked) or "vlm" in present or sheet.vlm is not None or wide


def _lay_out(sheet: Sheet, plan: Plan) -> Layout:
    """What one file gives, by itself."""
    present = {held for held, names in plan.wanted.items() if sheet.having(names)}
    describes, is_long = present.issuperset(plan.asked), "vlm" in present or sheet.vlm is not None
    if "vlm" in present and sheet.vlm is not None:
        raise ArmsError(
            f"{sheet.path}: expected its VLM in its name, as --vlm-from-filename says, or in the {plan.noun} "
            f"{plan.spelled('vlm')}, got both; leave the pattern out, or name another {plan.flags['vlm']}"
        )
    vlms = tuple(vlm for vlm in plan.wide if of_vlm("grade", vlm) in present)
    if is_long and vlms:
        raise ArmsError(
            f"{sheet.path}: expected rows of one VLM each, or a column of verdicts for each VLM, got both, "
            f"{plan.spelled('vlm')} and {plan.wide[vlms[0]]['grade']!r}; leave out --verdict, or name another "
            f"{plan.flags['vlm']}"
        )
    if is_long and "grade" not in present and not plan.exact_match:
        raise _missing(sheet, ["grade"], plan)
    held = [*(QUERY_FLAGS if describes else ["query_id"]), *(OUTCOME_FLAGS if is_long else [])]
    held += [of_vlm(one, vlm) for vlm in vlms for one in plan.wide[vlm]]
    columns = {one: sheet.having(plan.wanted[one]) for one in held if one in present}
    if sheet.vlm is not None:
        columns["vlm"] = []  # of no column
    return Layout(sheet, columns, describes, is_long, vlms)


def _check_joined(layouts: Sequence[Layout], plan: Plan) -> None:
    """Raise an ArmsError if files are to be joined by ids that one of them does not have."""
    with_ids = [layout for layout in layouts if "query_id" in layout.columns]
    if with_ids or not all(layout.describes for layout in layouts):
        for layout in layouts:
            if layout not in with_ids:
                raise _missing(layout.sheet, ["query_id"], plan)


def _check_used(layouts: Sequence[Layout], plan: Plan) -> None:
    """Raise an ArmsError if a column that the user named is used nowhere."""
    used = {held for layout in layouts for held in layout.columns}
    for held in plan.named:
        if held not in used:
            raise _missing(layouts[0].sheet, [held], plan)
    images = {name for layout in layouts for name in layout.columns.get("image", ())}
    for name in plan.columns["image"] if plan.joins_images else ():
        if name not in images:
            listed = "; ".join(f"{layout.sheet.path} has {_listed(layout.sheet)}" for layout in layouts)
            raise ArmsError(f"{plan.flags['image']} {name}: expected a column {name!r}, got none; {listed}")
    for vlm, own in plan.wide.items():
        for held, column in own.items():
            if of_vlm(held, vlm) not in used:
                listed = "; ".join(f"{layout.sheet.path} has {_listed(layout.sheet)}" for layout in layouts)
                raise ArmsError(f"{WIDE_FLAGS[held]} {vlm}={column}: expected a column {column!r}, got none; {listed}")


def _lacking(sheet: Sheet, needed: Sequence[str], plan: Plan) -> list[str]:
    """What a file has no column of."""
    return [held for held in needed if not sheet.having(plan.columns[held])]


def _missing(sheet: Sheet, lacking: Sequence[str], plan: Plan) -> ArmsError:
    """What to say where columns are not there."""
    split = f" (split by {sheet.delimiter!r})" if sheet.delimiter else ""
    expected = ", ".join(map(plan.spelled, lacking))
    noun, which = (
        (f"a {plan.noun}", "which one it is") if len(lacking) == 1 else (f"{plan.noun}s", "which ones these are")
    )
    flags = ", ".join(plan.flags[held] for held in lacking)
    return ArmsError(f"{sheet.path}: expected {noun} {expected}, got {_listed(sheet)}{split}; say {which}: {flags}")


def _without_outcomes(sheet: Sheet, lacking: Sequence[str], plan: Plan) -> ArmsError:
    """What to say where there are no outcomes, which may come in several forms."""
    return ArmsError(
        f"{_missing(sheet, lacking, plan)}; or, where each VLM has a column of verdicts, which these are: "
        "--verdict VLM=COLUMN; or, where each has a file, what these are called: --vlm-from-filename "
        "'{vlm}_results.json'"
    )


def _listed(sheet: Sheet) -> str:
    """The columns that are there, the first of very many."""
    columns = sheet.columns or ()
    names = [repr(name[:60]) for name in columns[:40]]
    return (", ".join(names) or "none") + (f" and {len(columns) - 40} more" if len(columns) > 40 else "")
