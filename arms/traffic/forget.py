"""Forgetting what was kept of old requests: pictures, questions and outputs; decisions and feedback stay."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from arms.errors import ArmsError
from arms.traffic.store import open_store


@dataclass(frozen=True)
class Forgotten:
    """How many contents were removed."""

    pictures: int
    questions: int
    outputs: int


def forget(place: str, keep_days: float, now: datetime | None = None) -> Forgotten:
    """Remove what was kept of requests older than some days; a picture that was sent again is as young as then.

    SQLite overwrites what it removes, so that nothing of it is left in the file; PostgreSQL does at its next vacuum.

    Parameters
    ----------
    place : str
        See `arms.traffic.store.open_store`.
    keep_days : float, at least 0

    Raises
    ------
    ArmsError
        If the number of days is negative, or the log cannot be opened or written.
    """
    if not 0 <= keep_days < 1e6:
        raise ArmsError(f"keep_days: expected a number of days from 0 on, got {keep_days}")
    store = open_store(place)

    from sqlalchemy import delete, select, update

    from arms.traffic.tables import ANSWERS, DECISIONS, PICTURES, QUESTIONS

    before = (now or datetime.now(UTC)) - timedelta(days=keep_days)
    old = select(DECISIONS.c.request_id).where(DECISIONS.c.time < before)
    outputs = ANSWERS.c.output.is_not(None) & ANSWERS.c.request_id.in_(old)
    try:
        with store.transaction("written") as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete = ON")
            gone = Forgotten(
                pictures=connection.execute(delete(PICTURES).where(PICTURES.c.time < before)).rowcount,
                questions=connection.execute(delete(QUESTIONS).where(QUESTIONS.c.time < before)).rowcount,
                outputs=connection.execute(update(ANSWERS).where(outputs).values(output=None)).rowcount,
            )
        with store.transaction("written") as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")  # its log holds older pages
    finally:
        store.close()
    return gone
