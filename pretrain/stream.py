"""The stream of drawn pictures with their captions and questions, in batches."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from pretrain.corpus import draw_language
from pretrain.drawing.canvas import Canvas
from pretrain.draws import pick
from pretrain.language.wording import Asked, ask, caption
from pretrain.scenes.base import FAMILIES, LABELS, Labels, condition_facts, labels_of, load_family

GROUP_ROWS = 16  # rows that are of one family together, where they are grouped
_SMALLEST_PX, _LARGEST_PX = 32, 640


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnBatch:
    """N pictures with texts and labels.

    Attributes
    ----------
    images : ndarray of shape (N, 3, H, W), uint8
    captions : list of N str
    questions : list of N Asked
        A question about the picture, and its answer, in the caption's language.
    families, languages : list of N str
    labels : mapping of str to list of N values
        What linear probes are to tell, see `scenes.base.Labels`; None where it does not apply.
    """

    images: np.ndarray
    captions: list[str]
    questions: list[Asked]
    families: list[str]
    languages: list[str]
    labels: Mapping[str, list[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnRow:
    """One picture with its texts and labels."""

    image: Image.Image
    caption: str
    asked: Asked
    family: str
    language: str
    labels: Labels


def draw_batch(seed: int, step: int, *, size: int, image_px: int, same_family_share: float) -> DrawnBatch:
    """Draw one batch: a pure function of its arguments.

    Row r depends on the seed, the step, r and the other arguments but not on `size`, so a batch can be drawn in any
    parts. A held-out stream is another seed.

    Parameters
    ----------
    seed, step : int
        At least 0.
    size : int
        N, at least 1.
    image_px : int
        Side of the pictures, from 32 to 640.
    same_family_share : float in [0, 1]
        Chance of each group of 16 neighbouring rows to be of one family, so that a contrastive loss compares what is
        alike; the other rows are of any family each.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    _check(seed, step, size, image_px, same_family_share)
    rows = [
        draw_row(group_family(seed, step, row, same_family_share), image_px, np.random.default_rng((seed, step, row)))
        for row in range(size)
    ]
    labels = [asdict(row.labels) for row in rows]
    return DrawnBatch(
        images=np.stack([np.asarray(row.image) for row in rows]).transpose(0, 3, 1, 2).copy(),
        captions=[row.caption for row in rows],
        questions=[row.asked for row in rows],
        families=[row.family for row in rows],
        languages=[row.language for row in rows],
        labels={name: [label[name] for label in labels] for name in LABELS},
    )


def draw_row(family_name: str | None, image_px: int, rng: np.random.Generator) -> DrawnRow:
    """Draw one picture, of the named family or of any, with its texts."""
    name = family_name or pick(tuple(FAMILIES), rng)
    family = load_family(name)
    conditions = family.draw_conditions(rng)
    scene = family.draw_scene(conditions, rng)
    canvas = Canvas(conditions, image_px, rng)
    scene.paint(canvas)
    image = canvas.finish()
    language = draw_language(rng)
    facts, looks = scene.facts(rng), condition_facts(conditions, family)
    return DrawnRow(
        image=image,
        caption=caption(facts, looks, language, rng),
        asked=ask(facts, looks, language, rng),
        family=name,
        language=language,
        labels=labels_of(scene, conditions),
    )


def group_family(seed: int, step: int, row: int, same_family_share: float) -> str | None:
    """The family of the row's group; None if its rows are of any family each."""
    rng = np.random.default_rng((seed, step, row // GROUP_ROWS, 1))  # the last word sets it apart from the rows' own
    return pick(tuple(FAMILIES), rng) if rng.random() < same_family_share else None


def _check(seed: int, step: int, size: int, image_px: int, same_family_share: float) -> None:
    """Raise a ValueError that names the first argument out of range."""
    for name, value, allowed, fits in (
        ("seed", seed, "an integer >= 0", seed >= 0),
        ("step", step, "an integer >= 0", step >= 0),
        ("size", size, "an integer >= 1", size >= 1),
        ("image_px", image_px, f"{_SMALLEST_PX} to {_LARGEST_PX}", _SMALLEST_PX <= image_px <= _LARGEST_PX),
        ("same_family_share", same_family_share, "a number from 0 to 1", 0 <= same_family_share <= 1),
    ):
        if not fits:
            raise ValueError(f"draw_batch, {name}: expected {allowed}, got {value!r}")
