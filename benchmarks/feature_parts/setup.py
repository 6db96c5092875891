"""What the parts share: how much is run, on what, and the made-up photos, questions and encoders."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer

from arms.encoders.text import train_tokenizer
from arms.params.encoders import EncodersParams, ImageEncoderParams, TextEncoderParams
from arms.params.tree import Params

SEED = 1
_WIDTH, _HEIGHT = 640, 480
_SYLLABLES = ("ba", "co", "di", "fu", "ge", "ha", "ki", "lo", "mu", "ne", "pa", "ri", "so", "tu", "ve", "wa")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is run."""

    rounds: int
    training_rounds: int
    photos: int  # JPEG files
    images: int  # extracted in a run; the files come again where these are more
    texts: int
    plain: int  # images or texts of them that the plain loop takes
    shard_mb: int
    rows: int  # token states of an image each, read for training
    queries: int  # trained on
    epochs: int  # on cached features in a run
    streamed_mb: int
    budget_mb: int
    image_model: str  # of open_clip
    text_architecture: dict[str, Any]


DISTILBERT = {"dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072, "max_position_embeddings": 512}
SMALL_DISTILBERT = {"dim": 128, "n_layers": 2, "n_heads": 4, "hidden_dim": 256, "max_position_embeddings": 128}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every part is handed.

    Attributes
    ----------
    folder : Path
        For files of the run; empty at first.
    """

    folder: Path
    device: torch.device
    scale: Scale
    params: Params

    @cached_property
    def photos(self) -> list[Path]:
        """The JPEG files."""
        return write_photos(self.folder / "photos", self.scale.photos, SEED)

    @cached_property
    def questions(self) -> list[str]:
        """Distinct questions, of 5 to 60 tokens."""
        return make_questions(self.scale.texts, SEED)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Word pieces of the questions."""
        return train_tokenizer(self.questions, vocabulary_size=8000)

    def encoders(self, *, tunable_image_layers: int = 0) -> EncodersParams:
        """CLIP ViT-B/32 and DistilBERT from the seed, frozen but for the last image blocks asked for."""
        image = ImageEncoderParams(
            model=self.scale.image_model,
            architecture=None,
            pretrained=None,
            resize="shortest",
            tunable_layers=tunable_image_layers,
            precision="auto",
            store_tokens=False,
        )
        text = TextEncoderParams(
            model=None,
            architecture=self.scale.text_architecture,
            vocabulary_size=8000,
            pooling="cls",
            max_tokens=64,
            tunable_layers=0,
            precision="auto",
        )
        return EncodersParams(image=image, text=text)


def write_photos(folder: Path, count: int, seed: int) -> list[Path]:
    """Write JPEG files that weigh and decode like photos: smooth fields of a few scales, and some noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"{number:05d}.jpg" for number in range(count)]
    for path in paths:
        pixels = np.full((_HEIGHT, _WIDTH, 3), 128.0, dtype=np.float32)
        for cells, height in ((4, 50), (32, 20)):
            field = Image.fromarray(rng.integers(0, 256, (cells * 3, cells * 4, 3), dtype=np.uint8))
            smooth = np.asarray(field.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC), dtype=np.float32)
            pixels += (smooth - 128) * (height / 64)
        pixels += rng.standard_normal((_HEIGHT, _WIDTH, 1), dtype=np.float32) * 3.6
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=88)
    return paths


def make_questions(count: int, seed: int) -> list[str]:
    """Distinct questions of made-up words, 5 to 60 tokens long with [CLS] and [SEP]."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(_SYLLABLES, size)) for size in rng.integers(2, 4, 400)]
    lengths = rng.integers(3, 59, count)
    return [f"{' '.join(rng.choice(words, length - 2))} {number} ?" for number, length in enumerate(lengths)]


def make_keys(count: int) -> list[str]:
    """Content keys, hex sha256, in their order."""
    return sorted(hashlib.sha256(str(number).encode()).hexdigest() for number in range(count))


def check_same(own: np.ndarray, other: np.ndarray) -> None:
    """What is compared has to come to the same features."""
    cosine = float(own @ other / (np.linalg.norm(own) * np.linalg.norm(other)))
    assert cosine > 0.99, f"extract() and the plain loop disagree: cosine {cosine:.4f}"
