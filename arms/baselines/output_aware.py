"""Routers that read answers: they ask some VLMs and take the answer of one."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from arms.baselines.centring import Centring
from arms.errors import ArmsError
from arms.features.labelled import Answers, Labelled
from arms.features.loader import Queries
from arms.features.pooled import FeatureKind
from arms.routers.base import BaseRouter, Consulted

_BATCH_ROWS = 512  # queries that are scored at once; bounds the memory


@dataclass(frozen=True, eq=False)
class ReadAnswers:
    """N queries with the VLMs' answers to them, as nets read them.

    Attributes
    ----------
    labelled : Labelled
        The queries; an outcome without a recorded answer is unknown (NaN).
    rows_NS : ndarray of shape (N, S), int64
        The row of each VLM's answer in `texts_UD`; -1 where none is recorded.
    vectors_ND : Tensor of shape (N, D), float32
        The queries' feature vectors.
    sides : tuple of Tensors of shape (N, D_a), float32
        The text and the image embedding, each only if it is as wide as the answers' embeddings.
    texts_UD : Tensor of shape (U, D_a), float32
        The distinct answers.
    """

    labelled: Labelled
    rows_NS: np.ndarray
    vectors_ND: Tensor
    sides: tuple[Tensor, ...]
    texts_UD: Tensor

    def __len__(self) -> int:
        return len(self.labelled)

    @property
    def outcomes(self) -> np.ndarray:
        """1 right, 0 wrong, NaN unknown or without an answer: shape (N, S), float32."""
        return self.labelled.outcomes

    @property
    def recorded(self) -> np.ndarray:
        """Where an answer is recorded, bool of shape (N, S)."""
        return self.rows_NS >= 0

    @property
    def answer_width(self) -> int:
        """P, the width of an answer in `inputs`."""
        return self.texts_UD.shape[1] * (1 + len(self.sides))

    def inputs(self, index_B: Tensor) -> tuple[Tensor, Tensor]:
        """Feature vectors (B, D) and answers (B, S, P) of B queries.

        An answer is [answer; answer * side, for each of `sides`]; one that is not recorded is all zeros.
        """
        rows_BS = torch.from_numpy(self.rows_NS)[index_B]
        texts_BSD = self.texts_UD[rows_BS.clamp(min=0)] * (rows_BS >= 0)[:, :, None]
        products = [texts_BSD * side[index_B][:, None] for side in self.sides]
        return self.vectors_ND[index_B], torch.cat([texts_BSD, *products], dim=-1)

    def subset(self, index: np.ndarray) -> Self:
        """The queries at these positions, in this order."""
        return type(self)(
            self.labelled.subset(index),
            self.rows_NS[index],
            self.vectors_ND[index],
            tuple(side[index] for side in self.sides),
            self.texts_UD,
        )

    @torch.no_grad()
    def run(self, net: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
        """A net's outputs for the `inputs` of all queries, computed in batches."""
        return np.concatenate(
            [net(*self.inputs(index)).numpy() for index in torch.arange(len(self)).split(_BATCH_ROWS)]
        )


class OutputAwareRouter(BaseRouter):
    """A router that reads the VLMs' answers; a subclass says what it learns from them and which VLMs it asks.

    It cannot score a query before a VLM has answered, so `score` is an error and `consult` takes its place. `consult`
    replays queries with recorded answers; a VLM without a recorded answer can be neither asked nor chosen.
    """

    learns_from_answers = True
    asks_vlms = True

    def __init__(self, vlms: Sequence[str], *, features: FeatureKind) -> None:
        self.vlms = tuple(vlms)
        self.features = features

    @abstractmethod
    def fit_answers(self, train: ReadAnswers, val: ReadAnswers | None) -> None:
        """Learn from training answers; use `val` only to choose settings. It is None if no answer there is judged."""

    @abstractmethod
    def consult_answers(self, answers: ReadAnswers) -> Consulted:
        """Ask and choose; see `consult`."""

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Learn from the answers to the training queries; see `BaseRouter.fit`. A `val` without answers is ignored.

        Raises
        ------
        ArmsError
            If there are no answers, or their shapes do not match the queries.
        """
        if train.answers is None:
            raise ArmsError(
                f"{type(self).__name__} learns from the VLMs' answers and got none: the dataset must have recorded "
                "outputs, in the column `output` of its outcomes"
            )
        self._centre(train.queries, train.answers)
        read_val = None if val is None or val.answers is None else self._read(val, val.answers)
        if read_val is not None and not read_val.labelled.known.any():
            read_val = None
        self.fit_answers(self._read(train, train.answers), read_val)
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """Always an ArmsError: without answers there is nothing to score."""
        raise self._mute()

    def _mute(self) -> ArmsError:
        return ArmsError(f"a {type(self).__name__} reads the VLMs' answers: call consult(queries, answers)")

    def consult(self, queries: Queries, answers: Answers | None = None) -> Consulted:
        """Replay which VLMs would be asked, and how sure the router is of each answer that it gets.

        Parameters
        ----------
        queries : Queries, N of them
        answers : Answers
            To these queries; the right answers in it are ignored.

        Raises
        ------
        ArmsError
            If there are no answers, their shapes do not match the queries, or they are not embedded at the same width
            as in training.
        """
        if answers is None:
            raise self._mute()
        unknown = np.full((len(queries), len(self.vlms)), np.nan, dtype=np.float32)
        return self.consult_answers(self._read(Labelled(queries, self.vlms, unknown), answers))

    def _centre(self, queries: Queries, answers: Answers) -> None:
        used = np.unique(answers.rows[answers.rows >= 0])
        self.text_centring = Centring.of(answers.vectors[used])
        self.centrings = {kind: Centring.of(self._matrix(queries, kind)) for kind in {self.features, *self._sides}}

    @property
    def _sides(self) -> tuple[FeatureKind, ...]:
        return (self.features,) if self.features in ("text", "image") else ("text", "image")

    def _read(self, labelled: Labelled, answers: Answers) -> ReadAnswers:
        expected = (len(labelled), len(self.vlms))
        for name, shape in (("answers.rows", answers.rows.shape), ("outcomes", labelled.outcomes.shape)):
            if shape != expected:
                raise ArmsError(f"{type(self).__name__}: expected {name} of shape {expected} (N, S), got {shape}")
        width = len(self.text_centring.mean_D)
        if answers.vectors.shape[1] != width:
            raise ArmsError(
                f"{type(self).__name__}: expected answers embedded at width {width}, as in training, got "
                f"{answers.vectors.shape[1]}"
            )
        queries = labelled.queries
        parts = {kind: centring(self._matrix(queries, kind)) for kind, centring in self.centrings.items()}
        outcomes = np.where(answers.rows < 0, np.nan, labelled.outcomes).astype(np.float32)
        return ReadAnswers(
            replace(labelled, outcomes=outcomes),
            np.array(answers.rows, dtype=np.int64),
            parts[self.features],
            tuple(parts[kind] for kind in self._sides if parts[kind].shape[1] == width),
            self.text_centring(answers.vectors),
        )

    @staticmethod
    def _matrix(queries: Queries, kind: FeatureKind) -> np.ndarray:
        if queries.embeddings is None:
            raise ArmsError("these queries have no pooled embeddings; make them with arms.features.pooling")
        return queries.embeddings.matrix(kind)
