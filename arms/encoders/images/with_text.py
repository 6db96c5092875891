"""An image model that is also given the text in the picture: see `arms.encoders.picture_text`.

A picture's numbers travel with its pixels, as one more row below them: so they are read where pictures are decoded, by
the processes that do that, each distinct picture once.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from arms.encoders.batch import Batch
from arms.encoders.images.base import Prepare, Tower
from arms.encoders.picture_text import NUM_NUMBERS, describe_reader, text_numbers

# Of a vector's length. With it a page full of text lies at a cosine of about 0.9 from the same page without any: near
# enough that what the picture shows still counts most, and far enough for neighbours to tell them apart.
_SHARE = 0.25


def with_text(tower: Tower) -> Tower:
    """The same model, frozen whole, with the numbers behind its embedding and behind each token state.

    Raises
    ------
    ArmsError
        If rapidocr or its models are missing.
    """
    return replace(
        tower,
        prepare=partial(_prepare, own=tower.prepare),
        embed=_WithText(nn.Sequential(tower.embed, *tower.blocks, tower.finish)),
        blocks=[],
        finish=nn.Identity(),
        width=tower.width + NUM_NUMBERS,
        token_width=tower.token_width and tower.token_width + NUM_NUMBERS,
        uncut="with ocr: true it cannot be cut",
        read={**tower.read, "ocr": describe_reader()},
        computed={**tower.computed, "text": _SHARE},
    )


def _prepare(picture: Image.Image, *, own: Prepare) -> np.ndarray:
    pixels = own(picture)
    row = np.zeros((len(pixels), 1, pixels.shape[2]), dtype=pixels.dtype)
    row.reshape(-1)[:NUM_NUMBERS] = np.rint(255 * text_numbers(picture))
    return np.concatenate([pixels, row], axis=1)


class _WithText(nn.Module):
    def __init__(self, encode: nn.Module) -> None:
        super().__init__()
        self.encode = encode

    def forward(self, batch: Batch) -> Batch:
        pixels = batch["pixels"]
        numbers_NK = pixels[:, :, -1].flatten(1)[:, :NUM_NUMBERS].float() / 255
        encoded = self.encode({"pixels": pixels[:, :, :-1]})
        return {name: _beside(vectors, numbers_NK) for name, vectors in encoded.items()}


def _beside(vectors: Tensor, numbers_NK: Tensor) -> Tensor:
    """Vectors of shape (N, D), or (N, T, D), with the numbers behind them, as a share of each one's length."""
    numbers = numbers_NK if vectors.ndim == 2 else numbers_NK[:, None].expand(-1, vectors.shape[1], -1)
    vectors = vectors.float()
    return torch.cat([vectors, _SHARE * vectors.norm(dim=-1, keepdim=True) * numbers], dim=-1)
