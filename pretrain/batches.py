"""Training batches: drawn pictures and texts as tensors, some of the texts with pieces masked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset

from arms.features.arrays import Ragged
from pretrain.corpus import draw_text
from pretrain.settings import PretrainParams
from pretrain.stream import DrawnBatch, draw_batch

_TEXTS, _CHOICES = 2, 3  # fourth word of a seed; the pictures have 0, their groups 1
_NOT_TARGET = -100
_SHARE_MASKED, _SHARE_RANDOM = 0.8, 0.1  # of the chosen pieces; the rest stay as they are, as BERT has it


@dataclass(frozen=True)
class TrainBatch:
    """One step's data.

    Attributes
    ----------
    pixels : Tensor of shape (N, 3, H, W), uint8
    token_ids, mask : Tensor of shape (2 N, T), int64 and bool
        Each picture's text, then N texts of all sorts with pieces masked.
    targets : Tensor of shape (2 N, T), int64
        The pieces that were masked; elsewhere a number below 0.
    """

    pixels: Tensor
    token_ids: Tensor
    mask: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> Self:
        """Move all tensors."""
        return type(self)(*(tensor.to(device, non_blocking=True) for tensor in vars(self).values()))


class TrainBatches(Dataset[TrainBatch]):
    """The batch of each step, drawn on the spot: a function of settings and step alone."""

    def __init__(self, settings: PretrainParams, tokenizer: Tokenizer) -> None:
        self.settings, self.tokenizer = settings, tokenizer

    def __len__(self) -> int:
        return self.settings.train.num_steps

    def __getitem__(self, step: int) -> TrainBatch:
        train, seed = self.settings.train, self.settings.seed
        drawn = draw_batch(
            seed,
            step,
            size=train.batch_size,
            image_px=self.settings.image.vision_cfg["image_size"],
            same_family_share=train.same_family_share,
        )
        rng = np.random.default_rng((seed, step, 0, _CHOICES))
        matched = matched_texts(drawn, train.question_share, rng)
        others = [draw_text(np.random.default_rng((seed, step, row, _TEXTS))) for row in range(train.batch_size)]
        encodings = self.tokenizer.encode_batch([*matched, *others])
        token_ids, mask = Ragged.join([np.asarray(encoding.ids) for encoding in encodings]).pad(
            np.arange(len(encodings))
        )
        targets = np.full_like(token_ids, _NOT_TARGET)
        masked = slice(len(matched), None)
        token_ids[masked], targets[masked] = mask_pieces(
            token_ids[masked], mask[masked], self.tokenizer, train.mask_share, rng
        )
        tensors = (torch.from_numpy(array) for array in (drawn.images, token_ids, mask, targets))
        return TrainBatch(*tensors)


def matched_texts(drawn: DrawnBatch, question_share: float, rng: np.random.Generator) -> Sequence[str]:
    """What each picture is matched with: its caption, or a question about it with the answer."""
    asked = rng.random(len(drawn.captions)) < question_share
    return [
        f"{question.question} {question.answer}" if ask else caption
        for caption, question, ask in zip(drawn.captions, drawn.questions, asked, strict=True)
    ]


def mask_pieces(
    token_ids: np.ndarray, mask: np.ndarray, tokenizer: Tokenizer, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hide some pieces as BERT does (Devlin et al., arXiv:1810.04805, appendix A.1).

    Returns
    -------
    hidden : ndarray of shape (N, T)
        The pieces, some replaced by the mask or by any piece.
    targets : ndarray of shape (N, T)
        What was there, where a piece was chosen; elsewhere a number below 0.
    """
    vocabulary = tokenizer.get_vocab()
    special = [vocabulary[token] for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")]
    chosen = mask & ~np.isin(token_ids, special) & (rng.random(token_ids.shape) < share)
    kind = rng.random(token_ids.shape)
    hidden = np.where(chosen & (kind < _SHARE_MASKED), vocabulary["[MASK]"], token_ids)
    random = chosen & (kind >= _SHARE_MASKED) & (kind < _SHARE_MASKED + _SHARE_RANDOM)
    # The special tokens come first in the vocabulary.
    hidden = np.where(random, rng.integers(len(special), len(vocabulary), token_ids.shape), hidden)
    return hidden, np.where(chosen, token_ids, _NOT_TARGET)
