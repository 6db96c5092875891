"""Routers that read answers: they ask some VLMs and take the answer of one."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from arms.baselines.centring import Centring
from arms.baselines.facts import Answers, Facts
from arms.errors import ArmsError
from arms.features.loader import Queries
from arms.features.pooled import FeatureKind
from arms.routers.base import Router
from arms.training.losses import masked_em

_BATCH_ROWS = 512  # queries that are scored at once; bounds the memory


@dataclass(frozen=True, eq=False)
class Consulted:
    """What came of asking.

    Attributes
    ----------
    confidence : ndarray of shape (N, S), float32, in [0, 1]
        The VLM of highest confidence is the choice. Above 0 exactly where a VLM was asked, so a query on which no
        answer is recorded has zeros alone.
    asked : ndarray of shape (N, S), bool
        Which VLMs were asked: the cost of each is charged.
    """

    confidence: np.ndarray
    asked: np.ndarray


@dataclass(frozen=True, eq=False)
class Replies:
    """N queries with the VLMs' answers to them, as nets read them.

    Attributes
    ----------
    vectors_ND : Tensor of shape (N, D), float32
        The queries' feature vectors.
    sides : tuple of Tensors of shape (N, D_a), float32
        The text and the image embedding, each only if it is as wide as the answers' embeddings.
    texts_UD : Tensor of shape (U, D_a), float32
        The distinct answers.
    rows_NS : ndarray of shape (N, S), int64
        The row of each VLM's answer, -1 where none is recorded.
    outcomes_NS : ndarray of shape (N, S), float32
        1 right, 0 wrong, NaN unknown or without an answer.
    """

    vectors_ND: Tensor
    sides: tuple[Tensor, ...]
    texts_UD: Tensor
    rows_NS: np.ndarray
    outcomes_NS: np.ndarray

    def __len__(self) -> int:
        return len(self.rows_NS)

    @property
    def recorded(self) -> np.ndarray:
        """Where an answer is recorded, bool of shape (N, S)."""
        return self.rows_NS >= 0

    @property
    def answer_width(self) -> int:
        """P, the width of what `inputs` gives for an answer."""
        return self.texts_UD.shape[1] * (1 + len(self.sides))

    def inputs(self, index_B: Tensor) -> tuple[Tensor, Tensor]:
        """Feature vectors (B, D), and answers (B, S, P) as [answer; answer * side, for each of `sides`], of B queries.

        Zeros stand for an answer that is not recorded.
        """
        rows_BS = torch.from_numpy(self.rows_NS)[index_B]
        texts_BSD = self.texts_UD[rows_BS.clamp(min=0)] * (rows_BS >= 0)[:, :, None]
        products = [texts_BSD * side[index_B][:, None] for side in self.sides]
        return self.vectors_ND[index_B], torch.cat([texts_BSD, *products], dim=-1)

    def subset(self, index: np.ndarray) -> Self:
        """The queries at these positions, in this order."""
        return type(self)(
            self.vectors_ND[index],
            tuple(side[index] for side in self.sides),
            self.texts_UD,
            self.rows_NS[index],
            self.outcomes_NS[index],
        )

    @torch.no_grad()
    def run(self, net: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
        """What a net makes of `inputs`, over all queries, in batches."""
        return np.concatenate(
            [net(*self.inputs(index)).numpy() for index in torch.arange(len(self)).split(_BATCH_ROWS)]
        )

    def em(self, scores_NS: np.ndarray) -> float:
        """EM of always taking the answer of highest score; 0 where no query is answerable."""
        return masked_em(scores_NS, self.outcomes_NS) or 0.0


class OutputAwareRouter(Router):
    """A router that reads the VLMs' answers; a subclass says what it learns from them and whom it asks.

    Before anyone has answered it has nothing to say, so `score` is an error and `consult` takes its place: queries
    with recorded answers are replayed, and a VLM without a recorded answer can neither be asked nor chosen.
    """

    learns_from_answers = True

    def __init__(self, vlms: Sequence[str], *, features: FeatureKind) -> None:
        self.vlms = tuple(vlms)
        self.features = features

    @abstractmethod
    def fit_replies(self, train: Replies, val: Replies | None, facts: Facts) -> None:
        """Learn from training answers; `val`, None without a judged answer, is only to choose on."""

    @abstractmethod
    def consult_replies(self, replies: Replies) -> Consulted:
        """Ask and choose; see `consult`."""

    def fit(
        self,
        queries: Queries,
        outcomes: np.ndarray,
        val_queries: Queries | None = None,
        val_outcomes: np.ndarray | None = None,
        *,
        facts: Facts | None = None,
        val_answers: Answers | None = None,
    ) -> Self:
        """Learn from the answers to the training queries; see `Router.fit`.

        Parameters
        ----------
        val_answers : Answers, optional
            The answers to the val queries; without them val is left out.

        Raises
        ------
        ArmsError
            If the facts hold no answers, or answers and queries do not go together.
        """
        facts = facts or Facts()
        if facts.answers is None:
            raise ArmsError(
                f"{type(self).__name__} learns from the VLMs' answers and got none: the dataset must have recorded "
                "outputs, in the column `output` of its outcomes"
            )
        self._centre(queries, facts.answers)
        train = self._replies(queries, facts.answers, outcomes)
        val = None
        if val_queries is not None and val_outcomes is not None and val_answers is not None:
            val = self._replies(val_queries, val_answers, val_outcomes)
        if val is not None and np.isnan(val.outcomes_NS).all():
            val = None
        self.fit_replies(train, val, facts)
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """Always an ArmsError: without answers there is nothing to score."""
        raise ArmsError(f"a {type(self).__name__} reads the VLMs' answers: call consult(queries, answers)")

    def consult(self, queries: Queries, answers: Answers) -> Consulted:
        """Replay who would be asked, and how sure the router is of each answer that it gets.

        Parameters
        ----------
        queries : Queries, N of them
        answers : Answers to these queries; the right answers in it are not looked at.

        Raises
        ------
        ArmsError
            If answers and queries do not go together, or the embeddings have another width than those of training.
        """
        unknown = np.full((len(queries), len(self.vlms)), np.nan, dtype=np.float32)
        return self.consult_replies(self._replies(queries, answers, unknown))

    def _centre(self, queries: Queries, answers: Answers) -> None:
        used = np.unique(answers.rows[answers.rows >= 0])
        self.text_centring = Centring.of(answers.vectors[used])
        self.centrings = {kind: Centring.of(self._matrix(queries, kind)) for kind in {self.features, *self._sides}}

    @property
    def _sides(self) -> tuple[FeatureKind, ...]:
        return (self.features,) if self.features in ("text", "image") else ("text", "image")

    def _replies(self, queries: Queries, answers: Answers, outcomes: np.ndarray) -> Replies:
        expected = (len(queries), len(self.vlms))
        for name, shape in (("answers.rows", answers.rows.shape), ("outcomes", np.shape(outcomes))):
            if shape != expected:
                raise ArmsError(f"{type(self).__name__}: expected {name} of shape {expected} (N, S), got {shape}")
        width = len(self.text_centring.mean_D)
        if answers.vectors.shape[1] != width:
            raise ArmsError(
                f"{type(self).__name__}: expected answers embedded at width {width}, as in training, got "
                f"{answers.vectors.shape[1]}"
            )
        parts = {kind: centring(self._matrix(queries, kind)) for kind, centring in self.centrings.items()}
        return Replies(
            parts[self.features],
            tuple(parts[kind] for kind in self._sides if parts[kind].shape[1] == width),
            self.text_centring(answers.vectors),
            np.array(answers.rows, dtype=np.int64),
            np.where(answers.rows < 0, np.nan, outcomes).astype(np.float32),
        )

    @staticmethod
    def _matrix(queries: Queries, kind: FeatureKind) -> np.ndarray:
        if queries.embeddings is None:
            raise ArmsError("these queries have no pooled embeddings; make them with arms.features.pooling")
        return queries.embeddings.matrix(kind)
