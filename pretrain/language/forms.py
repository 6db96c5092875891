"""The parts of noun phrases: nouns as the lexicon writes them, and the forms that wordings ask for.

A *form* says which phrase is wanted. Languages without cases take `acc` and `dat` for `the`.

==========  =========================================================
the         the red circle; in the nominative
acc, dat    the same in another case (Hindi: dat is the oblique)
of, to      with "of" or "to" before it: du cercle, al círculo
a           a red circle; aacc, adat in another case
bare        red circle
many        red circles; manydat in the dative (Hindi: oblique)
thes        the red circles; thesdat in the dative
num         three red circles; numacc, numdat in another case
howmany     how many red circles; howmanydat in the dative
ofmany      of red circles
==========  =========================================================
"""

from typing import NamedTuple


class Noun(NamedTuple):
    """A noun: its gender (in Chinese its measure word, in English nothing), singular and plural."""

    gender: str
    one: str
    many: str


class Form(NamedTuple):
    """A form taken apart: what opens the phrase ("" for nothing), number and case."""

    article: str
    plural: bool
    case: str


FORMS = {
    "the": Form("the", False, "nom"),
    "acc": Form("the", False, "acc"),
    "dat": Form("the", False, "dat"),
    "of": Form("of", False, "nom"),
    "to": Form("to", False, "nom"),
    "a": Form("a", False, "nom"),
    "aacc": Form("a", False, "acc"),
    "adat": Form("a", False, "dat"),
    "bare": Form("", False, "nom"),
    "many": Form("", True, "nom"),
    "manydat": Form("", True, "dat"),
    "thes": Form("the", True, "nom"),
    "thesdat": Form("the", True, "dat"),
    "num": Form("num", True, "nom"),
    "numacc": Form("num", True, "acc"),
    "numdat": Form("num", True, "dat"),
    "howmany": Form("howmany", True, "nom"),
    "howmanydat": Form("howmany", True, "dat"),
    "ofmany": Form("ofmany", True, "nom"),
}


def parse_noun(entry: str, language: str) -> Noun:
    """Read a noun as the lexicon writes it: "circle/circles", "m Kreis/Kreise", "个 圆形"."""
    gender, _, forms = entry.partition(" ") if language != "en" else ("", "", entry)
    one, _, many = forms.partition("/")
    return Noun(gender, one, many or one)
