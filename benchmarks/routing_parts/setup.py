"""What the parts share: how much is run, the made-up photos, and queries about them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.feature_parts.setup import write_photos

SEED = 1
_DRAWN = 300
_OPENINGS = ("How many", "Are there any", "Where are the", "What is written on the", "Which of these are the")
_QUALITIES = ("red", "small", "striped", "broken", "wooden", "nearest", "largest", "hidden")
_THINGS = ("chairs", "signs", "bottles", "children", "windows", "bicycles", "numbers", "plants")
_PLACES = ("in this picture", "on the left of the table", "behind the second door from the right", "here")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is run."""

    rounds: int
    queries: int
    pictures: int
    memory_queries: tuple[int, ...]
    routes: int  # one by one


def write_pictures(folder: Path, count: int) -> list[Path]:
    """JPEG files that are all different; where these are more than 300, some show the same and have other bytes."""
    drawn = write_photos(folder / "drawn", min(count, _DRAWN), SEED)
    paths = [folder / "photos" / f"{number:05d}.jpg" for number in range(count)]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        # What follows the end of a JPEG is not looked at.
        path.write_bytes(drawn[number % len(drawn)].read_bytes() + number.to_bytes(8))
    return paths


def make_queries(photos: list[Path], count: int) -> tuple[list[Path], list[str]]:
    """Queries of a random photo and a question of its own each, 8 to 16 words; each photo is asked about."""
    rng = np.random.default_rng(SEED)
    asked = np.concatenate([np.arange(len(photos)), rng.integers(0, len(photos), max(0, count - len(photos)))])
    words = [[texts[i] for i in rng.integers(0, len(texts), count)] for texts in _LISTS]
    questions = [f"{' '.join(parts)}, case {number}?" for number, parts in enumerate(zip(*words, strict=True))]
    return [photos[number] for number in rng.permutation(asked)[:count]], questions


_LISTS = (_OPENINGS, _QUALITIES, _THINGS, _PLACES)
