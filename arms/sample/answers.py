# ruff: noqa: RUF001  (Chinese is written with full-width punctuation)
"""What simulated VLMs say: the right answer in a VLM's manner, or a wrong one of its kind."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from arms.sample.questions import spell
from arms.sample.scene import Fact

Manner = Literal["terse", "stopped", "bold", "sentence", "careful"]
Fault = Literal[
    "under", "over", "refuses", "english"
]  # `english`: falls into English, whatever the question's language

# None of these wordings holds an answer of its own: no "no", no single letter, no digit.
_SENTENCES = {
    "en": "The answer is {}.",
    "de": "Die Antwort ist {}.",
    "es": "La respuesta es {}.",
    "fr": "La réponse est {}.",
    "zh": "答案：{}。",
    "hi": "उत्तर {} है।",
}
_PREFACES = {
    "en": "Looking closely at the whole picture. ",
    "de": "Bei genauem Hinsehen auf das ganze Bild. ",
    "es": "Mirando bien toda la imagen. ",
    "fr": "En regardant bien toute cette image. ",
    "zh": "仔细看过整张图片。",
    "hi": "पूरे चित्र को ध्यान से देखने पर। ",
}
_REFUSALS = {
    "en": "Sorry, this picture is unreadable.",
    "de": "Das lässt sich auf dem Bild leider nicht erkennen.",
    "es": "Imposible decirlo con esta imagen.",
    "fr": "Impossible de le dire avec cette image.",
    "zh": "看不清楚，无法回答。",
    "hi": "चित्र अस्पष्ट है, माफ़ कीजिए।",
}


def say_right(fact: Fact, language: str, manner: Manner) -> str:
    """The right answer, put in the VLM's manner."""
    return frame(spell(fact.answer, language), language, manner)


def say_wrong(
    fact: Fact, language: str, manner: Manner, faults: Mapping[Fault, float], rng: np.random.Generator
) -> str:
    """An answer that is not the right one.

    Parameters
    ----------
    fact : Fact
    language : str
        Of the question.
    manner : Manner
    faults : mapping of Fault to float
        How often the VLM goes wrong in which way; sums to 1.
    rng : numpy.random.Generator
    """
    fault = str(rng.choice(list(faults), p=list(faults.values())))
    if fault == "refuses":
        return _REFUSALS[language]
    if fault == "english" and language != "en":
        # "no" is right in Spanish as well, so the VLM refuses instead.
        return fact.answer if fact.answer != spell(fact.answer, language) else _REFUSALS["en"]
    slips = fact.over if fault == "over" else fact.under
    return frame(spell(slips[rng.integers(len(slips))], language), language, manner)


def frame(answer: str, language: str, manner: Manner) -> str:
    """An answer, right or wrong, as a VLM of this manner puts it."""
    if manner == "terse":
        return answer
    if manner == "stopped":
        return f"{answer}."
    if manner == "bold":
        return f"**{answer}**"
    sentence = _SENTENCES[language].format(answer)
    return sentence if manner == "sentence" else _PREFACES[language] + sentence
