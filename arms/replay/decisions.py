"""The decisions of a log that another policy could have made, as arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.data.pictures import PictureSource

FloatArray = NDArray[np.float64]
Content = tuple[list[PictureSource], str]  # the pictures and the question of a decision
Contents = Callable[[Sequence[int]], list[Content | None]]  # of some rows; None where they were not kept


@dataclass(frozen=True, eq=False)
class Decisions:
    """N logged decisions over S VLMs, in the order of the log.

    Attributes
    ----------
    vlms : S names
    chosen : int array of shape (N,)
    propensity : float array of shape (N,)
    confidence : float array of shape (N, S); NaN where a VLM could not answer, or it is not known
    able : bool array of shape (N, S); the VLMs that could answer
    reward : float array of shape (N,); right or wrong, or a score; NaN without feedback
    cost_usd, latency_s : float arrays of shape (N,); NaN where unknown
    answered : int array of shape (N,); the VLM that answered, -1 where unknown
    groups : int array of shape (N,); decisions on the same pictures are in one
    contents : callable
        What was asked.
    greedy : int array of shape (N,), or None
        What the policy chose before exploration.
    left_out : dict of str to int
        Decisions that no policy could have made otherwise, by reason.
    """

    vlms: tuple[str, ...]
    chosen: NDArray[np.int64]
    propensity: FloatArray
    confidence: FloatArray
    able: NDArray[np.bool_]
    reward: FloatArray
    cost_usd: FloatArray
    latency_s: FloatArray
    answered: NDArray[np.int64]
    groups: NDArray[np.int64]
    contents: Contents
    greedy: NDArray[np.int64] | None = None
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def possible(self) -> NDArray[np.bool_]:
        """The VLMs that had a chance: all that could answer where the choice was drawn, else the chosen one."""
        possible = self.able & (self.propensity < 1)[:, None]
        possible[np.arange(len(self.chosen)), self.chosen] = True
        return possible

    @property
    def chance(self) -> FloatArray | None:
        """The chances of all VLMs, shape (N, S), where the policy's choice is known: the others are drawn evenly."""
        if self.greedy is None:
            return None
        rows, possible = np.arange(len(self.chosen)), self.possible
        others = np.maximum(possible.sum(axis=1) - 1, 1)
        by_policy = self.chosen == self.greedy
        even = np.where(by_policy, (1 - self.propensity) / others, self.propensity)
        chance = np.where(possible, even[:, None], 0.0)
        drawn = possible[rows, self.greedy]
        chance[rows[drawn], self.greedy[drawn]] = np.maximum(even, 1 - others * even)[drawn]
        chance[rows, self.chosen] = self.propensity
        return chance

    def with_vlms(self, names: Sequence[str]) -> "Decisions":
        """The same over a pool that has these VLMs too; they could answer nothing here."""
        new = [name for name in names if name not in self.vlms]
        shape = len(self.chosen), len(new)
        return replace(
            self,
            vlms=(*self.vlms, *new),
            confidence=np.concatenate([self.confidence, np.full(shape, np.nan)], axis=1),
            able=np.concatenate([self.able, np.zeros(shape, dtype=bool)], axis=1),
        )

    def where(self, rows: NDArray[np.bool_]) -> "Decisions":
        """Some of the decisions."""
        at = np.flatnonzero(rows)
        names = ("chosen", "propensity", "confidence", "able", "reward", "cost_usd", "latency_s", "answered", "groups")
        some: dict[str, Any] = {name: getattr(self, name)[at] for name in names}
        greedy = None if self.greedy is None else self.greedy[at]
        contents = self.contents
        return replace(self, **some, greedy=greedy, contents=lambda of: contents([int(at[row]) for row in of]))


def numbered(labels: Sequence[Any]) -> NDArray[np.int64]:
    """A number for each distinct label."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)
