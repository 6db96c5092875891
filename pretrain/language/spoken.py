"""Values put in a language: what the fields of a wording become."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.facts import Listing, Term, Thing, Things, Value
from pretrain.language.forms import Noun, parse_noun
from pretrain.language.germanic import indefinite_article
from pretrain.language.grammar import base_form, noun_phrase
from pretrain.language.numbers import spell_number

_IN_WORDS_SHARE = 0.5  # numbers written in words; the others are in digits
_QUOTES = {
    "en": ('"{}"', "'{}'", "“{}”", "{}"),
    "de": ("„{}“", '"{}"', "»{}«", "{}"),
    "es": ("«{}»", '"{}"', "{}"),
    "fr": ("« {} »", '"{}"', "{}"),
    "zh": ("“{}”", "「{}」", "{}"),
    "hi": ('"{}"', "'{}'", "{}"),
}
_JOINTS = {  # between items, and before the last by joint
    "en": {"comma": ", ", "and": " and ", "or": " or "},
    "de": {"comma": ", ", "and": " und ", "or": " oder "},
    "es": {"comma": ", ", "and": " y ", "or": " o "},
    "fr": {"comma": ", ", "and": " et ", "or": " ou "},
    "zh": {"comma": "、", "and": "和", "or": "或"},
    "hi": {"comma": ", ", "and": " और ", "or": " या "},
}

_SPANISH_CLASHES = {"and": ("i", "hi", "I", "Hi"), "or": ("o", "ho", "O", "Ho")}  # y becomes e, o becomes u


@cache
def _lexicon() -> dict[str, dict[str, dict[str, tuple[str, ...]]]]:
    """Synonyms by table, name and language."""
    with Path(__file__).with_name("lexicon.toml").open("rb") as file:
        tables: dict[str, dict[str, dict[str, str]]] = tomllib.load(file)
    return {
        table: {
            name: {language: tuple(words.split("|")) for language, words in entry.items()}
            for name, entry in entries.items()
        }
        for table, entries in tables.items()
    }


def _look_up(table: str, name: str, language: str, rng: np.random.Generator) -> str:
    synonyms = _lexicon()[table][name][language]
    return synonyms[rng.integers(len(synonyms))] if len(synonyms) > 1 else synonyms[0]


class Phrase:
    """A noun phrase; the format specification is the form, see `grammar`."""

    def __init__(self, noun: Noun, adjectives: tuple[str, ...], language: str) -> None:
        self._noun, self._adjectives, self._language = noun, adjectives, language
        self._count, self._numeral, self._usual_form = 1, "", "the"

    def counted(self, count: int, numeral: str) -> "Phrase":
        """The phrase with a number, which is what it tells unless another form is asked for."""
        self._count, self._numeral, self._usual_form = count, numeral, "num"
        return self

    def __format__(self, form: str) -> str:
        form = form or self._usual_form
        return noun_phrase(self._language, self._noun, self._adjectives, form, self._count, self._numeral)


class _Number:
    """A number in digits or in words; `digits` keeps to digits."""

    def __init__(self, value: int, language: str, rng: np.random.Generator) -> None:
        self._value, self._text = value, _write_number(value, language, rng)

    def __format__(self, form: str) -> str:
        return str(self._value) if form == "digits" else self._text


class _Word:
    """A word of the lexicon; `noun` is a German noun made of it, `a` has the English article."""

    def __init__(self, value: Term, language: str, rng: np.random.Generator) -> None:
        self._language, self._text = language, base_form(_look_up(value.table, value.name, language, rng), language)

    def __format__(self, form: str) -> str:
        if form == "noun":
            return self._text[:1].upper() + self._text[1:]
        return f"{indefinite_article(self._text)} {self._text}" if form == "a" else self._text


class _Literal:
    """What is written in a picture; `q` puts it in quotation marks."""

    def __init__(self, value: str, language: str, rng: np.random.Generator) -> None:
        marks = _QUOTES[language]
        self._plain, self._quoted = value, marks[rng.integers(len(marks))].format(value)

    def __format__(self, form: str) -> str:
        return self._quoted if form == "q" else self._plain


def speak(value: Value, language: str, rng: np.random.Generator) -> Any:
    """The value as something to format a wording with."""
    if isinstance(value, Thing | Things):
        noun = parse_noun(_look_up("noun", value.noun, language, rng), language)
        phrase = Phrase(noun, tuple(_look_up("trait", trait, language, rng) for trait in value.traits), language)
        if isinstance(value, Thing):
            return phrase
        return phrase.counted(value.count, _write_number(value.count, language, rng))
    if isinstance(value, Term):
        return _Word(value, language, rng)
    if isinstance(value, Listing):
        return join([format(speak(item, language, rng), "") for item in value.items], language, value.joint)
    return _Number(value, language, rng) if isinstance(value, int) else _Literal(value, language, rng)


def join(words: list[str], language: str, joint: str) -> str:
    """Words with commas between them, and the joint before the last."""
    joints = _JOINTS[language]
    head, last = joints["comma"].join(words[:-1]), words[-1]
    if language == "es" and last.startswith(_SPANISH_CLASHES[joint]):
        return f"{head} {'e' if joint == 'and' else 'u'} {last}" if head else last
    return head + joints[joint] + last if head else last


def _write_number(value: int, language: str, rng: np.random.Generator) -> str:
    return spell_number(value, language) if rng.random() < _IN_WORDS_SHARE else str(value)
