"""Joins the runs of several VLMs, read row by row, into outcome tables."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from arms.data.tables import QUERIES, SHARES
from arms.importers.base import Log
from arms.importers.joined_runs import JoinedRuns
from arms.importers.set_aside import SetAside
from arms.importers.texts import as_text, encodable_texts, shown
from arms.importers.verdicts import GradeRule, grade_all, parse_grade

_TEXTS = ("benchmark", "task", "language", "question", "answer")
_NUMBERS = {
    "cost_usd": "cost",
    "latency_s": "latency",
    **{column: column for column in SHARES},
}  # as messages call them
_COLUMNS = ("query_id", "vlm", "grade", "metric", "output", *_NUMBERS, "run", "known")


@dataclass(frozen=True, kw_only=True)
class QueryRow:
    """What one run says of a query; `query_id` is the key on which runs are joined."""

    query_id: str
    benchmark: str
    task: str
    language: str
    question: Any  # text, or the row is set aside
    image: str | Sequence[str] | None  # references, see `ImageIntake`; an empty list: none was sent; None: unknown
    answer: Any = None  # text or what can be written as text; None where unknown
    group: str | None = None  # queries of one stay on one side of a split
    split: str | None = None  # as recorded


@dataclass
class LogBuilder:
    """Collects queries and outcomes; the first run that has a query describes it, later ones must agree on its answer.

    Where a VLM has several runs, each is opened with `open_run`, newest first, and its outcomes name it.

    Parameters
    ----------
    aside : SetAside
    rule : GradeRule
        What makes a grade right.
    verdict_metrics : collection of str
        Metrics that say right or wrong in themselves, with 1 and 0, whatever the rule.
    """

    aside: SetAside
    rule: GradeRule
    verdict_metrics: Collection[str] = ()
    _queries: dict[str, QueryRow] = field(default_factory=dict)
    _first_seen: dict[str, str] = field(default_factory=dict)  # where a query was described
    _outcomes: list[tuple[Any, ...]] = field(default_factory=list)  # by `_COLUMNS`
    _vlms: dict[str, None] = field(default_factory=dict)
    _runs: JoinedRuns = field(default_factory=JoinedRuns)

    def open_run(self, vlm: str, part: str, where: str) -> int:
        """Name a run of a VLM on a part of the log, the newest first; returns what its outcomes call it."""
        return self._runs.open(vlm, part, where)

    def add_query(self, row: QueryRow, where: str) -> bool:
        """Describe a query; False, and set aside, if it has no id or text, or is another version of a known one."""
        if not isinstance(row.query_id, str) or not row.query_id.strip():
            self.aside.add("query without an id", where, "give the query an id of its own", detail=shown(row.query_id))
            return False
        if not isinstance(row.question, str):
            self.aside.add("question that is not text", where, "write the question as text", detail=shown(row.question))
            return False
        if not (row.answer is None or isinstance(row.answer, str)):
            row = replace(row, answer=as_text(row.answer))
        known = self._queries.setdefault(row.query_id, row)
        first = self._first_seen.setdefault(row.query_id, where)
        if known is row:
            return True
        if None not in (known.answer, row.answer) and known.answer != row.answer:
            self.aside.add(
                "answer differs from another run's",
                where,
                "import runs of one version of the benchmark",
                detail=f"{row.query_id}: {shown(row.answer)}, {shown(known.answer)} in {first}",
            )
            return False
        if known.question != row.question:
            self.aside.note(
                "question differs from another run's",
                where,
                "nothing if the runs have prompts of their own; the first one is kept",
                detail=f"{row.query_id}: as in {first}",
            )
        if (known.answer is None and row.answer is not None) or (known.image is None and row.image is not None):
            self._queries[row.query_id] = replace(
                known,
                answer=row.answer if known.answer is None else known.answer,
                image=row.image if known.image is None else known.image,
            )
        return True

    def add_outcome(
        self,
        where: str,
        query_id: str,
        vlm: str,
        *,
        grade: Any,
        metric: str,
        output: Any = None,
        cost_usd: Any = None,
        latency_s: Any = None,
        score: Any = None,
        propensity: Any = None,
        run: int = -1,
    ) -> None:
        """Add how a VLM did on a query that `add_query` took; a value that is not a grade is reported, and unknown.

        Without a VLM's name, a text on one line, it is set aside. Of several runs the newest verdict counts. Without a
        score, a grade that is a share is the score too.
        """
        if not isinstance(vlm, str) or not vlm.strip() or not vlm.isprintable():
            self.aside.add("outcome without a VLM's name", where, "name the VLM", detail=shown(vlm))
            return
        self._vlms.setdefault(vlm)
        number = parse_grade(grade, self.rule.words)
        if number is None:
            self.aside.note(
                "value that is not a grade", where, "grade the answer with 0 or 1", detail=f"{metric}: {shown(grade)}"
            )
            grade = None
        known = number is not None and not math.isnan(number)
        given = {"cost_usd": cost_usd, "latency_s": latency_s, "score": score, "propensity": propensity}
        numbers = [None if value is None else self._number(column, value, where) for column, value in given.items()]
        self._outcomes.append((query_id, vlm, grade, metric, as_text(output), *numbers, run, known))

    def _number(self, column: str, value: Any, where: str) -> float | None:
        """An amount or share; what is something else is noted, and unknown."""
        number, shares = as_amount(value), SHARES.get(column)
        if number is not None and shares is not None and not shares.hold(number):
            number = None
        if number is None and value == value:
            self.aside.note(not_a_number(column), where, "correct it; it is taken as unknown", detail=shown(value))
        return number

    def build(self) -> Log:
        """The log as tables."""
        outcomes = pd.DataFrame(self._outcomes, columns=list(_COLUMNS), dtype=object)
        outcomes = outcomes.astype({**dict.fromkeys(_NUMBERS, float), "run": int, "known": bool})
        kept = self._runs.newest(outcomes, self.aside)
        outcomes = outcomes[kept].drop(columns=["run", "known"]).reset_index(drop=True)
        graded = grade_all(outcomes.pop("grade"), outcomes.pop("metric"), self.rule, self.verdict_metrics)
        correct, scores, verdicts = graded
        outcomes.insert(2, "correct", pd.Series(correct, dtype="boolean"))
        outcomes["score"] = outcomes["score"].fillna(pd.Series(scores))
        outcomes = outcomes.drop(columns=[column for column in SHARES if outcomes[column].isna().all()])
        rows = [vars(row) for row in self._queries.values()]
        columns = ["query_id", *_TEXTS, *(name for name in QUERIES.optional if any(row.get(name) for row in rows))]
        queries = encodable_texts(pd.DataFrame(rows, columns=columns, dtype=object)).astype("str")
        images = pd.DataFrame({"images": pd.Series([_listed(row["image"]) for row in rows], dtype=object)})
        queries = queries.join(encodable_texts(images))
        return Log(queries, encodable_texts(outcomes), tuple(self._vlms), verdicts)


def _listed(image: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """The references of a query's images, where there may be one by itself."""
    return (image,) if isinstance(image, str) else None if image is None else tuple(image)


def not_a_number(column: str) -> str:
    """What is wrong with a value of a column of numbers that is none, or none that it can hold."""
    return f"{_NUMBERS[column]} that is not {f'in {SHARES[column]}' if column in SHARES else 'an amount'}"


def as_amount(value: Any) -> float | None:
    """A cost or latency as a finite number >= 0; None for anything else."""
    if isinstance(value, str):
        try:
            value = None if "_" in value else float(value)  # float() would take 1_0 for 10
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None
