"""Which training queries to run a new VLM on first, so that few outcomes tell much about it."""

from pathlib import Path

import numpy as np
import pandas as pd

from arms.data.prepared import Prepared
from arms.errors import ArmsError
from arms.routers.saved import EncodingRouter
from arms.safe.memory import Memory
from arms.safe.router import SafeRouter

_BANDWIDTH = 0.25  # a query is like another by exp((cosine - 1) / bandwidth)
_MOST_QUERIES = 5000  # by which the mean likeness is estimated
_BATCH = 256  # queries
_SEED = 1


def plan_queries(memory: Memory, number: int) -> np.ndarray:
    """Choose queries that stand for all of the memory: its rows, int64, shape (number,) or as many as there are.

    Kernel herding (Chen, Welling and Smola 2010, arXiv:1203.3472): each query is the one most like all queries and
    least like those chosen before, argmax_x mean_i k(x, i) - sum_s k(x, s) / (t + 1) after t of them. So every prefix
    is a plan too, and each kind of query has about its share in it, which keeps the new VLM's base rate unbiased.

    Parameters
    ----------
    number : int
        At least 0.
    """
    vectors = memory.vectors
    mean_N = _mean_likeness(vectors)
    represented_N, free_N = np.zeros_like(mean_N), np.ones(len(vectors), dtype=bool)
    rows: list[int] = []
    for count in range(min(number, len(vectors))):
        wanted_N = np.where(free_N, mean_N - represented_N / (count + 1), -np.inf)
        row = int(wanted_N.argmax())
        rows.append(row)
        free_N[row] = False
        represented_N += _likeness(vectors @ vectors[row])
    return np.array(rows, dtype=np.int64)


def _mean_likeness(vectors: np.ndarray) -> np.ndarray:
    """How like all queries each one is on average, shape (N,); of many queries a part, drawn evenly, stands for all."""
    drawn = np.random.default_rng(_SEED).permutation(len(vectors))[:_MOST_QUERIES]
    total_N = np.zeros(len(vectors))
    for start in range(0, len(drawn), _BATCH):
        total_N += _likeness(vectors @ vectors[drawn[start : start + _BATCH]].T).sum(axis=1)
    return total_N / max(1, len(drawn))


def _likeness(cosine: np.ndarray) -> np.ndarray:
    likeness: np.ndarray = np.exp((cosine - 1) / _BANDWIDTH)
    return likeness


def plan_table(router: EncodingRouter, name: str, prepared: Prepared, images: Path, number: int) -> pd.DataFrame:
    """The plan for a router, most useful first: query_id, images (a list of their paths) and question.

    Parameters
    ----------
    router : EncodingRouter
        A safe router, as only that remembers its training queries.
    name : str
        What errors call it.
    prepared : Prepared
        The dataset that it was trained on.
    images : Path
        The folder that the dataset's image paths start from.
    number : int

    Raises
    ------
    ArmsError
        If the router is not a safe one, or was trained on queries that are not among the dataset's training queries.
    """
    if not isinstance(router, SafeRouter):
        raise ArmsError(
            f"{name}: expected a safe router, which remembers its training queries, to plan from, got "
            f"{type(router).__name__}; name one, such as data/routers/arms-base, made with safe.use: true"
        )
    train = prepared.split("train").set_index("query_id")
    ids = router.memory.ids
    if missing := [query_id for query_id in ids if query_id not in train.index]:
        raise ArmsError(
            f"{name}: expected its {len(ids)} training queries in the prepared dataset's train, {len(missing)} are "
            f"missing, such as {missing[0]!r}; set data in params.yaml to the data it was trained on"
        )
    table = train.loc[[ids[row] for row in plan_queries(router.memory, number)], ["images", "question"]].reset_index()
    return table.assign(images=[[str(images / image) for image in of] for of in table["images"]])
