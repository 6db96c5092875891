"""Chinese and Hindi noun phrases."""

from pretrain.language.forms import Form, Noun


def chinese(noun: Noun, adjectives: tuple[str, ...], form: Form, numeral: str) -> str:
    """A phrase without articles or plural; numerals bring the noun's measure word."""
    phrase = "".join(adjectives) + noun.one
    if form.article in ("a", "num"):
        count = {"": "一", "二": "两"}.get(numeral, numeral)
        return count + noun.gender + phrase
    return "多少" + noun.gender + phrase if form.article == "howmany" else phrase


def hindi(noun: Noun, adjectives: tuple[str, ...], form: Form, numeral: str) -> str:
    """A phrase in the direct case, or in the oblique where a postposition follows."""
    oblique = form.case == "dat" or form.article in ("of", "to", "ofmany")
    inflected = [_adjective(word, noun.gender == "f", form.plural or oblique) for word in adjectives]
    how_many = "कितनी" if noun.gender == "f" else "कितने"
    count = {"num": numeral, "a": "एक", "howmany": how_many}.get(form.article, "")
    return " ".join([*([count] if count else []), *inflected, _noun(noun, form.plural, oblique)])


def _adjective(adjective: str, feminine: bool, not_plain: bool) -> str:
    """An adjective in -ā agrees; others stay."""
    if not adjective.endswith("ा") or adjective.startswith("="):
        return adjective.lstrip("=")
    return adjective[:-1] + ("ी" if feminine else "े" if not_plain else "ा")


def _noun(noun: Noun, plural: bool, oblique: bool) -> str:
    if not oblique:
        return noun.many if plural else noun.one
    declined = noun.gender == "m" and noun.one.endswith("ा") and noun.many.endswith("े")
    if not plural:
        return noun.many if declined else noun.one
    if declined:
        return noun.one[:-1] + "ों"
    for ending, oblique_ending in (("ी", "ियों"), ("ि", "ियों"), ("ू", "ुओं"), ("ा", "ाओं")):
        if noun.one.endswith(ending):
            return noun.one[:-1] + oblique_ending
    return noun.one + "ों"
