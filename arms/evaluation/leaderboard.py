"""All routers in one table of numbers: quality, cost and, where they were measured, times; and who beats whom."""

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    "em", "em_low", "em_high", "em_all", "gain", "gain_low", "gain_high", "gap_closed", "cost_usd_per_1k", "rank_score",
)  # fmt: skip
# Of a pool without complete cases: what a partial replay gives.
PARTIAL_COLUMNS = tuple(f"partial_{name}" for name in COLUMNS[:7])
Json = dict[str, Any]


def leaderboard(metrics: Mapping[str, Json], times: Mapping[str, Json] | None = None) -> Json:
    """The routers of each split and pool, by falling EM.

    Parameters
    ----------
    metrics : router -> split -> pool -> its metrics
    times : router -> pool -> some of "fit_s", "us_per_query" and "single_us"; optional

    Returns
    -------
    dict: split -> pool -> router -> the `COLUMNS`, and its times; the `PARTIAL_COLUMNS` instead where the pool has no
    complete case to judge on. An empty split or pool has no routers.
    """
    board: Json = {}
    for router, splits in metrics.items():
        for split, pools in splits.items():
            for pool, values in pools.items():
                panel = board.setdefault(split, {}).setdefault(pool, {})
                columns = next((names for names in (COLUMNS, PARTIAL_COLUMNS) if values.get(names[0]) is not None), ())
                if columns:
                    own_times = (times or {}).get(router, {}).get(pool, {})
                    panel[router] = {name: values.get(name) for name in columns} | own_times
    return {
        split: {
            pool: dict(sorted(panel.items(), key=lambda row: (-next(iter(row[1].values())), row[0])))
            for pool, panel in pools.items()
        }
        for split, pools in board.items()
    }


def beaten(pairs: Sequence[Json]) -> Json:
    """Whom each router beats by the claims that hold for all pairs together: split -> pool -> router -> names.

    Parameters
    ----------
    pairs : records of `Judge.pairs`
    """
    found: Json = {}
    for pair in pairs:
        here = found.setdefault(pair["split"], {}).setdefault(pair["pool"], {})
        if pair["claim_low"] is not None and pair["claim_low"] > 0:
            here.setdefault(pair["router"], []).append(pair["other"])
        if pair["claim_high"] is not None and pair["claim_high"] < 0:
            here.setdefault(pair["other"], []).append(pair["router"])
    return found
