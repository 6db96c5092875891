"""English and German noun phrases."""

from pretrain.language.forms import Form, Noun
from pretrain.language.numbers import NUMBER_WORDS


def english(noun: Noun, adjectives: tuple[str, ...], form: Form, numeral: str) -> str:
    """A phrase with its article; English has neither gender nor case."""
    phrase = " ".join([*adjectives, noun.many if form.plural else noun.one])
    openings = {
        "the": "the",
        "of": "of the",
        "to": "to the",
        "a": indefinite_article(phrase),
        "num": numeral,
        "howmany": "how many",
        "ofmany": "of",
    }
    return f"{openings.get(form.article, '')} {phrase}".lstrip()


def indefinite_article(phrase: str) -> str:
    """A or an, by the sound that follows: an umbrella, a uniform."""
    return "an" if phrase[0] in "aeiou" and not phrase.startswith("uni") else "a"


# By gender (and plural) in the nominative, accusative and dative.
_DEFINITE = {"m": "der den dem", "f": "die die der", "n": "das das dem", "p": "die die den"}
_INDEFINITE = {"m": "ein einen einem", "f": "eine eine einer", "n": "ein ein einem"}
_STRONG = {"m": "er en em", "f": "e e er", "n": "es es em", "p": "e e en"}
_WEAK = {"m": "e en en", "f": "e e en", "n": "e e en", "p": "en en en"}
_MIXED = {"m": "er en en", "f": "e e en", "n": "es es en"}


def german(noun: Noun, adjectives: tuple[str, ...], form: Form, numeral: str) -> str:
    """A phrase in its case, its adjectives declined after the article, the numeral or nothing."""
    place = ("nom", "acc", "dat").index("dat" if form.article in ("of", "to", "ofmany") else form.case)
    gender = "p" if form.plural else noun.gender[0]
    article, endings = "", _STRONG
    if form.article in ("the", "of", "to"):
        preposition = {"of": "von ", "to": "zu "}.get(form.article, "")
        article, endings = preposition + _DEFINITE[gender].split()[place], _WEAK
    elif form.article == "a" or (form.article == "num" and numeral == NUMBER_WORDS["de"][1]):
        article, endings = _INDEFINITE[gender].split()[place], _MIXED
    else:
        how_many = "wie vielen" if place == 2 else "wie viele"
        article = {"num": numeral, "howmany": how_many, "ofmany": "von"}.get(form.article, "")
    ending = endings[gender].split()[place]
    inflected = [word[1:] if word.startswith("=") else word.removesuffix("e") + ending for word in adjectives]
    return " ".join([*([article] if article else []), *inflected, _german_noun(noun, form.plural, place)])


def _german_noun(noun: Noun, plural: bool, place: int) -> str:
    """The noun in its case: -n in the dative plural, and a few masculines take their plural's form."""
    if plural:
        return noun.many + ("n" if place == 2 and noun.many[-1] not in "ns" else "")
    return noun.many if noun.gender == "mn" and place > 0 else noun.one
