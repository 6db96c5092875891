"""Tiny encoders, settings and made-up queries, for tests that need some of each."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer

from arms.data.profiles import VlmProfile, profile_sentence
from arms.encoders.long_texts import Shortening
from arms.encoders.pair import EncoderPair, build_encoders
from arms.encoders.text import train_tokenizer
from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.features.online import encode_queries
from arms.features.pooling import add_embeddings
from arms.params.encoders import EncodersParams, ImageEncoderParams, TextEncoderParams
from arms.params.training import FitParams, RouterParams, TrainParams
from arms.progress import Progress
from arms.routers.arms import ArmsRouter

CPU = torch.device("cpu")
VIT: dict[str, Any] = {
    "embed_dim": 8,
    "vision_cfg": {"layers": 3, "width": 8, "head_width": 4, "patch_size": 16, "image_size": 32},
}
RESNET: dict[str, Any] = {
    "embed_dim": 8,
    "vision_cfg": {"layers": [1, 1, 1, 1], "width": 8, "head_width": 32, "image_size": 32},
}
DISTILBERT: dict[str, Any] = {"dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "max_position_embeddings": 32}
VOCABULARY_SIZE = 250

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 220), "white": (240, 240, 240)}
QUESTIONS = ("Count the dots.", "How many dots are there in this picture?", "Read the sign.", "What does it say?")
PROFILES = (
    VlmProfile(name="counter-2b", access="free", params_b=2, provider="Acme"),
    VlmProfile(name="reader-7b", access="free", params_b=7, language_model="Prose"),
    VlmProfile(name="painter", access="paid", price_in=5, price_out=15, vision_model="Brush"),
)
NAMES = tuple(profile.name for profile in PROFILES)
# Parameters of a net that queries of one image each do not train.
OF_OTHER_COUNTS = {"no_image_D", "no_token_D", "experts.attention.later_places"}
# What a net has and nothing trains: a softmax does not see it.
NEVER_TRAINED = {"experts.attention.key.bias"}


def watch_progress(
    monkeypatch: pytest.MonkeyPatch, react: Progress = lambda done, total: None
) -> list[tuple[str, int, int]]:
    """Take note of all progress: the label of the work, how much is done, how much there is; and react to it."""
    seen: list[tuple[str, int, int]] = []

    @contextmanager
    def show(label: str, unit: str) -> Iterator[Progress]:
        def take(done: int, total: int) -> None:
            seen.append((label, done, total))
            react(done, total)

        yield take

    monkeypatch.setattr("arms.progress._show", show)
    return seen


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says to be of this size and holds no pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def image_params(**changes: Any) -> ImageEncoderParams:
    """A ViT of three blocks, frozen whole."""
    settings = {
        "model": None,
        "architecture": VIT,
        "pretrained": None,
        "resize": "squash",
        "tunable_layers": 0,
        "precision": "float32",
        "store_tokens": True,
    }
    return ImageEncoderParams(**{**settings, **changes})


def text_params(**changes: Any) -> TextEncoderParams:
    """A DistilBERT of two blocks, frozen whole."""
    settings = {
        "model": None,
        "architecture": DISTILBERT,
        "vocabulary_size": VOCABULARY_SIZE,
        "pooling": "mean",
        "max_tokens": 32,
        "tunable_layers": 0,
        "precision": "float32",
    }
    return TextEncoderParams(**{**settings, **changes})


def router_params(**changes: Any) -> RouterParams:
    """A head of two experts."""
    settings = {
        "profile": "full",
        "inputs": "both",
        "fusion": "tokens",
        "num_experts": 2,
        "top_k": 2,
        "num_heads": 2,
        "attention_width": 8,
        "ffn_width": 16,
        "dropout": 0.0,
        "project_profiles": False,
        "logit_scale": 1.0,
        "learn_logit_scale": True,
        "logit_min": -5.0,
        "logit_max": 5.0,
    }
    return RouterParams(**{**settings, **changes})


def train_params(**changes: Any) -> TrainParams:
    """Quick steps at a constant rate."""
    settings = {
        "trains": "all",
        "data_share": 1.0,
        "queries": "all",
        "batch_size": 16,
        "batch_unit": "queries",
        "group_by_image": False,
        "learning_rate": 0.01,
        "tail_learning_rate": 0.01,
        "weight_decay": 0.01,
        "schedule": "constant",
        "warmup_share": 0.0,
        "gpu_precision": "auto",
        "clip_norm": 1.0,
        "shuffle_window_mb": 1,
        "class_weights": "none",
        "importance_weight": 0.0,
        "augment": False,
        "keep": "last",
        "patience": None,
        "calibrate": False,
    }
    return TrainParams(**{**settings, **changes})


def fit_params(**changes: Any) -> FitParams:
    """One epoch of these."""
    settings = {"epochs": 1, "seed": 1, **changes}
    length = {key: settings.pop(key) for key in ("epochs", "seed")}
    return FitParams(**train_params(**settings).model_dump(), **length)


def tiny_tokenizer() -> Tokenizer:
    """Word pieces of the made-up questions and profiles."""
    sentences = [profile_sentence(profile, "full") for profile in PROFILES]
    return train_tokenizer([*QUESTIONS, *sentences], vocabulary_size=VOCABULARY_SIZE)


def make_encoders(
    image: dict[str, Any] | None = None, text: dict[str, Any] | None = None, shortening: Shortening = "middle"
) -> EncoderPair:
    """A fresh pair of tiny encoders, with changes to their settings."""
    params = EncodersParams(image=image_params(**(image or {})), text=text_params(**(text or {})))
    return build_encoders(params, seed=1, tokenizer=tiny_tokenizer(), shortening=shortening)


def label(queries: Queries, outcomes: Any, vlms: Sequence[str] | None = None, **more: Any) -> Labelled:
    """Queries with outcomes of shape (N, S); the VLMs are named by number if not given."""
    outcomes = np.asarray(outcomes, dtype=np.float32)
    names = tuple(map(str, range(outcomes.shape[1]))) if vlms is None else tuple(vlms)
    return Labelled(queries, names, outcomes, **more)


def make_router(profiles: Sequence[VlmProfile] = PROFILES, **settings: Any) -> ArmsRouter:
    """An untrained ARMS router on encoders of its own.

    `router`, `train`, `image` and `text` are changes to those settings; `epochs` and `seed` are those of training.
    """
    shortening = settings.pop("shortening", "middle")
    encoders = make_encoders(settings.pop("image", None), settings.pop("text", None), shortening)
    head = router_params(**settings.pop("router", {}))
    return ArmsRouter(profiles, encoders, head, fit_params(**settings.pop("train", {}), **settings), device=CPU)


@dataclass(frozen=True)
class MadeUp:
    """N queries with pictures, questions and outcomes of shape (N, 3), float32."""

    pictures: list[Image.Image]
    questions: list[str]
    outcomes: np.ndarray

    def encode(self, encoders: EncoderPair, embeddings: bool = False) -> Queries:
        """What crosses these encoders' cuts, with pooled embeddings if asked for."""
        queries = encode_queries(encoders, self.pictures, self.questions, CPU)
        return add_embeddings(queries, encoders, batch_size=16, device=CPU) if embeddings else queries

    def label(self, encoders: EncoderPair, vlms: Sequence[str] = NAMES, embeddings: bool = False) -> Labelled:
        """The encoded queries with the outcomes of some of the three VLMs of `PROFILES`."""
        columns = [NAMES.index(vlm) for vlm in vlms]
        return label(self.encode(encoders, embeddings), self.outcomes[:, columns], vlms)


def make_queries(count: int, seed: int = 0) -> MadeUp:
    """Queries whose outcomes follow from picture and question together.

    The first VLM counts, on warm or pale pictures; the second one reads, on the others; the third one is right exactly
    where one of colour and question is to its liking, so that neither tells anything without the other.
    """
    rng = np.random.default_rng(seed)
    names = [list(COLOURS)[i] for i in rng.integers(0, len(COLOURS), count)]
    questions = [QUESTIONS[i] for i in rng.integers(0, len(QUESTIONS), count)]
    warm = np.array([name in ("red", "white") for name in names])
    counting = np.array(["dots" in question for question in questions])
    outcomes = np.stack([counting & warm, ~counting & ~warm, counting ^ warm], axis=1).astype(np.float32)
    return MadeUp([_draw(COLOURS[name], rng) for name in names], questions, outcomes)


def _draw(colour: tuple[int, int, int], rng: np.random.Generator) -> Image.Image:
    """A picture in one colour, with a little noise and a size of its own."""
    height, width = rng.integers(24, 48, 2)
    noise = rng.integers(-15, 16, (height, width, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))
