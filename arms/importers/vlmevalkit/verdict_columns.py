"""What VLMEvalKit's evaluations say of an answer: which columns hold it, and what they mean on which benchmark."""

import ast
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arms.importers.metric_names import first_of
from arms.importers.rows.table import cell_text
from arms.importers.verdicts import lower_is_better, parse_grade

# Metrics that are right or wrong in themselves; all others are grades, for the rule of the user.
EXTRACTED = "res equals the answer"
VERDICTS = frozenset({"hit", "verifier_match", "score of the extracted answer", EXTRACTED})

_ANLS = ("DocVQA", "InfoVQA")  # what their `eval_match` holds is an edit distance, for each answer that is accepted
_BEST = ("ChartQA", "OCRVQA", "PlotQA")  # any one of the accepted answers will do
_LONGEST = 20_000  # characters of a list that is written out in a cell

Cells = Mapping[str, Any]


@dataclass(frozen=True)
class VerdictReader:
    """How a table says what became of an answer.

    Attributes
    ----------
    metric : str
        What is read, one of `VERDICTS` or a benchmark's grade.
    columns : tuple of str
        Where it is read.
    grade : callable
        Gives a row's grade: null where unknown, and some text where the row says nothing clear.
    """

    metric: str
    columns: tuple[str, ...]
    grade: Callable[[Cells], Any]


def has_verdicts(columns: Collection[str], metrics: Sequence[str] = ()) -> bool:
    """Whether a table with these columns is an evaluated one."""
    return find_verdicts(columns, "", metrics) is not None


def find_verdicts(columns: Collection[str], benchmark: str, metrics: Sequence[str] = ()) -> VerdictReader | None:
    """How the verdicts of a table are read.

    Parameters
    ----------
    columns : collection of str
    benchmark : str
        Tells what `eval_match` holds.
    metrics : sequence of str, optional
        The columns to read, the first that is there; else, what VLMEvalKit itself counts: `hit`, `verifier_match`,
        `eval_match` with `eval_score`, `score`, or `res` against the answer.

    Returns
    -------
    VerdictReader or None
        None if the table has no verdicts.
    """
    if metrics:
        named = first_of(metrics, columns)
        return None if named is None else _named(named, benchmark)
    for column in ("hit", "verifier_match"):
        if column in columns:
            return _named(column, benchmark)
    if "eval_match" in columns:
        return _from_matches(benchmark)
    if "eval_score" in columns:
        return _named("eval_score", benchmark)
    if "score" in columns:
        if "extracted" in columns:
            return VerdictReader("score of the extracted answer", ("score",), lambda row: _verdict(row["score"]))
        return _named("score", benchmark)
    if {"res", "log", "question_type", "answer_type", "answer"} <= set(columns):
        needed = ("res", "question_type", "answer_type", "answer", "answer_option", "choices")
        return VerdictReader(EXTRACTED, tuple(name for name in needed if name in columns), _equals_answer)
    return None


def _named(column: str, benchmark: str) -> VerdictReader:
    """One column as it is."""
    if column in VERDICTS:
        return VerdictReader(column, (column,), lambda row: _verdict(row[column]))
    is_distance = column == "eval_score" and any(name in benchmark for name in _ANLS)
    metric = _of("eval_score (edit distance)" if is_distance else column, benchmark)
    if column == "score":
        return VerdictReader(metric, (column,), lambda row: _judged(row[column]))
    return VerdictReader(metric, (column,), lambda row: row[column])


def _of(grade: str, benchmark: str) -> str:
    """A grade's name with its benchmark's: each has a scale of its own, and gets a threshold of its own.

    Without it if it holds a word, such as hallucination, that would say of the grade that less is better.
    """
    metric = f"{grade} of {benchmark}"
    return metric if lower_is_better(metric) == lower_is_better(grade) else grade


def _from_matches(benchmark: str) -> VerdictReader:
    """The score that VLMEvalKit reports, from how the prediction matched each of the accepted answers.

    `eval_score` is the mean over these answers; on some benchmarks that is not what is reported.
    """
    if any(name in benchmark for name in _ANLS):
        return _reader(_of("anls", benchmark), lambda matches: 0.0 if min(matches) > 0.5 else 1 - min(matches))
    if any(name in benchmark for name in _BEST):
        return _reader(_of("best eval_match", benchmark), max)
    return _reader(_of("eval_score", benchmark), lambda matches: sum(matches) / len(matches))


def _reader(metric: str, score: Callable[[list[float]], float]) -> VerdictReader:
    def grade(row: Cells) -> Any:
        cell = row["eval_match"]
        matches = _as_matches(cell)
        if matches is None:
            return None if cell is None else f"no list of numbers: {cell!r}"
        return score(matches)

    return VerdictReader(metric, ("eval_match",), grade)


def _as_matches(cell: Any) -> list[float] | None:
    """A list of numbers or booleans, written out or not; None for anything else, and for none at all."""
    listed = _as_list(cell)
    if not listed or not all(isinstance(match, int | float) for match in listed):
        return None
    return [float(match) for match in listed]


def _as_list(cell: Any) -> list[Any] | None:
    """A list that a cell holds or that is written out in it."""
    if isinstance(cell, str) and len(cell) <= _LONGEST:
        try:
            cell = ast.literal_eval(cell.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return cell if isinstance(cell, list) else None


def _verdict(cell: Any) -> Any:
    """A cell that says right or wrong; anything else becomes a text that is not a grade."""
    grade = parse_grade(cell)
    return cell if grade in (0, 1) or (grade is not None and grade != grade) else f"neither 0 nor 1: {cell!r}"


def _judged(cell: Any) -> Any:
    """A judge's score; -1 is what VLMEvalKit writes where the judge failed."""
    return None if parse_grade(cell) == -1 else cell


def _equals_answer(row: Cells) -> bool | None:
    """Whether the answer that a judge extracted is the right one, by the question's type, as on MathVista.

    Unlike VLMEvalKit's own count, an answer that the judge could not extract is unknown, and a list or text is compared
    as it is (VLMEvalKit compares the text "None").
    """
    extracted, answer = _text(row["res"]), _text(row["answer"])
    if extracted is None or not extracted.strip():
        return None
    if cell_text(row["question_type"]) == "multi_choice":
        return _chosen(extracted, row)
    kind = cell_text(row["answer_type"])
    number = {"integer": int, "float": float}.get(kind or "")
    if answer is None or kind is None:
        return None
    if number is None:
        return extracted == answer
    try:
        return bool(number(extracted) == number(answer))
    except (ValueError, OverflowError):
        return False


def _text(cell: Any) -> str | None:
    """A cell as text, a whole number without a point."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else cell_text(cell)


def _chosen(extracted: str, row: Cells) -> bool | None:
    """Whether the option that was extracted is the right one."""
    answer, choices = cell_text(row.get("answer_option")), _as_list(row.get("choices"))
    if answer is None or not choices:
        return None
    options = {chr(ord("A") + i): str(choice).lower() for i, choice in enumerate(choices[:26])}
    return (_letter(extracted, options) or _only_option_in(extracted, options)) == answer.strip()


def _letter(text: str, options: Mapping[str, str]) -> str | None:
    """The one letter of an option among the text's words, near its end."""
    words = re.sub(r"[.()\[\],:;!*#{}]", " ", text).split()
    letters = [letter for letter in options if letter in words]
    return letters[0] if len(letters) == 1 and words.index(letters[0]) > len(words) - 5 else None


def _only_option_in(text: str, options: Mapping[str, str]) -> str | None:
    """The one option whose text is in a text that is not much longer than all options."""
    if len(text) > 2 * sum(map(len, options.values())):
        return None
    named = [letter for letter, option in options.items() if option in text.lower()]
    return named[0] if len(named) == 1 else None
