"""What every scene is: content that can be drawn, facts about it, and labels for probes.

A new family is a module with its `Family`, a line in the registry, and a file of wordings for its facts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import import_module
from typing import Protocol

import numpy as np

from pretrain.drawing.canvas import Canvas
from pretrain.drawing.conditions import Conditions, draw_conditions
from pretrain.draws import pick
from pretrain.facts import Fact, Term, Things, colour

# The families, by name; each is a `Family` of that module.
FAMILIES = {
    "shapes": "pretrain.scenes.shapes:SHAPES",
    "positions": "pretrain.scenes.positions:POSITIONS",
    "touching": "pretrain.scenes.touching:TOUCHING",
    "crossings": "pretrain.scenes.crossings:CROSSINGS",
    "grids": "pretrain.scenes.grids:GRIDS",
    "nested": "pretrain.scenes.nested:NESTED",
    "paths": "pretrain.scenes.paths:PATHS",
    "letters": "pretrain.scenes.letters:LETTERS",
    "words": "pretrain.scenes.words:WORDS",
    "charts": "pretrain.scenes.charts:CHARTS",
    "tables": "pretrain.scenes.tables:TABLES",
    "textures": "pretrain.scenes.textures:TEXTURES",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """What a linear probe can be trained to tell of a picture; None where it does not apply.

    Attributes
    ----------
    count : int
        Of what the family counts: shapes, points, bars, lines of text, filled cells.
    colour, kind : str
        The most frequent ones, if no other is as frequent.
    place : str
        Of the only object.
    contact : str
        touching, overlapping or apart.
    crossings, crosses : int, bool
    rows, columns : int
    depth : int
        Figures within each other.
    routes : int
        Between all points.
    letter, word : str
        The marked letter; the only word.
    length : int
        Of the only word, in characters.
    chart, largest : str
        The kind of chart, and the label of its maximum.
    texture : str
    ground, quality : str
        Conditions: light, dark or coloured; sharp, blurred, low-resolution, noisy or jpeg.
    faint, tilted : bool
        Conditions.
    """

    count: int | None = None
    colour: str | None = None
    kind: str | None = None
    place: str | None = None
    contact: str | None = None
    crossings: int | None = None
    crosses: bool | None = None
    rows: int | None = None
    columns: int | None = None
    depth: int | None = None
    routes: int | None = None
    letter: str | None = None
    word: str | None = None
    length: int | None = None
    chart: str | None = None
    largest: str | None = None
    texture: str | None = None
    ground: str | None = None
    quality: str | None = None
    faint: bool | None = None
    tilted: bool | None = None


LABELS = tuple(field.name for field in fields(Labels))


class Scene(Protocol):
    """The content of one picture."""

    def paint(self, canvas: Canvas) -> None:
        """Draw the content."""

    def facts(self, rng: np.random.Generator) -> list[Fact]:
        """What is true of the content; where much could be said, a random part of it."""

    def labels(self) -> Labels:
        """What probes are to tell; the conditions' labels stay None."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """A family of scenes.

    Attributes
    ----------
    draw_scene : callable
        Draws the content that suits given conditions.
    still : bool
        Its pictures are neither tilted nor shrunk, since its facts are about places in the picture.
    fine : bool
        They hold small print, which would be lost in small drawings and at low resolution.
    covering : bool
        They cover the ground.
    untold : tuple of str
        What the names of conditions begin with that do not show in its pictures.
    """

    draw_scene: Callable[[Conditions, np.random.Generator], Scene]
    still: bool = False
    fine: bool = False
    covering: bool = False
    untold: tuple[str, ...] = ()

    def draw_conditions(self, rng: np.random.Generator) -> Conditions:
        """Conditions that suit the family."""
        return draw_conditions(rng, still=self.still, fine=self.fine, covering=self.covering)


@cache
def load_family(name: str) -> Family:
    """The family of that name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in FAMILIES:
        raise ValueError(f"unknown family {name!r}; known: {', '.join(FAMILIES)}")
    module, _, attribute = FAMILIES[name].partition(":")
    family = getattr(import_module(module), attribute)
    assert isinstance(family, Family)
    return family


def labels_of(scene: Scene, conditions: Conditions) -> Labels:
    """All labels of a scene drawn under these conditions."""
    return replace(
        scene.labels(),
        ground=conditions.kind,
        quality=conditions.quality,
        faint=conditions.fade > 0,
        tilted=conditions.tilt != 0,
    )


def count_fact(
    name: str, count: int, noun: str, traits: tuple[str, ...], rng: np.random.Generator, *, told: bool = True
) -> Fact:
    """A fact that gives a number of things; false claims are off by one or two."""
    wrong = count + pick((-2, -1, 1, 2) if count > 2 else (1, 2), rng)
    return Fact(
        name=name,
        fields={"things": Things(count, noun, traits)},
        answer=count,
        decoys={"things": Things(wrong, noun, traits)},
        told=told and count > 0,
    )


def most_frequent(names: Sequence[str]) -> str | None:
    """The name that occurs more often than any other."""
    ranked = sorted(set(names), key=lambda name: -names.count(name))
    tied = len(ranked) > 1 and names.count(ranked[0]) == names.count(ranked[1])
    return ranked[0] if ranked and not tied else None


def condition_facts(conditions: Conditions, family: Family) -> list[Fact]:
    """How a picture of the family looks under the conditions, as facts."""
    facts = []
    for trait in conditions.traits():
        if trait in ("light", "dark"):
            other = "dark" if trait == "light" else "light"
            tones = (Term("tone", trait), Term("tone", other))
            facts.append(Fact(name=trait, fields={"tone": tones[0]}, answer=tones[0], choices=tones))
        elif trait in ("quality-sharp", "quality-blurred"):
            facts.append(Fact(name=trait, answer=trait == "quality-blurred"))
        else:
            facts.append(Fact(name=trait))
    if conditions.kind == "coloured":
        name = colour(conditions.ground_name)
        facts.append(Fact(name="ground", fields={"colour": name}, answer=name))
    return [fact for fact in facts if not fact.name.startswith(family.untold)]
