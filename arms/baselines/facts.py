"""What else is recorded of training queries, for the routers that learn from more than who was right."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Answers:
    """What the VLMs answered to N queries, as embeddings of each distinct text.

    Attributes
    ----------
    vectors : ndarray of shape (U, D), float32, rows of unit norm
    rows : ndarray of shape (N, S), int64
        The row of each VLM's answer; -1 where no answer is recorded.
    truth_rows : ndarray of shape (N,), int64
        The row of the right answer; -1 where it is unknown.
    """

    vectors: np.ndarray
    rows: np.ndarray
    truth_rows: np.ndarray


@dataclass(frozen=True, eq=False)
class Facts:
    """Facts of N training queries and of the S VLMs; None where the dataset has none.

    Attributes
    ----------
    costs : ndarray of shape (N, S), float32, USD, or None
        What each answer cost, or an estimate; no NaN.
    tags : ndarray of shape (N,), str, or None
        The task that each query belongs to.
    profiles : ndarray of shape (S, D), float32, rows of unit norm, or None
        The text encoder's embedding of each VLM's profile sentence.
    answers : Answers or None
    """

    costs: np.ndarray | None = None
    tags: np.ndarray | None = None
    profiles: np.ndarray | None = None
    answers: Answers | None = None
