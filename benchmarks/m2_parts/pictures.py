"""Pictures of real sizes: JPEG files from 300 pixels to 4K that weigh and decode like photos, drawn fast.

A picture is drawn at a quarter of its size (a smooth field of one of a few palettes, and shapes on it), enlarged, and
mixed with noise. What it shows decides, with the question, who is right about it; no two fields are alike.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from arms.progress import progress_bar

PALETTES = ((200, 90, 60), (90, 160, 70), (60, 100, 190), (190, 170, 80), (130, 80, 160), (120, 120, 120))
MOST_SHAPES = 24
_LONGEST = 3840
_SMALLER = 4  # drawn at this fraction of its size
_NOISE = 0.12  # the noise's share of a picture
_CHUNK = 16  # pictures handed to a process at once

# The longer side in pixels: median, and spread of its logarithm. MME-RealWorld's pictures have 2,000 x 1,500 pixels on
# average, as published; the other benchmarks' sizes are assumed.
_SIDES = {"MME-RealWorld": (1900, 0.35), "ALM-bench": (1000, 0.45), "MMT-Bench": (640, 0.45), "VHELM": (600, 0.35)}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What a picture shows; `name` is its path in the dataset's folder."""

    name: str
    benchmark: str
    number: int
    palette: int
    shapes: int


def picture_size(benchmark: str, rng: np.random.Generator) -> tuple[int, int]:
    """Width and height; one in five stands upright."""
    median, spread = _SIDES[benchmark]
    longer = int(np.clip(rng.lognormal(np.log(median), spread), 300, _LONGEST))
    shorter = int(np.clip(longer / rng.lognormal(np.log(1.33), 0.12), 200, longer))
    return (shorter, longer) if rng.random() < 0.2 else (longer, shorter)


def write_pictures(folder: Path, pictures: Sequence[Picture], seed: int, workers: int) -> int:
    """Write all files and return their bytes in all; each has a generator of its own, so `workers` changes nothing."""
    for parent in {(folder / picture.name).parent for picture in pictures}:
        parent.mkdir(parents=True, exist_ok=True)
    write: Callable[[Picture], int] = partial(_write_picture, folder, seed)
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        progress_bar("draw", "pictures") as progress,
    ):
        total = 0
        for done, size in enumerate(pool.map(write, pictures, chunksize=_CHUNK), start=1):
            total += size
            progress(done, len(pictures))
    return total


def _write_picture(folder: Path, seed: int, picture: Picture) -> int:
    path = folder / picture.name
    draw_picture(picture, seed).save(path, "JPEG", quality=88)
    return path.stat().st_size


def draw_picture(picture: Picture, seed: int) -> Image.Image:
    """Draw a picture; the seed and its number decide all but what `Picture` says."""
    rng = np.random.default_rng([seed, picture.number])
    width, height = picture_size(picture.benchmark, rng)
    small = (width // _SMALLER, height // _SMALLER)
    field = np.array(PALETTES[picture.palette]) + rng.integers(-60, 61, (6, 8, 3))
    image = Image.fromarray(field.clip(0, 255).astype(np.uint8)).resize(small, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(picture.shapes):
        side = int(rng.uniform(0.05, 0.15) * min(small))
        left, top = int(rng.integers(0, small[0] - side)), int(rng.integers(0, small[1] - side))
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw((left, top, left + side, top + side), fill=tuple(rng.integers(0, 256, 3).tolist()))
    noise = _noise()
    left, top = int(rng.integers(0, noise.width - width + 1)), int(rng.integers(0, noise.height - height + 1))
    grain = noise.crop((left, top, left + width, top + height))
    return Image.blend(image.resize((width, height), Image.Resampling.BILINEAR), grain, _NOISE)


@cache
def _noise() -> Image.Image:
    """A sheet of noise that pictures are cut from, made once in a process."""
    values = np.random.default_rng(0).normal(128, 60, (_LONGEST + 256, _LONGEST + 256, 3)).clip(0, 255)
    return Image.fromarray(values.astype(np.uint8))
