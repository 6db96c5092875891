"""Training batches: drawn pictures and texts as tensors."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset

from pretrain.attributes import attribute_targets
from pretrain.corpus import draw_text
from pretrain.hiding import Hidden, hide_pieces, mask_pieces, untouched
from pretrain.settings import PretrainParams
from pretrain.stream import DrawnBatch, draw_batch

_TEXTS, _CHOICES = 2, 3  # fourth word of a seed; the pictures have 0, their groups 1


@dataclass(frozen=True)
class TextBatch:
    """N texts with pieces hidden.

    Attributes
    ----------
    token_ids, mask : Tensor of shape (N, T), int64 and bool
    targets : Tensor of shape (N, T), int64
        The pieces that were hidden; elsewhere a number below 0.
    """

    token_ids: Tensor
    mask: Tensor
    targets: Tensor

    @classmethod
    def of(cls, hidden: Hidden) -> Self:
        """The arrays as tensors."""
        return cls(*(torch.from_numpy(array) for array in hidden))

    def to(self, device: torch.device) -> Self:
        """Move all tensors."""
        return type(self)(*(tensor.to(device, non_blocking=True) for tensor in vars(self).values()))


@dataclass(frozen=True)
class PictureBatch:
    """N pictures with what they are trained on.

    Attributes
    ----------
    pixels : Tensor of shape (N, 3, H, W), uint8
    attributes : Tensor of shape (N, number of attributes), int64
    matched : TextBatch
        A text about each picture, nothing hidden.
    hidden : TextBatch
        A text about each picture, to be filled in with the picture at hand.
    """

    pixels: Tensor
    attributes: Tensor
    matched: TextBatch
    hidden: TextBatch

    def to(self, device: torch.device) -> Self:
        """Move all tensors."""
        return type(self)(*(part.to(device) for part in vars(self).values()))


@dataclass(frozen=True)
class TrainBatch:
    """One step's data; the first steps have only texts."""

    texts: TextBatch
    pictures: PictureBatch | None

    def to(self, device: torch.device) -> Self:
        """Move all tensors."""
        return type(self)(self.texts.to(device), self.pictures and self.pictures.to(device))


class TrainBatches(Dataset[TrainBatch]):
    """The batch of each step, drawn on the spot: a function of settings and step."""

    def __init__(self, settings: PretrainParams, tokenizer: Tokenizer) -> None:
        self.settings, self.tokenizer = settings, tokenizer

    def __len__(self) -> int:
        return self.settings.train.total_steps

    def __getitem__(self, step: int) -> TrainBatch:
        train, seed = self.settings.train, self.settings.seed
        rng = np.random.default_rng((seed, step, 0, _CHOICES))
        alone = step < train.text_steps
        pictures = None if alone else self._pictures(step, rng)
        num = train.text_batch_size if alone else train.texts_beside
        texts = [draw_text(np.random.default_rng((seed, step, row, _TEXTS))) for row in range(num)]
        masked = mask_pieces(self.tokenizer.encode_batch(texts), self.tokenizer, train.mask_share, rng)
        return TrainBatch(TextBatch.of(masked), pictures)

    def _pictures(self, step: int, rng: np.random.Generator) -> PictureBatch:
        train = self.settings.train
        drawn = draw_batch(
            self.settings.seed,
            step,
            size=train.batch_size,
            image_px=self.settings.image.vision_cfg["image_size"],
            same_family_share=train.same_family_share,
        )
        matched, _ = texts_about(drawn, train.question_share, rng)
        about, answers = texts_about(drawn, train.answer_share, rng)
        encode = self.tokenizer.encode_batch
        return PictureBatch(
            pixels=torch.from_numpy(drawn.images),
            attributes=torch.from_numpy(attribute_targets(drawn.families, drawn.labels)),
            matched=TextBatch.of(untouched(encode(matched))),
            hidden=TextBatch.of(hide_pieces(encode(about), answers, train.hidden_share, rng)),
        )


def texts_about(
    drawn: DrawnBatch, question_share: float, rng: np.random.Generator
) -> tuple[list[str], list[int | None]]:
    """Each picture's caption, or a question about it with the answer and where that begins."""
    asked = rng.random(len(drawn.captions)) < question_share
    rows = list(zip(drawn.captions, drawn.questions, asked, strict=True))
    texts = [f"{question.question} {question.answer}" if ask else caption for caption, question, ask in rows]
    return texts, [len(question.question) + 1 if ask else None for _, question, ask in rows]
