"""How a decision, an answer and feedback are written, each in a transaction that the writer opens and commits."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from arms.errors import ArmsError
from arms.serve.decisions import Answer, Decision, Feedback
from arms.serve.memory.errors import DoubledRequestError, UnknownRequestError
from arms.traffic.tables import ANSWERS, DECISIONS, FEEDBACK, PICTURES, QUESTIONS


@dataclass(frozen=True)
class Kept:
    """A question or picture that is to be kept, and when it was used."""

    table: Table
    sha256: str
    content: str | bytes
    time: datetime

    def write(self, connection: Connection) -> None:
        """Keep it once; where it is there, it was used again."""
        known = self.table.update().where(self.table.c.sha256 == self.sha256).values(time=self.time)
        if not connection.execute(known).rowcount:
            _insert_new(connection, self.table, {"sha256": self.sha256, "content": self.content, "time": self.time})


@dataclass(frozen=True)
class Entry:
    """What one call writes: contents to keep, and rows."""

    write: Callable[[Connection], None]
    kept: tuple[Kept, ...] = ()


def decision_entry(decision: Decision, *, keep_questions: bool, keep_images: bool) -> Entry:
    """A decision, with its question and pictures if they are to be kept; an ArmsError if propensity is no chance."""
    row = asdict(decision)
    question, images = row.pop("question"), row.pop("images")
    kept: list[Kept] = []
    if keep_questions and question is not None:
        kept.append(Kept(QUESTIONS, decision.question_sha256, question, decision.time))
    if keep_images and images is not None:
        named = zip(decision.image_sha256, images, strict=True)
        kept += [Kept(PICTURES, sha256, content, decision.time) for sha256, content in named]
    if not 0 < decision.propensity <= 1:
        raise ArmsError(f"decision.propensity: expected a number in (0, 1], got {decision.propensity}")

    def write(connection: Connection) -> None:
        if not _insert_new(connection, DECISIONS, row):
            raise DoubledRequestError(f"request {decision.request_id!r}: expected a new id, got one that is taken")

    return Entry(write, tuple(kept))


def answer_entry(answer: Answer, *, keep_outputs: bool) -> Entry:
    """How a request ended, with the output if it is to be kept."""
    row = asdict(answer) | ({} if keep_outputs else {"output": None})

    def write(connection: Connection) -> None:
        _check_known(connection, answer.request_id)
        if not _insert_new(connection, ANSWERS, row):
            raise DoubledRequestError(f"request {answer.request_id!r}: expected one end of it, got a second one")

    return Entry(write)


def feedback_entry(feedback: Feedback) -> Entry:
    """What was said of an answer; an ArmsError if nothing is said, or the score is out of range."""
    if feedback.correct is None and feedback.score is None:
        raise ArmsError(f"feedback on {feedback.request_id!r}: expected correct, score or both, got neither")
    if feedback.score is not None and not (math.isfinite(feedback.score) and 0 <= feedback.score <= 1):
        raise ArmsError(f"feedback on {feedback.request_id!r}: expected a score from 0 to 1, got {feedback.score}")

    def write(connection: Connection) -> None:
        _check_known(connection, feedback.request_id)
        connection.execute(FEEDBACK.insert().values(asdict(feedback)))

    return Entry(write)


def _check_known(connection: Connection, request_id: str) -> None:
    if connection.execute(select(DECISIONS.c.chosen).where(DECISIONS.c.request_id == request_id)).first() is None:
        raise UnknownRequestError(f"request {request_id!r}: expected the id of a decision, there is none")


def _insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert a row; False if its key is taken."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    written = insert(table).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(written, row).first() is not None
