"""What is true of a picture, free of language: the values that a text can name, and facts made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing: a noun of the lexicon with its traits, such as the large red circle."""

    noun: str
    traits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Things:
    """So many things of a sort."""

    count: int
    noun: str
    traits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A word that the lexicon knows in every language, by its table and name."""

    table: str
    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Several values, joined by "and" or "or"."""

    items: "tuple[Value, ...]"
    joint: str = "and"


# A string is written as it stands in the picture, a number in digits or in words, a truth value as yes or no.
Value = str | int | Thing | Things | Term | Listing


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """Something true of a picture, to be told, asked or both, as far as its wordings go.

    Attributes
    ----------
    name : str
        Of the wordings that tell and ask it.
    fields : mapping of str to Value
        What the wordings name.
    answer : Value or None
        To the wordings that ask; None if it is only told.
    decoys : mapping of str to Value
        Fields that make the telling false when they replace the true ones; empty if none are known.
    choices : tuple of Value
        Among which the answer is; empty if the question is open.
    closed : bool
        Whether the question means nothing without its choices.
    told : bool
        False keeps it out of captions.
    """

    name: str
    fields: Mapping[str, Value] = field(default_factory=dict)
    answer: Value | None = None
    decoys: Mapping[str, Value] = field(default_factory=dict)
    choices: tuple[Value, ...] = ()
    closed: bool = False
    told: bool = True


def colour(name: str) -> Term:
    """A colour, on its own."""
    return Term("trait", name)
