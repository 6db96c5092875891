"""All routers in one table of numbers: quality, cost and, where they were measured, times; and who beats whom."""

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("em", "em_low", "em_high", "gain", "gain_low", "gain_high", "gap_closed", "cost_usd_per_1k", "rank_score")
Json = dict[str, Any]


def leaderboard(metrics: Mapping[str, Json], times: Mapping[str, Json] | None = None) -> Json:
    """The routers of each split and pool, by falling EM.

    Parameters
    ----------
    metrics : router -> split -> pool -> its metrics
    times : router -> pool -> some of "fit_s", "us_per_query" and "single_us"; optional

    Returns
    -------
    dict: split -> pool -> router -> the `COLUMNS`, and its times; an empty split or pool has no routers
    """
    board: Json = {}
    for router, splits in metrics.items():
        for split, pools in splits.items():
            for pool, values in pools.items():
                panel = board.setdefault(split, {}).setdefault(pool, {})
                if values["em"] is not None:
                    panel[router] = {name: values.get(name) for name in COLUMNS} | (times or {}).get(router, {}).get(
                        pool, {}
                    )
    return {
        split: {
            pool: dict(sorted(panel.items(), key=lambda row: (-row[1]["em"], row[0]))) for pool, panel in pools.items()
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
