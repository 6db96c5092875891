"""How numbers of the memory spread: percentiles, and the histogram of novelty."""

from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, case, func, null, select

PERCENTILES = (50, 95)
_BINS = 10
_TOPS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # novelty is 1 less a cosine


def percentiles(
    connection: Connection, rows: Table, value: ColumnElement[Any], by: ColumnElement[Any] | None = None
) -> dict[Any, dict[str, float]]:
    """The percentiles of a column, for each group; under None where there are no groups.

    The value of the nearest rank, which is one that occurred.
    """
    group: ColumnElement[Any] = null() if by is None else by
    over: dict[str, Any] = {} if by is None else {"partition_by": by}
    ranked = (
        select(
            group.label("by"),
            value.label("value"),
            func.row_number().over(order_by=value, **over).label("place"),
            func.count().over(**over).label("number"),
        )
        .where(value.is_not(None))
        .subquery()
    )
    at = [
        func.max(case((ranked.c.place == (ranked.c.number * percent + 99) // 100, ranked.c.value)))
        for percent in PERCENTILES
    ]
    found = connection.execute(select(ranked.c.by, func.max(ranked.c.number), *at).group_by(ranked.c.by))
    return {
        vlm: {"number": number, **{f"p{percent}": float(one) for percent, one in zip(PERCENTILES, values, strict=True)}}
        for vlm, number, *values in found
    }


def novelty(connection: Connection, rows: Table) -> dict[str, Any] | None:
    """How many queries were how new; None if that is not known of any."""
    value = rows.c.novelty
    number, largest = connection.execute(select(func.count(value), func.max(value))).one()
    if not number:
        return None
    top = next((top for top in _TOPS if largest <= top), float(largest))
    edges = [top * place / _BINS for place in range(_BINS + 1)]
    below = connection.execute(select(*(func.count(case((value < edge, 1))) for edge in edges[1:-1]))).one()
    counts = [high - low for low, high in pairwise((0, *below, number))]
    return {"number": number, "edges": edges, "counts": counts}
