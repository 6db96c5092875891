"""Training without a cache: every batch is decoded and goes through the frozen encoders in every epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from arms.encoders.batch import Batch, QueryBatch, move_batch
from arms.encoders.image import ImageEncoder
from arms.encoders.pair import EncoderPair
from arms.features.arrays import Ragged
from arms.features.loader import Features, Queries


@dataclass(frozen=True, kw_only=True)
class LiveQueries(Queries):
    """Queries whose features are computed when a batch is asked for, each with an image of its own.

    Attributes
    ----------
    workers : int
        Processes that decode ahead; 0 decodes in this one.
    batch_size : int
        Batches are asked for in order, of this size.
    """

    encoders: EncoderPair
    paths: Sequence[str]
    questions: Sequence[str]
    device: torch.device
    workers: int
    batch_size: int
    decoded: Iterator[Tensor] | None = None

    def subset(self, index: np.ndarray) -> Self:
        """The queries at these positions; from here on their images are decoded."""
        chosen = super().subset(index)
        paths = [self.paths[row] for row in chosen.first_images]
        images = _Images(self.encoders.image, paths)
        return replace(chosen, decoded=iter(DataLoader(images, self.batch_size, num_workers=self.workers)))

    def batch(self, index: np.ndarray) -> QueryBatch:
        """The next batch through both trunks."""
        assert self.decoded is not None
        pixels = next(self.decoded)
        tokens = self.encoders.text.tokenize([self.questions[row] for row in self.text_rows[index]])
        padded, mask = Ragged.join(tokens).pad(np.arange(len(tokens)))
        each = torch.arange(len(index))
        with torch.no_grad():
            images = self._encode(self.encoders.image.trunk, {"pixels": pixels})
            texts = self._encode(
                self.encoders.text.trunk, {"token_ids": torch.from_numpy(padded), "mask": torch.from_numpy(mask)}
            )
        return QueryBatch(images, texts, each[:, None], each)

    def _encode(self, trunk: torch.nn.Module, batch: Batch) -> Batch:
        return trunk.to(self.device)(move_batch(batch, self.device))


def live_queries(
    encoders: EncoderPair,
    paths: Sequence[str],
    questions: Sequence[str],
    *,
    device: torch.device,
    workers: int,
    batch_size: int,
) -> LiveQueries:
    """Queries of one image and one question each."""
    ids = tuple(str(number) for number in range(len(questions)))
    rows = np.arange(len(ids))
    nothing_stored = Features({}, {name: row for row, name in enumerate(ids)})
    return LiveQueries(
        ids,
        nothing_stored,
        nothing_stored,
        rows,
        rows,
        encoders=encoders,
        paths=paths,
        questions=questions,
        device=device,
        workers=workers,
        batch_size=batch_size,
    )


class _Images(Dataset[Tensor]):
    def __init__(self, encoder: ImageEncoder, paths: Sequence[str]) -> None:
        self.encoder, self.paths = encoder, paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.encoder.read(self.paths[index]))
