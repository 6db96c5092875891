"""What a picture shows, not how it looks: scenes, and the facts that one can ask about them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from arms.sample.canvas import Canvas
from arms.sample.conditions import Conditions


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A question's content in no language: what it asks, what is true, and what could be mistaken for true.

    Attributes
    ----------
    task : str
    subject : mapping of str to str
        What the question names: a colour, a shape, a label, or the coloured shapes a and b ("red circle").
    answer : str
        "yes" and "no" mean the words for them in the question's language.
    under, over : tuple of str
        Plausible wrong answers, never empty, of a VLM that sees too little (a count too small, a letter dropped, the
        bar before) or too much (a count too large, a letter mistaken for its double, the bar after).
    """

    task: str
    subject: Mapping[str, str] = field(default_factory=dict)
    answer: str
    under: tuple[str, ...]
    over: tuple[str, ...]


class Scene(Protocol):
    """The content of one picture."""

    def paint(self, canvas: Canvas) -> None:
        """Draw the content on the canvas."""

    def ask(self, task: str, rng: np.random.Generator) -> Fact:
        """Choose something to ask of this scene in the given task."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A family of pictures and what is asked about them."""

    name: str
    tasks: tuple[str, ...]
    draw_scene: Callable[[Conditions, np.random.Generator], Scene]


def number_fact(task: str, value: int, *, step: int = 1, subject: Mapping[str, str] | None = None) -> Fact:
    """A fact whose answer is a number >= `step`; wrong answers are one or two steps off."""
    return Fact(
        task=task,
        subject=subject or {},
        answer=str(value),
        under=tuple(str(value - off) for off in (step, 2 * step) if value >= off),
        over=tuple(str(value + off) for off in (step, 2 * step)),
    )


def verdict_fact(task: str, holds: bool, subject: Mapping[str, str]) -> Fact:
    """A fact whose answer is yes or no; wrong answers flip it."""
    right, wrong = ("yes", "no") if holds else ("no", "yes")
    return Fact(task=task, subject=subject, answer=right, under=(wrong,), over=(wrong,))
