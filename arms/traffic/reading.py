"""What a gateway's log holds, as tables: decisions with their ends, and what was said of each VLM's answer."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from arms.traffic.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Table

ROUTED = ("policy", "explore", "shadow")  # the reasons of decisions that the router made; their propensity is a draw's
_AT_ONCE = 200  # contents of one query


def read_decisions(store: Store, since: datetime | None = None) -> pd.DataFrame:
    """Every decision, the oldest first, with its end where one was recorded.

    Returns
    -------
    DataFrame
        The columns of the tables `DECISIONS` and `ANSWERS` of `arms.traffic.tables`; null where there was no end.
    """
    from sqlalchemy import select

    from arms.traffic.tables import ANSWERS, DECISIONS

    ends = [column for column in ANSWERS.c if column.name != "request_id"]
    wanted = select(*DECISIONS.c, *ends).select_from(DECISIONS.outerjoin(ANSWERS))
    wanted = wanted.order_by(DECISIONS.c.time, DECISIONS.c.request_id)
    if since is not None:
        wanted = wanted.where(DECISIONS.c.time >= since)
    return _frame(store, wanted)


def read_feedback(store: Store) -> pd.DataFrame:
    """What was said last of each VLM's answer: request_id, vlm, correct, score; a row for each request and VLM.

    Feedback without a VLM is on the one that answered; it is null, and so is nobody's, where that was not recorded. Of
    several values the latest counts, for `correct` and `score` each.
    """
    from sqlalchemy import func, select

    from arms.traffic.tables import ANSWERS, FEEDBACK

    about = func.coalesce(FEEDBACK.c.vlm, ANSWERS.c.vlm).label("vlm")
    joined = FEEDBACK.outerjoin(ANSWERS, FEEDBACK.c.request_id == ANSWERS.c.request_id)
    wanted = select(FEEDBACK.c.request_id, about, FEEDBACK.c.correct, FEEDBACK.c.score).select_from(joined)
    said = _frame(store, wanted.order_by(FEEDBACK.c.time, FEEDBACK.c.number))
    said = said.astype({"correct": "boolean", "score": "Float64"})
    return said.groupby(["request_id", "vlm"], sort=False, dropna=False)[["correct", "score"]].last().reset_index()


def read_questions(store: Store, sha256: Sequence[str]) -> dict[str, str]:
    """The questions that were kept, by their checksums."""
    from arms.traffic.tables import QUESTIONS

    return dict(_contents(store, QUESTIONS, sha256))


def read_pictures(store: Store, sha256: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The pictures that were kept, with their checksums, a few at a time."""
    from arms.traffic.tables import PICTURES

    return _contents(store, PICTURES, sha256)


def _contents(store: Store, table: "Table", sha256: Sequence[str]) -> Iterator[tuple[str, Any]]:
    from sqlalchemy import select

    keys = list(dict.fromkeys(sha256))
    for start in range(0, len(keys), _AT_ONCE):
        some = table.c.sha256.in_(keys[start : start + _AT_ONCE])
        with store.transaction("read") as connection:
            rows = connection.execute(select(table.c.sha256, table.c.content).where(some)).all()
        yield from ((row.sha256, row.content) for row in rows)


def _frame(store: Store, wanted: Any) -> pd.DataFrame:
    with store.transaction("read") as connection:
        found = connection.execute(wanted)
        return pd.DataFrame(found.all(), columns=list(found.keys()), dtype=object)
