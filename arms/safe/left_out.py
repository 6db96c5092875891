"""What nets and memories say about queries that they were fitted without."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from scipy.special import logit

from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.params.training import SafeParams
from arms.progress import progress_bar
from arms.routers.base import BaseRouter
from arms.safe.base_rates import base_rates
from arms.safe.evidence import Evidence
from arms.safe.folds import Fold, kinds_of
from arms.safe.joint import gather_evidence
from arms.safe.memory import Memory

NewNet = Callable[[], BaseRouter]  # an untrained net over the pool, with encoders of its own


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Evidence on queries that its sources had not seen.

    Attributes
    ----------
    evidence : Evidence
        Of M queries.
    outcomes : ndarray of shape (M, S)
    kinds : ndarray of shape (M,), str, or None
        Where whole kinds were left out; a task and a benchmark never have the same name here.
    """

    evidence: Evidence
    outcomes: np.ndarray
    kinds: np.ndarray | None


def leave_out(
    new_net: NewNet, folds: Sequence[Fold], train: Labelled, val: Labelled | None, params: SafeParams, jobs: int
) -> list[LeftOut]:
    """Fit a net and a memory without each fold's queries, and ask them about these.

    Parameters
    ----------
    jobs : int
        How many folds are fitted at once. With more than 1 each has a process of its own, and `new_net` is pickled.
    """
    parts = []
    with progress_bar("left-out fits", "fits") as progress:
        fits = Parallel(n_jobs=max(1, min(jobs, len(folds))), return_as="generator")
        for part in fits(delayed(_left_out)(new_net, fold, train, val, params) for fold in folds):
            parts.append(part)
            progress(len(parts), len(folds))
    return parts


def evidence_on(net: BaseRouter, memory: Memory, base: np.ndarray, old: np.ndarray, queries: Queries) -> Evidence:
    """What a net and a memory say about queries with embeddings; for `base` and `old` see `Joint`."""
    assert queries.embeddings is not None, "joining: expected queries with embeddings"
    return gather_evidence(net.score(queries), memory, memory.search(queries.embeddings), queries.forms, base, old)


def _left_out(new_net: NewNet, fold: Fold, train: Labelled, val: Labelled | None, params: SafeParams) -> LeftOut:
    rest, test = train.subset(fold.rest), train.subset(fold.test)
    net = new_net().fit(rest, None if val is None else _without(val, fold))
    memory = Memory.of(rest, params.index)
    base = logit(base_rates(rest.outcomes))
    kinds = None if fold.kinds is None else np.char.add(f"{fold.level} ", fold.kinds)
    everyone = np.ones(len(base), dtype=bool)
    return LeftOut(evidence_on(net, memory, base, everyone, test.queries), test.outcomes, kinds)


def _without(val: Labelled, fold: Fold) -> Labelled | None:
    """The val queries that may choose a left-out net's epoch: of other kinds than those left out."""
    kinds = None if fold.level is None else kinds_of(val, fold.level)
    if kinds is None or fold.kinds is None:
        return val
    kept = np.flatnonzero(~np.isin(kinds, np.unique(fold.kinds)))
    return val.subset(kept) if len(kept) else None
