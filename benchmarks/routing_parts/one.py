"""One route of a small picture, against decoding it and both forward passes, each alone."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from arms.routers.router import Router
from benchmarks.record import Line
from benchmarks.routing_parts.setup import SEED, Scale
from benchmarks.timing import interleave, plain_torch, synchronize

PART = "one route"
QUESTION = "How many red shapes are there?"
SIDE = 256  # pixels


def measure_one(router: Router, device: torch.device, scale: Scale, folder: Path) -> list[Line]:
    """Milliseconds, one after the other in turn."""
    path = folder / "small.png"
    pixels = np.random.default_rng(SEED).integers(0, 256, (SIDE // 16, SIDE // 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
    parts = {**parts_alone(router, device, path), "route": lambda: router.route(path, QUESTION)}
    timers = [lambda work=work: milliseconds(work, device) for work in parts.values()]
    interleave(5, *timers)  # what is done once alone
    *alone, routes = interleave(scale.routes, *timers)

    def line(name: str, runs: tuple[float, ...]) -> Line:
        return Line(part=PART, name=name, unit="ms", runs=runs)

    together = line("decoding and both forward passes", tuple(map(sum, zip(*alone, strict=True))))
    each = [line(f"{name}, alone", runs) for name, runs in zip(parts, alone, strict=False)]
    return [*each, together, line("route", routes).over(together, at_most=1.3)]


def parts_alone(router: Router, device: torch.device, path: Path) -> dict[str, Callable[[], object]]:
    """What a route cannot do without: decoding its picture, and a forward pass of each encoder."""
    encoders = router.router.encoders
    image = {"pixels": torch.from_numpy(encoders.image.read(path))[None].to(device)}
    ids = torch.from_numpy(encoders.text.tokenize([QUESTION])[0])[None].to(device)
    text = {"token_ids": ids, "mask": torch.ones_like(ids, dtype=torch.bool)}

    def forward(trunk: torch.nn.Module, batch: dict[str, torch.Tensor]) -> Callable[[], object]:
        def work() -> None:
            with plain_torch(), torch.inference_mode():
                trunk(dict(batch))

        return work

    return {
        "decoding": lambda: encoders.image.read(path),
        "the picture's forward pass": forward(encoders.image.trunk, image),
        "the question's forward pass": forward(encoders.text.trunk, text),
    }


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """What some work takes, including its work on a GPU."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return 1000 * (time.perf_counter() - start)
