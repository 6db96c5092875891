"""What a picture shows, not how it looks: scenes, and the facts that one can ask about them."""

from collections.abc import Callable, Mapping, Sequence
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

    def tell(self, language: str) -> tuple[str, ...]:
        """The content in words, piece by piece, two or more."""

    @property
    def amount(self) -> int:
        """How much there is of what two pictures of a benchmark are compared by."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A family of pictures and what is asked about them.

    Attributes
    ----------
    tasks : tuple of str
        What can be asked of a picture.
    told_tasks : tuple of str
        Those that can also be asked of a scene that is only told.
    comparison : str
        The task that asks for the one of two pictures with the larger amount.
    """

    name: str
    tasks: tuple[str, ...]
    told_tasks: tuple[str, ...]
    comparison: str
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


def comparison_fact(task: str, first: int, second: int) -> Fact:
    """A fact whose answer is the number of the picture with the larger amount, or 0 if there is none."""
    answer = 0 if first == second else 1 if first > second else 2
    wrong = tuple(str(number) for number in range(3) if number != answer)
    return Fact(task=task, answer=str(answer), under=wrong[:1], over=wrong[1:])


def description_fact(task: str, pieces: Sequence[str]) -> Fact:
    """A fact whose answer tells the whole content of a picture; wrong answers leave a piece out, or tell one twice."""
    return Fact(
        task=task,
        answer=", ".join(pieces),
        under=(", ".join(pieces[1:]), ", ".join(pieces[:-1])),
        over=(", ".join((pieces[0], *pieces)),),
    )
