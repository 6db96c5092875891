"""Noun phrases in six languages: articles, agreement, cases and numerals."""

from collections.abc import Callable

from pretrain.language.asian import chinese, hindi
from pretrain.language.forms import FORMS, Form, Noun
from pretrain.language.germanic import english, german
from pretrain.language.romance import french, spanish

_SPEAKERS: dict[str, Callable[[Noun, tuple[str, ...], Form, str], str]] = {
    "en": english,
    "de": german,
    "es": spanish,
    "fr": french,
    "zh": chinese,
    "hi": hindi,
}


def noun_phrase(
    language: str, noun: Noun, adjectives: tuple[str, ...], form: str, count: int = 1, numeral: str = ""
) -> str:
    """Build a phrase.

    Parameters
    ----------
    language : str
    noun : Noun
    adjectives : tuple of str
        As the lexicon writes them, in English order.
    form : str
        One of those in `forms`.
    count : int
        How many, for the `num` forms.
    numeral : str
        The count in digits or in words, as it is to be written.
    """
    article, plural, case = FORMS[form]
    parts = Form(article, plural and not (article == "num" and count == 1), case)
    return _SPEAKERS[language](noun, adjectives, parts, numeral)


def base_form(adjective: str, language: str) -> str:
    """The adjective on its own, as in "which colour: red"."""
    return adjective.lstrip("=<").split("/")[0] if language != "zh" else adjective.removesuffix("的")
