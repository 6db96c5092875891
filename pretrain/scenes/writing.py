"""What is written in pictures: words of four languages, made-up ones, numbers, codes, and short notes."""

import string
from functools import cache

import numpy as np

from pretrain.draws import between, pick, pick_weighted, whole
from pretrain.language.lexicons import lexicon

_LATIN = ("en", "de", "es", "fr")
_ONSETS = "b br c ch d dr f fl g gr h j k kl l m n p pl qu r s sk st t tr v w z".split()
_VOWELS = "a e i o u ai ea ou".split()
_CODAS = ["", "", "", "l", "m", "n", "r", "s", "t", "x", "nd", "rk"]
_MADE_UP_SHARE = 0.35
_LONGEST = 10
_CASES = {"upper": 0.5, "lower": 0.2, "title": 0.3}
_CURRENCIES = ("${}", "€{}", "£{}", "{} €", "{}%", "{} km", "{} kg")
_NAMES = "Anna Ben Clara David Emma Felix Hugo Ivan Julia Karl Lina Mila Nils Olga Paul Rosa Sara Theo Uma".split()


@cache
def _known_words() -> tuple[str, ...]:
    """Nouns of the languages with Latin letters, short enough to be drawn."""
    return tuple(
        sorted(
            {
                noun.one
                for language in _LATIN
                for nouns in lexicon(language).nouns.values()
                for noun in nouns
                if noun.one.isalpha() and 3 <= len(noun.one) <= _LONGEST
            }
        )
    )


def draw_word(rng: np.random.Generator, *, longest: int = _LONGEST, ascii_only: bool = False) -> str:
    """A word in capitals, small letters or a mixture: a known one, or one that only sounds like it."""
    word = ""
    while not 3 <= len(word) <= longest or (ascii_only and not word.isascii()):
        made_up = rng.random() < _MADE_UP_SHARE
        word = _make_up(rng) if made_up else pick(_known_words(), rng)
    case = pick_weighted(_CASES, rng)
    return word.upper() if case == "upper" else word.lower() if case == "lower" else word.capitalize()


def draw_name(rng: np.random.Generator) -> str:
    """A given name."""
    return pick(_NAMES, rng)


def draw_code(rng: np.random.Generator) -> str:
    """Capitals and digits that spell nothing."""
    return "".join(pick(string.ascii_uppercase + string.digits, rng) for _ in range(whole(3, 8, rng)))


def draw_number(rng: np.random.Generator) -> str:
    """A number, mostly whole and short."""
    if rng.random() < 0.2:
        return f"{between(0, 100, rng):.1f}"
    return str(whole(0, 10 ** whole(1, 5, rng) - 1, rng))


def draw_note(rng: np.random.Generator) -> str:
    """A price, a time, a date, a measure."""
    sort = whole(0, 3, rng)
    if sort == 0:
        return f"{whole(0, 23, rng)}:{whole(0, 59, rng):02d}"
    if sort == 1:
        return f"{whole(1, 28, rng):02d}.{whole(1, 12, rng):02d}.{whole(1950, 2030, rng)}"
    if sort == 2:
        return f"{between(0, 99, rng):.2f}"
    return pick(_CURRENCIES, rng).format(whole(1, 500, rng))


def _make_up(rng: np.random.Generator) -> str:
    """Two or three syllables."""
    return "".join(pick(part, rng) for _ in range(whole(1, 3, rng)) for part in (_ONSETS, _VOWELS, _CODAS))
