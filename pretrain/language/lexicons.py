"""Ordinary words and sentences of each language, beyond what is drawn."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pretrain.language.forms import Noun, parse_noun


@dataclass(frozen=True, slots=True)
class Lexicon:
    """One language's nouns by what they name, other words by what they are, and sentences with gaps for both."""

    nouns: Mapping[str, tuple[Noun, ...]]
    words: Mapping[str, tuple[str, ...]]
    questions: tuple[str, ...]
    statements: tuple[str, ...]


@cache
def lexicon(language: str) -> Lexicon:
    """The lexicon of a language."""
    with (Path(__file__).with_name("lexicons") / f"{language}.toml").open("rb") as file:
        entries = tomllib.load(file)
    return Lexicon(
        nouns={
            topic: tuple(parse_noun(noun, language) for noun in nouns.split(", "))
            for topic, nouns in entries["nouns"].items()
        },
        words={sort: tuple(words.split(", ")) for sort, words in entries["words"].items()},
        questions=tuple(entries["texts"]["questions"]),
        statements=tuple(entries["texts"]["statements"]),
    )
