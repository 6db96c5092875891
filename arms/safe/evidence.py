"""What is known about queries before it is joined: base rates, and what net and neighbours say beside them."""

from dataclasses import dataclass
from typing import Self

import numpy as np

_FIELDS = ("base", "contrasts", "support", "levels", "novelty", "forms")


@dataclass(frozen=True, eq=False)
class Evidence:
    """M queries seen by C sources.

    Logit of VLM j by source c: base[j] + levels[i, c] + contrasts[i, j, c]. A query's level is shared by all VLMs, so
    only contrasts choose between them.

    Attributes
    ----------
    base : ndarray of shape (M, S), logits
        Of the VLMs' base rates; the same for all queries of one training set.
    contrasts : ndarray of shape (M, S, C), logits
    support : ndarray of shape (M, S, C), in [0, 1]
        How many outcomes of the VLM a contrast rests on, as a share of the best-known VLM's.
    levels : ndarray of shape (M, C), logits
    novelty : ndarray of shape (M,), at least 0
        1 less the mean cosine of the nearest training queries.
    forms : ndarray of shape (M,), each a `QueryForm`
    """

    base: np.ndarray
    contrasts: np.ndarray
    support: np.ndarray
    levels: np.ndarray
    novelty: np.ndarray
    forms: np.ndarray

    def __len__(self) -> int:
        return len(self.novelty)

    def subset(self, index: np.ndarray) -> Self:
        """The queries at these positions."""
        return type(self)(*(getattr(self, name)[index] for name in _FIELDS))

    @classmethod
    def joined(cls, parts: list["Evidence"]) -> "Evidence":
        """The queries of all parts, one after the other."""
        return Evidence(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))


def centred(logits_MS: np.ndarray, base_S: np.ndarray, counts_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A source's logits as contrasts (M, S) and levels (M,).

    Parameters
    ----------
    base_S : ndarray of shape (S,)
    counts_S : ndarray of shape (S,), bool
        The VLMs whose mean is the level; those that were just added follow it.
    """
    beside_MS = logits_MS - base_S
    level_M = beside_MS[:, counts_S].mean(axis=1)
    return beside_MS - level_M[:, None], level_M
