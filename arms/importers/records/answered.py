"""The outcomes of files, from rows of one VLM each and from columns of one VLM each, to one table."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from arms.data.tables import SHARES
from arms.importers.builder import as_amount, not_a_number
from arms.importers.records.described import Coded, Part, code, constant
from arms.importers.records.plan import Plan, of_vlm
from arms.importers.set_aside import SetAside
from arms.importers.texts import shown
from arms.importers.verdicts import UNKNOWN_WORDS, parse_grades, to_scores, to_verdicts

_NUMBERS = ("cost_usd", "latency_s", *SHARES)
_TEXTS = ("query_id", "vlm", "grade", "output", *_NUMBERS)
_COMMA = r"^\s*([+-]?\d*),(\d+)\s*$"


def gather_outcomes(parts: Sequence[Part], plan: Plan, aside: SetAside) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """All outcomes of some files.

    Parameters
    ----------
    parts : sequence of Part
        With a column `query_id`.
    plan : Plan
    aside : SetAside

    Returns
    -------
    outcomes : DataFrame
        The columns of `arms.data.tables.OUTCOMES`.
    statements : tuple of str
        What counts as correct, for each column of verdicts.

    Raises
    ------
    ArmsError
        If a column's grades do not say right or wrong, see `verdicts.to_verdicts`.
    """
    pieces: dict[str, list[pa.Table]] = {}  # by the column of verdicts, as each is a metric of its own
    for part in parts:
        if part.layout.is_long:
            pieces.setdefault(plan.metric, []).append(_long_piece(part, aside))
        for vlm in part.layout.wide_vlms:
            pieces.setdefault(plan.wide[vlm]["grade"], []).append(_wide_piece(part, vlm))
    frames, statements = [], []
    for name, tables in pieces.items():
        frame, statement = _read_outcomes(pa.concat_tables(tables), name, plan, aside)
        frames.append(frame)
        statements.append(statement)
    outcomes = pd.concat(frames, ignore_index=True)
    unknown = [column for column in SHARES if outcomes[column].isna().all()]
    return outcomes.drop(columns=unknown), tuple(statements)


def vlms_of(outcomes: pd.DataFrame, wide: Iterable[str]) -> tuple[str, ...]:
    """The VLMs with columns of their own, then all others in the order in which they come."""
    return tuple(dict.fromkeys([*wide, *outcomes["vlm"].unique()]))


def _long_piece(part: Part, aside: SetAside) -> pa.Table:
    """The outcomes of rows that are of one VLM each; a row that only describes its query has none."""
    table = part.table
    vlms, graded = code(table["vlm"]), code(table["grade"]).codes >= 0
    named = np.array([*(text.isprintable() for text in vlms.texts.to_pylist()), False])[vlms.codes]
    for index in np.flatnonzero(~named & (graded | (vlms.codes >= 0) | (not part.layout.describes))):
        text = vlms.take(slice(index, index + 1))[0].as_py()
        aside.add("outcome without a VLM's name", part.where(int(index)), "name the VLM", detail=shown(text))
    columns = {name: table[name] if name in table.column_names else constant(None, len(table)) for name in _TEXTS}
    return _piece({**columns, "row": table["row"]}, named)


def _wide_piece(part: Part, vlm: str) -> pa.Table:
    """The outcomes of the columns of one VLM; without a verdict and an output there is none."""
    table, rows = part.table, part.table.num_rows
    own = {held: of_vlm(held, vlm) for held in ("grade", "output", *_NUMBERS)}
    columns = {held: table[name] if name in table.column_names else constant(None, rows) for held, name in own.items()}
    grades = code(pa.chunked_array(columns["grade"]))
    known = np.append(~_is_unknown(grades.texts), False)[grades.codes]
    known |= code(pa.chunked_array(columns["output"])).codes >= 0
    columns |= {"query_id": table["query_id"], "vlm": constant(vlm, rows), "row": table["row"]}
    return _piece(columns, known)


def _piece(columns: dict[str, pa.Array], kept: np.ndarray) -> pa.Table:
    """Some rows of one part, and their places."""
    table = pa.table({name: columns[name] for name in (*_TEXTS, "row")})
    return table if kept.all() else table.filter(pa.array(kept))


def _read_outcomes(table: pa.Table, metric: str, plan: Plan, aside: SetAside) -> tuple[pd.DataFrame, str]:
    """The outcomes of one metric; what is not a grade or an amount is noted, and unknown."""
    columns = {name: code(table[name]) for name in _TEXTS}
    if plan.decimal_comma:
        columns |= {name: _with_points(columns[name]) for name in ("grade", *_NUMBERS)}

    def note(kind: str, wrong: np.ndarray, values: Coded, advice: str) -> None:
        if wrong.any():
            index = int(wrong.argmax())
            aside.note(
                kind,
                table["row"][index].as_py(),
                advice,
                detail=shown(values.take(slice(index, index + 1))[0].as_py()),
                count=int(wrong.sum()),
            )

    grades = columns["grade"]
    numbers, wrong = parse_grades(pd.Series([*grades.texts.to_pylist(), None], dtype=object), plan.rule.words)
    comma = _comma_advice(grades.texts, wrong, plan)
    advice = (
        f"write 0 or 1 into {metric!r}, or say what its words mean: --right WORD, --wrong WORD{comma}; it is taken "
    )
    note("value that is not a grade", wrong[grades.codes], grades, f"{advice}as unknown")
    correct, statement = to_verdicts(numbers[grades.codes], metric, plan.rule)
    texts = pa.table({name: columns[name].take() for name in ("query_id", "vlm", "output")})
    frame = texts.to_pandas().astype("str")
    frame.insert(2, "correct", pd.array(correct, dtype="boolean"))
    for name in _NUMBERS:
        values = columns[name]
        numbers_of, wrong = _read_numbers(name, values.texts)
        comma = _comma_advice(values.texts, wrong, plan)
        note(not_a_number(name), wrong[values.codes], values, f"correct it{comma}; it is taken as unknown")
        frame[name] = numbers_of[values.codes]
    frame["score"] = frame["score"].fillna(pd.Series(to_scores(numbers[grades.codes], plan.rule)))
    return frame, statement


def _read_numbers(column: str, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The same as `_read_amounts`, for a column of shares only those that it can hold."""
    amounts, wrong = _read_amounts(texts)
    if column in SHARES:
        outside = ~np.isnan(amounts) & ~SHARES[column].hold(amounts)
        amounts, wrong = np.where(outside, np.nan, amounts), wrong | outside
    return amounts, wrong


def _read_amounts(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Texts as finite numbers >= 0, NaN for others, and which of these say something; a last one is for no text."""
    trimmed = pc.utf8_trim_whitespace(texts)
    try:
        amounts = pc.cast(pc.if_else(_is_unknown(texts), None, trimmed), pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # one of them is not a number: read them one by one
        amounts = np.array([as_amount(text) for text in trimmed.to_pylist()], dtype=float)
    with np.errstate(invalid="ignore"):
        amounts = np.where(np.isfinite(amounts) & (amounts >= 0), amounts, np.nan)
    wrong = np.isnan(amounts) & ~_is_unknown(texts)
    return np.append(amounts, np.nan), np.append(wrong, False)


def _with_points(values: Coded) -> Coded:
    """The numbers among some texts with a point where they have a comma."""
    return Coded(values.codes, pc.replace_substring_regex(values.texts, _COMMA, r"\1.\2"))


def _comma_advice(texts: pa.Array, wrong: np.ndarray, plan: Plan) -> str:
    """What to do about numbers with a decimal comma, if some of what is wrong looks like one."""
    if plan.decimal_comma is not False:
        return ""
    commas = pc.match_substring_regex(texts, _COMMA).to_numpy(zero_copy_only=False)
    return ", or if a comma opens the decimals: --decimal-comma" if (commas & wrong[:-1]).any() else ""


def _is_unknown(texts: pa.Array) -> np.ndarray:
    """Which texts say that there is no value."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    unknown = pa.array(UNKNOWN_WORDS, words.type)
    return pc.is_in(words, value_set=unknown).to_numpy(zero_copy_only=False)
