"""How long routers take to score, and how many times as fast one is as another."""

import statistics
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.routers.base import BaseRouter
from benchmarks.record import Line
from benchmarks.timing import seconds

UNIT = "us/query"
CPU = torch.device("cpu")


def batch_us(router: BaseRouter, scored: Labelled) -> float:
    """Microseconds a query, all scored at once; a router that reads answers receives all of them."""
    return seconds(partial(router.consult, scored.queries, scored.answers), CPU) / len(scored) * 1e6


def single_us(router: BaseRouter, queries: Queries, num: int) -> float:
    """Median of the microseconds that each of the first `num` queries takes alone."""
    alone = [queries.subset(np.array([row])) for row in range(num)]
    return statistics.median(seconds(partial(router.score, query), CPU) for query in alone) * 1e6


def times_as_fast(own: Line, other: Line, *, at_least: float | None = None) -> Line:
    """A line of times compared with another one: its time over this one's, run by run."""
    ratios = tuple(its / mine for mine, its in zip(own.runs, other.runs, strict=True))
    return replace(own, reference=f"{other.name} (times as fast)", ratios=ratios, at_least=at_least)
