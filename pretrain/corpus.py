"""Texts without pictures, for learning the vocabulary and for masked-language training."""

import string
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from pretrain.draws import pick, pick_weighted, whole
from pretrain.language import LANGUAGES
from pretrain.language.grammar import base_form
from pretrain.language.lexicons import Lexicon, lexicon
from pretrain.language.spoken import Phrase
from pretrain.language.wording import ask, capitalise, caption
from pretrain.scenes.base import FAMILIES, condition_facts, load_family

ENGLISH_SHARE = 0.5  # the other languages share the rest evenly
_SORTS = {"wide": 0.5, "caption": 0.2, "question": 0.3}
_QUESTION_SHARE = 0.75  # of the wide texts
_DESCRIBED = ("object", "furniture", "vehicle", "clothing", "device")  # topics whose nouns get adjectives
_ADJECTIVE_SHARE = 0.35  # of their noun phrases
_ANSWERED_SHARE = 0.3  # questions about drawn scenes that are followed by their answer


def texts(seed: int, num: int) -> Iterator[str]:
    """Captions of drawn scenes and questions of all sorts, without drawing anything.

    Half of them are about pictures of other sorts than those drawn: people, animals, signs, food, charts, and so on.

    Parameters
    ----------
    seed : int
        At least 0. The texts are another stream than `stream.draw_batch` draws from the same seed.
    num : int
        How many; text number i is the same whatever `num` is.
    """
    for number in range(num):
        # Entropy is padded with zeros: without the last word these would be the generators of a batch's first rows.
        yield draw_text(np.random.default_rng((seed, number, 0, 2)))


def draw_text(rng: np.random.Generator) -> str:
    """One text in some language."""
    language = draw_language(rng)
    sort = pick_weighted(_SORTS, rng)
    if sort == "wide":
        known = lexicon(language)
        return fill(pick(known.questions if rng.random() < _QUESTION_SHARE else known.statements, rng), language, rng)
    family = load_family(pick(tuple(FAMILIES), rng))
    conditions = family.draw_conditions(rng)
    facts, looks = family.draw_scene(conditions, rng).facts(rng), condition_facts(conditions, family)
    if sort == "caption":
        return caption(facts, looks, language, rng)
    asked = ask(facts, looks, language, rng)
    return f"{asked.question} {asked.answer}" if rng.random() < _ANSWERED_SHARE else asked.question


def draw_language(rng: np.random.Generator) -> str:
    """English for its share of the texts, else one of the others."""
    return LANGUAGES[0] if rng.random() < ENGLISH_SHARE else pick(LANGUAGES[1:], rng)


def fill(template: str, language: str, rng: np.random.Generator) -> str:
    """Put words into the gaps of a sentence; a gap is named after what goes in, with a digit if it comes again."""
    known = lexicon(language)
    words = {gap: _draw_filling(gap.rstrip(string.digits), known, language, rng) for gap in _gaps(template)}
    return capitalise(template.format(**words))


@cache
def _gaps(template: str) -> tuple[str, ...]:
    return tuple(sorted({name for _, name, _, _ in string.Formatter().parse(template) if name}))


def _draw_filling(gap: str, known: Lexicon, language: str, rng: np.random.Generator) -> Any:
    if gap in known.nouns:
        described = gap in _DESCRIBED and rng.random() < _ADJECTIVE_SHARE
        adjectives = (_attach(pick(known.words["adjective"], rng), language),) if described else ()
        return Phrase(pick(known.nouns[gap], rng), adjectives, language)
    if gap in known.words:
        return base_form(pick(known.words[gap], rng), language)
    if gap == "letter":
        return pick(string.ascii_uppercase, rng)
    return str(whole(1950, 2030, rng) if gap == "year" else whole(2, 99, rng))


def _attach(adjective: str, language: str) -> str:
    """The adjective as it is before a noun."""
    return f"{adjective}的" if language == "zh" else adjective
