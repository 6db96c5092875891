"""Extraction of the natural pair against its limit, and beside the loops that users of its libraries write."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from arms.encoders.image import ImageEncoder, build_image_encoder
from arms.encoders.natural import ARCHITECTURE, natural_folder
from arms.encoders.pretrained.timm_models import natural_image_weights
from arms.encoders.text import TextEncoder, build_text_encoder
from arms.encoders.torchvision_guard import import_torchvision
from arms.features.trunk import run_trunk
from arms.params.encoders import read_encoders_params
from arms.params.tree import read_params
from benchmarks.feature_parts.images import Extraction
from benchmarks.feature_parts.limits import decode_alone, describe_limit, forward_alone, rate_limit
from benchmarks.feature_parts.setup import SEED, Scale, Setup, check_same
from benchmarks.feature_parts.texts import extract_texts, padded_batches
from benchmarks.features import FULL, QUICK
from benchmarks.record import Line, count_cores
from benchmarks.timing import interleave, plain_torch, seconds

import_torchvision()

import timm  # noqa: E402
from timm.data import create_transform, resolve_data_config  # noqa: E402

_CPU = torch.device("cpu")
_LOOP_BATCH = 64  # of timm's own validation script it is 256, which is no faster on a CPU
_COUNTED = 128  # images that decoding alone and computing alone are measured on
FULL_SCALE = replace(FULL, rounds=5, photos=256, images=768, texts=1024, plain=64)
QUICK_SCALE = replace(QUICK, images=48, photos=16, texts=48)


def measure_extraction(scale: Scale) -> list[Line]:
    """Pictures and texts of the natural pair, in float32 on the CPU."""
    with tempfile.TemporaryDirectory(prefix="arms-benchmark-") as folder:
        setup = Setup(folder=Path(folder), device=_CPU, scale=scale, params=read_params())
        return [*_measure_images(setup), *_measure_texts(setup)]


def _measure_images(setup: Setup) -> list[Line]:
    encoder = build_image_encoder(
        read_encoders_params("natural").image.model_copy(update={"store_tokens": False}), seed=SEED
    )
    paths = [str(setup.photos[number % len(setup.photos)]) for number in range(setup.scale.images)]
    counted = paths[: min(_COUNTED, len(paths))]
    pixels = torch.stack([torch.from_numpy(encoder.read(path)) for path in counted])
    batches = _best_batches(encoder, pixels)
    extraction, batched, single = Extraction(setup, encoder), TimmLoop(paths), TimmLoop(paths[: setup.scale.plain])
    extraction.run(2 * setup.params.runtime.extract_batch_size)  # what is done once alone
    single.run_one_by_one()
    decode_runs, forward_runs, batched_runs, single_runs, own_runs = interleave(
        setup.scale.rounds,
        lambda: decode_alone(encoder.read, counted, count_cores()),
        lambda: forward_alone(encoder, batches, _CPU),
        batched.run,
        single.run_one_by_one,
        lambda: extraction.run(setup.scale.images),
    )
    check_same(extraction.first, batched.first)

    def line(name: str, runs: tuple[float, ...], note: str = "") -> Line:
        return Line(part="EfficientNet-Lite0", name=name, unit="images/s", runs=runs, note=note)

    decode, forward = line("decoding alone, all cores", decode_runs), line("computing alone, float32", forward_runs)
    limit_runs = tuple(rate_limit(*run, _CPU) for run in zip(decode_runs, forward_runs, strict=True))
    parts = {"decoding": decode.figure, "computing": forward.figure}
    limit = line("the limit that these set", limit_runs, describe_limit(parts, _CPU))
    loop = line(f"timm, a DataLoader with batches of {_LOOP_BATCH}", batched_runs)
    one = line("timm, one by one", single_runs)
    own = line("extract() into a store", own_runs)
    return [decode, forward, limit, loop, one, own.over(limit, at_least=0.9), own.over(loop), own.over(one)]


def _best_batches(encoder: ImageEncoder, pixels: Tensor) -> list[dict[str, Tensor]]:
    """The images in batches of the size that computes fastest."""
    divided = [
        [{"pixels": part} for part in pixels.split(size)]
        for size in (4, 8, 16, 32, 64, 128)
        if size <= max(16, len(pixels))
    ]
    forward_alone(encoder, divided[0], _CPU)
    return max(divided, key=lambda batches: forward_alone(encoder, batches, _CPU))


class _Pictures(Dataset[Tensor]):
    def __init__(self, paths: list[str], transform: Any) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        picture: Tensor = self.transform(Image.open(self.paths[index]).convert("RGB"))
        return picture


class TimmLoop:
    """Feature extraction as timm's pages write it; `first` are the first image's features."""

    def __init__(self, paths: list[str]) -> None:
        self.paths, self.first = paths, np.empty(0)
        model: Any = timm.create_model(ARCHITECTURE)
        model.load_state_dict(natural_image_weights())
        model.reset_classifier(0)
        self._model = model.eval()
        self._transform = create_transform(**resolve_data_config({}, model=model))

    def run(self) -> float:
        """Images a second, in batches that processes read ahead."""
        return len(self.paths) / seconds(self._batched, _CPU)

    def run_one_by_one(self) -> float:
        """Images a second, as a model's card shows it."""
        return len(self.paths) / seconds(self._one_by_one, _CPU)

    @torch.no_grad()
    def _batched(self) -> None:
        loader = DataLoader(_Pictures(self.paths, self._transform), batch_size=_LOOP_BATCH, num_workers=count_cores())
        with plain_torch():
            self._keep([self._model(batch) for batch in loader])

    @torch.no_grad()
    def _one_by_one(self) -> None:
        pictures = _Pictures(self.paths, self._transform)
        with plain_torch():
            self._keep([self._model(pictures[index].unsqueeze(0)) for index in range(len(pictures))])

    def _keep(self, features: list[Tensor]) -> None:
        vectors = torch.cat(features).numpy()
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder, "features.npy"), vectors)
        self.first = vectors[0]


def _measure_texts(setup: Setup) -> list[Line]:
    from sentence_transformers import SentenceTransformer

    encoder = build_text_encoder(read_encoders_params("natural").text, tokenizer=None, seed=SEED)
    model = SentenceTransformer(str(natural_folder("text")), device="cpu")
    batches = padded_batches(setup, encoder)

    def encode() -> float:
        with plain_torch():
            return len(setup.questions) / seconds(lambda: model.encode(setup.questions, show_progress_bar=False), _CPU)

    forward_alone(encoder, batches[:1], _CPU)  # what is done once alone
    extract_texts(setup, encoder)
    forward_runs, loop_runs, own_runs = interleave(
        setup.scale.rounds,
        lambda: forward_alone(encoder, batches, _CPU),
        encode,
        lambda: extract_texts(setup, encoder),
    )
    check_same(_first(setup, encoder), model.encode(setup.questions[:1])[0])

    def line(name: str, runs: tuple[float, ...]) -> Line:
        return Line(part="all-MiniLM-L6-v2", name=name, unit="texts/s", runs=runs)

    limit = line("computing alone, float32, padded batches by length", forward_runs)
    loop = line("sentence-transformers, encode()", loop_runs)
    own = line("tokenize() and extract() into a store", own_runs)
    return [limit, loop, own.over(limit, at_least=0.9), own.over(loop)]


def _first(setup: Setup, encoder: TextEncoder) -> np.ndarray:
    pooled: Any = run_trunk(encoder, encoder.tokenize(setup.questions[:1]), _CPU)["pooled"]
    return np.asarray(pooled[0])
