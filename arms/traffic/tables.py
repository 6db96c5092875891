"""The tables of a gateway's memory. A change of any is a new VERSION."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

VERSION = 1


class AnyText(TypeDecorator[str]):
    """Text from strangers: what a database cannot hold counts as U+FFFD, the replacement character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        """Such as halves of surrogate pairs and, in PostgreSQL, the character 0."""
        if value is None or (value.isascii() and "\0" not in value):
            return value
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole.replace("\0", "\ufffd")


class UtcTime(TypeDecorator[datetime]):
    """A moment; it comes back in UTC, also from SQLite, which knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """In UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """In UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA = MetaData()

ABOUT = Table("arms_memory", METADATA, Column("version", Integer, nullable=False))

DECISIONS = Table(
    "arms_decisions",
    METADATA,
    Column("request_id", AnyText, primary_key=True),
    Column("time", UtcTime, nullable=False, index=True),
    Column("image_sha256", JSON, nullable=False),
    Column("question_sha256", Text, nullable=False),
    Column("policy", AnyText, nullable=False),
    Column("confidences", JSON, nullable=False),
    Column("unable", JSON, nullable=False),
    Column("novelty", Double),
    Column("chosen", AnyText, nullable=False),
    Column("greedy", AnyText, nullable=False),
    Column("propensity", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("router", AnyText, nullable=False),
    Column("session", AnyText),
    Column("expected_cost_usd", Double),
)

ANSWERS = Table(
    "arms_answers",
    METADATA,
    Column("request_id", AnyText, ForeignKey(DECISIONS.c.request_id), primary_key=True),
    Column("vlm", AnyText),
    Column("fallbacks", JSON, nullable=False),
    Column("status", Integer, nullable=False),
    Column("decision_s", Double, nullable=False),
    Column("first_byte_s", Double),
    Column("latency_s", Double, nullable=False),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("cost_usd", Double),
    Column("output", AnyText),
)

# Feedback is never overwritten: of what was said of one VLM's answer, the latest counts.
FEEDBACK = Table(
    "arms_feedback",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("request_id", AnyText, ForeignKey(DECISIONS.c.request_id), nullable=False, index=True),
    Column("vlm", AnyText),
    Column("correct", Boolean),
    Column("score", Double),
    Column("time", UtcTime, nullable=False),
)

# What is kept only if asked for, once for each content; `time` is that of its last use.
QUESTIONS = Table(
    "arms_questions",
    METADATA,
    Column("sha256", Text, primary_key=True),
    Column("content", AnyText, nullable=False),
    Column("time", UtcTime, nullable=False, index=True),
)
PICTURES = Table(
    "arms_pictures",
    METADATA,
    Column("sha256", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("time", UtcTime, nullable=False, index=True),
)
