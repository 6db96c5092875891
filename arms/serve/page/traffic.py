"""What happened lately, from the memory: who answered, how new the queries were, times, costs, and how often right.

The database counts, in one statement for each question.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    select,
)

from arms.serve.exchange import CLIENT_LEFT
from arms.serve.page.estimates import accuracy, compare_costs
from arms.serve.page.spread import novelty, percentiles
from arms.traffic.store import Store
from arms.traffic.tables import ANSWERS, DECISIONS, FEEDBACK

SPANS: dict[str, timedelta | None] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
    "all": None,
}


def traffic(store: Store, span: str, single: str, now: datetime) -> dict[str, Any]:
    """The traffic of a span of time up to now, as the page shows it.

    Parameters
    ----------
    store : Store
    span : str
        One of `SPANS`; requests count by the time of their decision.
    single : str
        The best single VLM, with which costs are compared.
    now : datetime
    """
    length = SPANS[span]
    since = None if length is None else now - length
    with store.transaction("read") as connection, _rows(connection, since) as rows:
        requests, reasons = _requests(connection, rows), _reasons(connection, rows)
        vlms = _vlms(connection, rows)
        judged, overall = _feedback(connection, rows)
        latency = percentiles(connection, rows, rows.c.latency_s, rows.c.answered_by)
        for vlm in {*judged, *latency} - vlms.keys():
            vlms[vlm] = dict.fromkeys(("chosen", "answered", "num_costs"), 0) | {"cost_usd": None}
        return {
            "span": span,
            "since": None if since is None else since.isoformat(),
            "until": now.astimezone(UTC).isoformat(),
            "requests": requests,
            "reasons": reasons,
            "vlms": [
                {
                    "vlm": vlm,
                    **counts,
                    "share": counts["answered"] / requests["answered"] if requests["answered"] else None,
                    "latency_s": latency.get(vlm),
                    "feedback": judged.get(vlm),
                }
                for vlm, counts in sorted(vlms.items(), key=lambda one: (-one[1]["answered"], one[0]))
            ],
            "latency_s": percentiles(connection, rows, rows.c.latency_s).get(None),
            "first_byte_s": percentiles(connection, rows, rows.c.first_byte_s).get(None),
            "decision_s": percentiles(connection, rows, rows.c.decision_s).get(None),
            "novelty": novelty(connection, rows),
            "cost": compare_costs(connection, rows, single),
            "feedback": overall,
        }


@contextmanager
def _rows(connection: Connection, since: datetime | None) -> Iterator[Table]:
    """A row for each decision, with how it ended; `answered_by` only if a VLM did answer.

    They are joined once, into a table that only this connection sees.
    """
    answered = and_(ANSWERS.c.vlm.is_not(None), ANSWERS.c.status < 400)
    chosen = select(
        DECISIONS.c.request_id,
        DECISIONS.c.chosen,
        DECISIONS.c.reason,
        DECISIONS.c.novelty,
        ANSWERS.c.vlm,
        case((answered, ANSWERS.c.vlm)).label("answered_by"),
        ANSWERS.c.status,
        cast(ANSWERS.c.fallbacks, Text).label("fallbacks"),
        ANSWERS.c.decision_s,
        ANSWERS.c.first_byte_s,
        case((answered, ANSWERS.c.latency_s)).label("latency_s"),
        case((answered, ANSWERS.c.cost_usd)).label("cost_usd"),
    ).select_from(DECISIONS.outerjoin(ANSWERS, DECISIONS.c.request_id == ANSWERS.c.request_id))
    made = (chosen if since is None else chosen.where(DECISIONS.c.time >= since)).into("arms_watched", temporary=True)
    connection.execute(made)
    yield made.table
    made.table.drop(connection)


def _requests(connection: Connection, rows: Table) -> dict[str, int]:
    """How many there were, and how they ended."""
    row = rows.c
    ends = {
        "decided": func.count(),
        "answered": func.count(row.answered_by),
        "failed": _number(and_(row.status >= 400, row.status != CLIENT_LEFT)),
        "client_left": _number(row.status == CLIENT_LEFT),
        "only_decided": _number(row.status.is_(None)),
        "fell_back": _number(row.fallbacks != "[]"),
        "failed_open": _number(row.reason == "default"),
    }
    counted = connection.execute(select(*(count.label(name) for name, count in ends.items())).select_from(rows)).one()
    return {name: int(getattr(counted, name) or 0) for name in ends}


def _reasons(connection: Connection, rows: Table) -> dict[str, int]:
    counted = select(rows.c.reason, func.count()).group_by(rows.c.reason).order_by(rows.c.reason)
    return dict(connection.execute(counted).all())


def _vlms(connection: Connection, rows: Table) -> dict[str, dict[str, Any]]:
    """For each VLM how often it was chosen and did answer, and what its answers cost."""
    counted = select(rows.c.chosen, func.count()).group_by(rows.c.chosen)
    chosen = {str(vlm): int(number) for vlm, number in connection.execute(counted)}
    answers = select(rows.c.answered_by, func.count(), func.count(rows.c.cost_usd), func.sum(rows.c.cost_usd)).where(
        rows.c.answered_by.is_not(None)
    )
    answered = {vlm: more for vlm, *more in connection.execute(answers.group_by(rows.c.answered_by))}
    counts = {}
    for vlm in {*chosen, *answered}:
        count, num_costs, cost = answered.get(vlm, (0, 0, None))
        counts[vlm] = {"chosen": chosen.get(vlm, 0), "answered": count, "num_costs": num_costs, "cost_usd": cost}
    return counts


def _feedback(connection: Connection, rows: Table) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """How often each VLM was right by what was said of it, and how often the answer that was given.

    Feedback that names no VLM is about the one that answered, or was chosen where no answer is recorded. Of what was
    said of one VLM's answer, the latest counts.
    """
    given = func.coalesce(rows.c.vlm, case((rows.c.status.is_(None), rows.c.chosen)))
    about = func.coalesce(FEEDBACK.c.vlm, given)
    said = FEEDBACK.join(rows, FEEDBACK.c.request_id == rows.c.request_id)
    latest = (
        select(func.max(FEEDBACK.c.number))
        .select_from(said)
        .where(FEEDBACK.c.correct.is_not(None), about.is_not(None))
        .group_by(FEEDBACK.c.request_id, about)
    )
    counted = (
        select(
            about,
            func.count(),
            _number(FEEDBACK.c.correct.is_(True)),
            func.count(case((about == given, 1))),
            _number(and_(about == given, FEEDBACK.c.correct.is_(True))),
        )
        .select_from(said)
        .where(FEEDBACK.c.number.in_(latest))
        .group_by(about)
    )
    found = connection.execute(counted).all()
    own_right, own = sum(row[4] for row in found), sum(row[3] for row in found)
    return {vlm: accuracy(right, judged) for vlm, judged, right, _, _ in found}, accuracy(own_right, own)


def _number(condition: Any) -> Any:
    """How many rows fulfil a condition."""
    return func.count(case((condition, 1)))
