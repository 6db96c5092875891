"""Extraction of ViT-B/32 from JPEG files, against its limit and against a plain loop."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from arms.encoders.image import ImageEncoder, build_image_encoder
from arms.encoders.precision import fastest_precision, in_precision
from arms.encoders.torchvision_guard import import_torchvision
from arms.features.extract import extract
from arms.features.store import FeatureStore
from benchmarks.feature_parts.limits import copy_alone, decode_alone, describe_limit, forward_alone, rate_limit
from benchmarks.feature_parts.setup import SEED, Setup, check_same, make_keys
from benchmarks.record import Line, count_cores
from benchmarks.timing import interleave, plain_torch, seconds

import_torchvision()

import open_clip  # noqa: E402

PART = "images"
_BATCH_SIZES = (16, 32, 64, 128)
_COUNTED = 128  # images that decoding alone and computing alone are measured on


def measure_images(setup: Setup) -> list[Line]:
    """Both cuts: token states below the last block, and the pooled embedding of an encoder frozen whole."""
    return [line for tunable_layers in (1, 0) for line in _measure_cut(setup, tunable_layers)]


def _measure_cut(setup: Setup, tunable_layers: int) -> list[Line]:
    device, cut = setup.device, "states" if tunable_layers else "pooled"
    encoder = build_image_encoder(setup.encoders(tunable_image_layers=tunable_layers).image, seed=SEED)
    precision = fastest_precision(encoder, device)
    encoder = in_precision(encoder, precision)
    encoder.trunk.to(device)
    paths = [str(path) for path in setup.photos]
    count = _COUNTED if device.type == "cpu" else setup.scale.images
    counted = [paths[number % len(paths)] for number in range(min(count, setup.scale.images))]
    pixels = torch.stack([torch.from_numpy(encoder.read(name)) for name in paths[: max(_BATCH_SIZES)]])
    batch_size, batches = _best_batches(setup, encoder, pixels, len(counted))
    loop = _PlainLoop(setup, tunable_layers)
    extraction = Extraction(setup, encoder)

    extraction.run(2 * setup.params.runtime.extract_batch_size)  # what is done once alone
    loop.run(2)
    decode_runs, forward_runs, loop_runs, own_runs = interleave(
        setup.scale.rounds,
        lambda: decode_alone(encoder.read, counted, count_cores()),
        lambda: forward_alone(encoder, batches, device),
        lambda: loop.run(setup.scale.plain),
        lambda: extraction.run(setup.scale.images),
    )
    check_same(extraction.first, loop.first)

    def line(name: str, runs: tuple[float, ...], note: str = "") -> Line:
        return Line(part=PART, name=f"{cut}: {name}", unit="images/s", runs=runs, note=note)

    decode = line("decoding alone, all cores", decode_runs)
    forward = line(f"computing alone, {precision}, batches of {batch_size}", forward_runs)
    copies = _measure_copies(setup, pixels, line) if device.type == "cuda" else []
    limit_runs = tuple(rate_limit(*run, device) for run in zip(decode_runs, forward_runs, strict=True))
    parts = {"decoding": decode.figure, "computing": forward.figure}
    if copies:
        parts["copying"] = copies[0].figure
    limit = line("the limit that these set", limit_runs, describe_limit(parts, device))
    plain = line("plain float32 loop, one by one", loop_runs)
    own = line("extract() into a store", own_runs)
    by_limit = own.over(limit, at_least=0.8 if device.type == "cuda" else 0.9)
    return [decode, forward, *copies, limit, plain, by_limit, own.over(plain, at_least=3)]


def _best_batches(
    setup: Setup, encoder: ImageEncoder, pixels: Tensor, count: int
) -> tuple[int, list[dict[str, Tensor]]]:
    """The batch size that computes fastest (on a GPU that of the run), and so many images in such batches."""
    pixels = pixels.to(setup.device)
    if setup.device.type == "cpu":
        sizes = tuple(size for size in _BATCH_SIZES if size <= len(pixels))
    else:
        sizes = (setup.params.runtime.extract_batch_size,)

    def batches(size: int, total: int) -> list[dict[str, Tensor]]:
        return [{"pixels": pixels[:size]}] * max(1, total // size)

    for size in sizes:
        forward_alone(encoder, batches(size, size), setup.device)
    rates = {size: forward_alone(encoder, batches(size, max(sizes)), setup.device) for size in sizes}
    best = max(rates, key=lambda size: rates[size])
    return best, batches(best, count)


def _measure_copies(setup: Setup, pixels: Tensor, line: Callable[..., Line]) -> list[Line]:
    """Copies to a GPU, from pinned memory and from any."""
    batch_size = setup.params.runtime.extract_batch_size
    pinned, plain = ([{"pixels": kind[:batch_size]}] * 32 for kind in (pixels.pin_memory(), pixels))
    copy_alone(pinned, setup.device)
    pinned_runs, plain_runs = interleave(
        setup.scale.rounds, lambda: copy_alone(pinned, setup.device), lambda: copy_alone(plain, setup.device)
    )
    any_memory = line("copying alone, from any memory", plain_runs)
    return [line("copying alone, from pinned memory", pinned_runs).over(any_memory), any_memory]


class Extraction:
    """`extract` as the stage calls it, each time into a store of its own; `first` are the first image's features."""

    def __init__(self, setup: Setup, encoder: ImageEncoder) -> None:
        self.setup, self.encoder = setup, encoder
        self.first = np.empty(0)
        self._names = [str(path) for path in setup.photos]

    def run(self, count: int) -> float:
        """Images a second."""
        runtime, keys = self.setup.params.runtime, make_keys(count)
        name_of = {key: self._names[number % len(self._names)] for number, key in enumerate(keys)}
        folder = self.setup.folder / "image.zarr"
        store = FeatureStore(folder, self.encoder.fingerprint)

        def work() -> None:
            with store.writing():
                extract(
                    store,
                    keys,
                    lambda key: self.encoder.read(name_of[key]),
                    self.encoder,
                    label="image",
                    batch_size=runtime.extract_batch_size,
                    shard_bytes=self.setup.scale.shard_mb * 2**20,
                    workers=runtime.num_workers,
                    device=self.setup.device,
                )
                store.finish()

        took_s = seconds(work, self.setup.device)
        features = store.open()
        (array,) = (features.take(np.array([0]))[name] for name in self.encoder.crossing)
        assert len(features.row_of) == count
        self.first = array.float().numpy().ravel()
        shutil.rmtree(folder)
        return count / took_s


class _PlainLoop:
    """What is done without ARMS: image after image through open_clip, in float32, and saved at the end."""

    def __init__(self, setup: Setup, tunable_layers: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            clip, _, self._transform = open_clip.create_model_and_transforms(setup.scale.image_model)
        self._visual: Any = clip.visual.to(setup.device).eval()
        self._setup, self._tunable_layers = setup, tunable_layers
        self.first = np.empty(0)

    def run(self, count: int) -> float:
        """Images a second."""
        return count / seconds(lambda: self._run(count), self._setup.device)

    @torch.no_grad()
    def _run(self, count: int) -> None:
        with plain_torch():
            features = [self._encode(path).cpu() for path in self._setup.photos[:count]]
        states = torch.cat(features).numpy()
        np.save(self._setup.folder / "plain.npy", states.astype(np.float16) if self._tunable_layers else states)
        self.first = states[0].ravel()

    def _encode(self, path: Path) -> Tensor:
        image: Any = self._transform(Image.open(path))
        batch = image.unsqueeze(0).to(self._setup.device)
        if not self._tunable_layers:
            return self._visual(batch)
        last = len(self._visual.transformer.resblocks) - self._tunable_layers - 1
        output = self._visual.forward_intermediates(
            batch,
            indices=[last],
            stop_early=True,
            intermediates_only=True,
            output_fmt="NLC",
            output_extra_tokens=True,
        )
        return torch.cat([output["image_intermediates_prefix"][0], output["image_intermediates"][0]], dim=1)
