# ruff: noqa: RUF001  (Chinese is written with full-width punctuation)
"""Colours and shapes in six languages, in the forms that the questions need."""

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("en", "de", "es", "fr", "zh", "hi")
FAMILIES = {"en": "english", "de": "european", "es": "european", "fr": "european", "zh": "asian", "hi": "asian"}
VERDICTS: Mapping[str, Mapping[str, str]] = {
    "en": {"yes": "yes", "no": "no"},
    "de": {"yes": "ja", "no": "nein"},
    "es": {"yes": "sí", "no": "no"},
    "fr": {"yes": "oui", "no": "non"},
    "zh": {"yes": "是", "no": "否"},
    "hi": {"yes": "हाँ", "no": "नहीं"},
}

# What comes before a scene that is told; {} is where it goes.
TELLINGS: Mapping[str, str] = {
    "en": "The picture shows: {}.",
    "de": "Das Bild zeigt: {}.",
    "es": "La imagen muestra: {}.",
    "fr": "L'image montre : {}.",
    "zh": "图中有：{}。",
    "hi": "चित्र में है: {}।",
}


@dataclass(frozen=True, slots=True)
class _Adjective:
    """A colour: beside a masculine and a feminine noun, beside a declined one, and beside the plural of "shape"."""

    masculine: str
    feminine: str
    declined: str
    plural: str


@dataclass(frozen=True, slots=True)
class _Noun:
    """A shape, with its article where the language has one.

    `the` opens a phrase in the first case ("der Kreis"), `of_the` one after "left of", "above" ("dem Kreis").
    """

    the: str
    of_the: str
    plural: str
    feminine: bool = False


def _same(word: str) -> _Adjective:
    return _Adjective(word, word, word, word)


_COLOURS: Mapping[str, Mapping[str, _Adjective]] = {
    "en": {colour: _same(colour) for colour in ("red", "green", "blue", "orange", "purple")},
    "de": {
        "red": _Adjective("rote", "rote", "roten", "rote"),
        "green": _Adjective("grüne", "grüne", "grünen", "grüne"),
        "blue": _Adjective("blaue", "blaue", "blauen", "blaue"),
        "orange": _same("orange"),
        "purple": _same("lila"),
    },
    "es": {
        "red": _Adjective("rojo", "roja", "rojo", "rojas"),
        "green": _Adjective("verde", "verde", "verde", "verdes"),
        "blue": _Adjective("azul", "azul", "azul", "azules"),
        "orange": _Adjective("naranja", "naranja", "naranja", "naranjas"),
        "purple": _Adjective("morado", "morada", "morado", "moradas"),
    },
    "fr": {
        "red": _Adjective("rouge", "rouge", "rouge", "rouges"),
        "green": _Adjective("vert", "verte", "vert", "vertes"),
        "blue": _Adjective("bleu", "bleue", "bleu", "bleues"),
        "orange": _same("orange"),
        "purple": _Adjective("violet", "violette", "violet", "violettes"),
    },
    "zh": {
        "red": _same("红色"),
        "green": _same("绿色"),
        "blue": _same("蓝色"),
        "orange": _same("橙色"),
        "purple": _same("紫色"),
    },
    "hi": {
        "red": _same("लाल"),
        "green": _Adjective("हरा", "हरी", "हरे", "हरी"),
        "blue": _Adjective("नीला", "नीली", "नीले", "नीली"),
        "orange": _same("नारंगी"),
        "purple": _same("बैंगनी"),
    },
}

# {} is where the colour goes.
_SHAPES: Mapping[str, Mapping[str, _Noun]] = {
    "en": {
        "circle": _Noun("the {} circle", "the {} circle", "circles"),
        "square": _Noun("the {} square", "the {} square", "squares"),
        "triangle": _Noun("the {} triangle", "the {} triangle", "triangles"),
        "star": _Noun("the {} star", "the {} star", "stars"),
    },
    "de": {
        "circle": _Noun("der {} Kreis", "dem {} Kreis", "Kreise"),
        "square": _Noun("das {} Quadrat", "dem {} Quadrat", "Quadrate"),
        "triangle": _Noun("das {} Dreieck", "dem {} Dreieck", "Dreiecke"),
        "star": _Noun("der {} Stern", "dem {} Stern", "Sterne"),
    },
    "es": {
        "circle": _Noun("el círculo {}", "del círculo {}", "círculos"),
        "square": _Noun("el cuadrado {}", "del cuadrado {}", "cuadrados"),
        "triangle": _Noun("el triángulo {}", "del triángulo {}", "triángulos"),
        "star": _Noun("la estrella {}", "de la estrella {}", "estrellas", feminine=True),
    },
    "fr": {
        "circle": _Noun("le cercle {}", "du cercle {}", "cercles"),
        "square": _Noun("le carré {}", "du carré {}", "carrés"),
        "triangle": _Noun("le triangle {}", "du triangle {}", "triangles"),
        "star": _Noun("l'étoile {}", "de l'étoile {}", "étoiles", feminine=True),
    },
    "zh": {
        "circle": _Noun("{}圆形", "{}圆形", "圆形"),
        "square": _Noun("{}正方形", "{}正方形", "正方形"),
        "triangle": _Noun("{}三角形", "{}三角形", "三角形"),
        "star": _Noun("{}五角星", "{}五角星", "五角星"),
    },
    "hi": {
        "circle": _Noun("{} वृत्त", "{} वृत्त", "वृत्त"),
        "square": _Noun("{} वर्ग", "{} वर्ग", "वर्ग"),
        "triangle": _Noun("{} त्रिभुज", "{} त्रिभुज", "त्रिभुज"),
        "star": _Noun("{} तारा", "{} तारे", "तारे"),
    },
}


def translate(subject: Mapping[str, str], language: str) -> dict[str, str]:
    """What a question names, in its language: the fields of the phrasings of `questions`.

    A colour agrees with the plural of "shape", a shape is in the plural. A coloured shape a or b ("red circle") becomes
    a phrase with its article; it also comes as of_a or of_b, in the form it takes after "left of" or "above".
    """
    words: dict[str, str] = {}
    for key, value in subject.items():
        if key == "colour":
            words[key] = _COLOURS[language][value].plural
        elif key == "shape":
            words[key] = _SHAPES[language][value].plural
        elif key == "label":
            words[key] = value
        else:
            words[key], words[f"of_{key}"] = _phrases(value, language)
    return words


def name_shape(coloured_shape: str, language: str) -> str:
    """A coloured shape ("red circle") as a phrase of the language, such as "der rote Kreis"."""
    return _phrases(coloured_shape, language)[0]


def _phrases(coloured_shape: str, language: str) -> tuple[str, str]:
    """A phrase such as "der rote Kreis", and its form after a preposition, "dem roten Kreis"."""
    colour, shape = coloured_shape.split()
    adjective, noun = _COLOURS[language][colour], _SHAPES[language][shape]
    if noun.feminine:
        return noun.the.format(adjective.feminine), noun.of_the.format(adjective.feminine)
    return noun.the.format(adjective.masculine), noun.of_the.format(adjective.declined)
