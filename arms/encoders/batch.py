"""Batches of tensors on their way through encoders and net."""

from typing import NamedTuple, Self

import torch
from torch import Tensor

Batch = dict[str, Tensor]  # what an encoder's layers take and return, by name


def move_batch(batch: Batch, device: torch.device) -> Batch:
    """Move the tensors of a batch; what is stored and moved as float16 is computed in float32."""
    return {name: _widen(tensor.to(device, non_blocking=True)) for name, tensor in batch.items()}


def _widen(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.float16 else tensor


class QueryBatch(NamedTuple):
    """Queries as the net takes them: each distinct image and question once, and which query has which.

    Attributes
    ----------
    images, questions : dict of str to Tensor
        What crosses the encoders' cuts, one row per distinct image or question.
    image_NP : Tensor of shape (N, P), int64
        The rows of each query's images, in their order; -1 beyond them. `images` is empty if no query has any.
    question_N : Tensor of shape (N,), int64
        Each query's row in `questions`.
    has_blank : bool
        Whether a query has no image.
    pair_ND : Tensor of shape (N, D_p), float32, or None
        The joint encoder's vectors; zeros where a query has none.
    """

    images: Batch
    questions: Batch
    image_NP: Tensor
    question_N: Tensor
    has_blank: bool = False
    pair_ND: Tensor | None = None

    def to(self, device: torch.device) -> Self:
        """Move all tensors."""
        images, questions = move_batch(self.images, device), move_batch(self.questions, device)
        pair_ND = None if self.pair_ND is None else self.pair_ND.to(device)
        image_NP, question_N = self.image_NP.to(device), self.question_N.to(device)
        return type(self)(images, questions, image_NP, question_N, self.has_blank, pair_ND)
