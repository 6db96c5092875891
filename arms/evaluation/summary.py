"""The ten numbers of a run that a user looks at first: what `dvc metrics diff` and `dvc exp show` print."""

from collections.abc import Mapping
from typing import Any

# Of ARMS, by split and pool.
SHOWN = {
    "id": {"base": ("em", "gain"), "extended": ("em", "gain", "gain_low", "gain_high", "over_knn")},
    "ood": {"base": ("em",), "extended": ("em", "gain")},
}
Json = dict[str, Any]


def summary(data: str, arms: Mapping[str, Any]) -> Json:
    """The dataset's name, and of ARMS its EM, its gain over the best single VLM, with its interval, and over kNN.

    Parameters
    ----------
    data : str
    arms : mapping
        split -> pool -> its metrics; what it lacks is None.
    """
    of_arms: Json = {
        split: {pool: {name: arms[split][pool].get(name) for name in names} for pool, names in pools.items()}
        for split, pools in SHOWN.items()
    }
    return {"data": data, **of_arms}
