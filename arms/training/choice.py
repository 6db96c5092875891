"""Which training queries a router learns from."""

from collections.abc import Sequence

import numpy as np

from arms.features.labelled import Labelled
from arms.params.training import TrainParams


def choose_queries(train: Labelled, base: Sequence[str], params: TrainParams) -> Labelled:
    """All training queries, or with `queries: answerable` those that a VLM of the base pool is known to answer.

    Published routers see no others: the paper removes a query that no free VLM answers before it asks the paid ones.

    Parameters
    ----------
    base : sequence of str
        The base pool; some of the VLMs of `train`.
    """
    if params.queries == "all":
        return train
    return train.subset(np.flatnonzero((train.over(base).outcomes == 1).any(axis=1)))
