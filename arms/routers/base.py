"""What every router does: score queries; and what most do before: learn from queries with outcomes."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from arms.data.scores import Scores
from arms.features.labelled import Answers, Labelled
from arms.features.loader import Queries
from arms.routers.origin import Origin


@dataclass(frozen=True, eq=False)
class Consulted:
    """How sure a router is of each VLM, and which VLMs it asked to find out.

    Attributes
    ----------
    confidence : ndarray of shape (N, S), float32, in [0, 1]
        If the router asks VLMs, above 0 exactly where it asked.
    asked : ndarray of shape (N, S), bool, or None
        The VLMs that were asked, each at its cost; None if the router asks no VLM before it chooses.
    """

    confidence: np.ndarray
    asked: np.ndarray | None = None


class Scorer(ABC):
    """A router over a pool of VLMs, named in `vlms`, that is ready to route.

    Attributes
    ----------
    origin : Origin or None
        The dataset that it comes from, where that is known; it is saved with the router.
    """

    vlms: tuple[str, ...]
    origin: Origin | None = None

    @abstractmethod
    def score(self, queries: Queries) -> np.ndarray:
        """Confidence of each VLM on each query: shape (N, S), float32, in [0, 1]."""

    def origin_entry(self) -> dict[str, Any]:
        """The part of a checkpoint's description that says where the router comes from; `load_router` reads it."""
        return {} if self.origin is None else {"origin": self.origin.to_json()}

    def consult(self, queries: Queries, answers: Answers | None = None) -> Consulted:
        """Confidences as in `score`; a router that asks VLMs reads their recorded answers instead."""
        return Consulted(self.score(queries))

    @property
    def policy(self) -> dict[str, Any]:
        """The selection policy that goes with the scores (see `arms.selection`)."""
        return {"name": "argmax"}

    def scores(self, name: str, pool: str, queries: Queries, answers: Answers | None = None) -> Scores:
        """The score table of some queries, labelled with the names of the router and of its pool."""
        consulted = self.consult(queries, answers)
        return Scores(name, pool, queries.ids, self.vlms, consulted.confidence, self.policy, consulted.asked)


class BaseRouter(Scorer):
    """A router that learns from recorded outcomes.

    Attributes
    ----------
    learns_from_answers : bool
        `fit` reads `Labelled.answers`.
    asks_vlms : bool
        The router must see answers before it can choose, so `consult` reads them too.
    reads_queries : bool
        The router looks at the queries, not only at the outcomes.
    """

    learns_from_answers: ClassVar[bool] = False
    asks_vlms: ClassVar[bool] = False
    reads_queries: ClassVar[bool] = True

    @abstractmethod
    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Learn from recorded outcomes.

        Parameters
        ----------
        train : Labelled
            Over the pool: its VLMs are those of `vlms`, in that order.
        val : Labelled, optional
            For choosing among settings or epochs, and for calibration; no weights are trained on it.
        """
