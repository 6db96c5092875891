"""Spanish and French noun phrases."""

from collections.abc import Callable

from pretrain.language.forms import Form, Noun
from pretrain.language.numbers import NUMBER_WORDS


def _adjective(adjective: str, feminine: bool, plural: bool, pluralise: Callable[[str], str]) -> str:
    """An adjective that agrees; "=" marks one that never changes, and "blanc/blanche" gives both genders."""
    if adjective.startswith("="):
        return adjective[1:]
    masculine, _, given = adjective.lstrip("<").partition("/")
    word = (given or _feminine(masculine)) if feminine else masculine
    return pluralise(word) if plural else word


def _feminine(masculine: str) -> str:
    """The regular feminine: rojo, roja; azul and rouge stay."""
    if masculine.endswith("o"):
        return masculine[:-1] + "a"
    return masculine


def _spanish_plural(word: str) -> str:
    if word.endswith("ón"):
        return word[:-2] + "ones"
    return word + ("s" if word[-1] in "aeoéá" else "es")


def spanish(noun: Noun, adjectives: tuple[str, ...], form: Form, numeral: str) -> str:
    """A phrase with its article; adjectives follow the noun, the last one in English first."""
    feminine = noun.gender[0] == "f"
    inflected = [_adjective(word, feminine, form.plural, _spanish_plural) for word in reversed(adjectives)]
    phrase = " ".join([noun.many if form.plural else noun.one, *inflected])
    spoken_feminine = feminine and (form.plural or noun.gender != "fa")  # el agua, but las aguas
    article = ("las" if form.plural else "la") if spoken_feminine else ("los" if form.plural else "el")
    if form.article in ("of", "to"):
        preposition = {"of": "de", "to": "a"}[form.article]
        contracted = {"de el": "del", "a el": "al"}
        return f"{contracted.get(f'{preposition} {article}', f'{preposition} {article}')} {phrase}"
    if form.article == "a" or (form.article == "num" and numeral == NUMBER_WORDS["es"][1]):
        return f"{'una' if spoken_feminine else 'un'} {phrase}"
    how_many = "cuántas" if feminine else "cuántos"
    openings = {"the": article, "num": numeral, "howmany": how_many, "ofmany": "de"}
    return f"{openings.get(form.article, '')} {phrase}".lstrip()


def _french_plural(word: str) -> str:
    return word if word[-1] in "sx" else word + "s"


def french(noun: Noun, adjectives: tuple[str, ...], form: Form, numeral: str) -> str:
    """A phrase with its article; a few adjectives stand before the noun."""
    feminine = noun.gender == "f"
    before = [word for word in adjectives if word.startswith("<")]
    after = [word for word in adjectives if not word.startswith("<")]
    spoken = {word: _adjective(word, feminine, form.plural, _french_plural) for word in adjectives}
    noun_word = noun.many if form.plural else noun.one
    phrase = " ".join([*map(spoken.__getitem__, before), noun_word, *map(spoken.__getitem__, after)])
    if form.article == "a" or (form.article == "num" and numeral == NUMBER_WORDS["fr"][1]):
        return f"{'une' if feminine else 'un'} {phrase}"
    if form.article in ("the", "of", "to"):
        return _french_article(form, feminine, phrase)
    if form.article in ("howmany", "ofmany"):
        opening = "combien " if form.article == "howmany" else ""
        return opening + ("d'" if _is_elided(phrase) else "de ") + phrase
    return f"{numeral if form.article == 'num' else ''} {phrase}".lstrip()


def _is_elided(phrase: str) -> bool:
    """Whether le, la and de lose their vowel before the phrase."""
    return phrase[0].lower() in "aeiouhéèêâîôœ"


def _french_article(form: Form, feminine: bool, phrase: str) -> str:
    """With the definite article, contracted or elided: du cercle, de l'étoile, aux cercles."""
    prefix = {"the": "", "of": "de ", "to": "à "}[form.article]
    if form.plural:
        return {"the": "les ", "of": "des ", "to": "aux "}[form.article] + phrase
    if _is_elided(phrase):
        return f"{prefix}l'{phrase}"
    if feminine or form.article == "the":
        return f"{prefix}{'la' if feminine else 'le'} {phrase}"
    return {"of": "du ", "to": "au "}[form.article] + phrase
