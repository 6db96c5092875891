"""What is estimated from the memory: how often a VLM is right, and what the best single VLM would have cost."""

from math import sqrt
from typing import Any

from scipy.stats import binomtest, t
from sqlalchemy import Connection, Table, func, select

_LEVEL = 0.95


def accuracy(right: int, judged: int) -> dict[str, Any] | None:
    """The share that was right, with Wilson's interval; None if nothing was judged."""
    if not judged:
        return None
    interval = binomtest(right, judged).proportion_ci(_LEVEL, method="wilson")
    return {
        "right": right,
        "judged": judged,
        "accuracy": right / judged,
        "low": float(interval.low),
        "high": float(interval.high),
    }


def compare_costs(connection: Connection, rows: Table, single: str) -> dict[str, Any]:
    """What the answers cost, and what they would have cost if the best single VLM had given them all.

    The latter is the mean cost of its own answers in the span, times the number of answers of known cost, with an
    interval by Student's t. Requests whose client named the VLM are left out: the gateway did not choose there.
    """
    cost = rows.c.cost_usd
    number, actual = connection.execute(select(func.count(cost), func.sum(cost)).where(rows.c.reason != "named")).one()
    of, mean, squares = connection.execute(
        select(func.count(cost), func.avg(cost), func.avg(cost * cost)).where(rows.c.answered_by == single)
    ).one()
    compared: dict[str, Any] = {"single": single, "number": number, "actual_usd": actual, "single_number": of}
    if not of or not number:
        return compared | dict.fromkeys(("single_usd", "single_low_usd", "single_high_usd"))
    half = None if of < 2 else _half_width(of, mean, squares)
    return compared | {
        "single_usd": mean * number,
        "single_low_usd": None if half is None else max(0.0, mean - half) * number,
        "single_high_usd": None if half is None else (mean + half) * number,
    }


def _half_width(number: int, mean: float, squares: float) -> float:
    """Of the interval of a mean."""
    deviation = sqrt(max(0.0, squares - mean * mean) * number / (number - 1))
    return float(t.ppf((1 + _LEVEL) / 2, number - 1)) * deviation / sqrt(number)
