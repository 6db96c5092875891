"""Facts put into captions and into questions with their answers."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pretrain.draws import pick, pick_some, pick_weighted
from pretrain.facts import Fact, Listing, Thing, Things, Value
from pretrain.language.spoken import join, speak

_FACTS_TOLD = {2: 0.45, 3: 0.4, 4: 0.15}  # facts of the scene in a caption, as far as there are so many
_LEAD_SHARE = 0.6  # captions that tell the fact that matters most, whatever else
_LOOK_SHARE = 0.4  # captions that tell how the picture looks
_LOOK_ASKED_SHARE = 0.12  # questions about how the picture looks
_CLAIM_SHARE = 0.2  # questions that put a claim, true or false evenly, where a false one is known
_INSTRUCTION_SHARE = 0.45  # questions that say how to answer
_OPENING_SHARE = 0.12
_CHOICE_SHARE = 0.5  # questions with known choices that list them
_LONG_STOP_SHARE = 0.6  # sentences that end where the next fact begins
_FULL_STOP_SHARE = 0.8
_STOPS = {"zh": ("。", "\N{FULLWIDTH COMMA}"), "hi": ("। ", "; ")}  # between sentences, and between parts of one
_USUAL_STOPS = (". ", "; ")


class Asked(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Wordings:
    """How one fact is put: by language, what tells it and what asks it."""

    tell: dict[str, tuple[str, ...]]
    ask: dict[str, tuple[str, ...]]


@cache
def wordings() -> dict[str, Wordings]:
    """The wordings of every fact, by its name."""
    known: dict[str, Wordings] = {}
    for path in sorted(Path(__file__).with_name("wordings").glob("*.toml")):
        if path.stem != "phrasing":
            for name, entry in _read(path).items():
                assert name not in known, f"{path}: {name} has wordings elsewhere"
                known[name] = Wordings(_freeze(entry.get("tell", {})), _freeze(entry.get("ask", {})))
    return known


@cache
def phrasing() -> dict[str, dict[str, dict[str, tuple[str, ...]]]]:
    """What goes around facts, by section, part and language."""
    sections = _read(Path(__file__).with_name("wordings") / "phrasing.toml")
    nested = {name: part if name in ("instructions", "claims") else {"": part} for name, part in sections.items()}
    return {name: {part: _freeze(texts) for part, texts in parts.items()} for name, parts in nested.items()}


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)


def _freeze(texts: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {language: tuple(wording) for language, wording in texts.items()}


def caption(facts: Sequence[Fact], looks: Sequence[Fact], language: str, rng: np.random.Generator) -> str:
    """A sentence or two that tell some of the facts, and now and then how the picture looks.

    Parameters
    ----------
    facts : sequence of Fact
        About the scene, the one that matters most first; at least one can be told.
    looks : sequence of Fact
        About the conditions.
    language : str
    rng : numpy.random.Generator
    """
    tellable = [fact for fact in facts if fact.told and wordings()[fact.name].tell]
    told = pick_some(tellable, pick_weighted(_FACTS_TOLD, rng), rng)
    if rng.random() < _LEAD_SHARE and tellable[0] not in told:
        told[0] = tellable[0]
    if rng.random() < _LOOK_SHARE:
        told += pick_some([fact for fact in looks if wordings()[fact.name].tell], 1, rng)
    parts = [_tell(fact, language, rng) for fact in pick_some(told, len(told), rng)]
    long_stop, short_stop = _STOPS.get(language, _USUAL_STOPS)
    text = capitalise(parts[0])
    for part in parts[1:]:
        text += long_stop + capitalise(part) if rng.random() < _LONG_STOP_SHARE else short_stop + part
    return text + long_stop.rstrip() if rng.random() < _FULL_STOP_SHARE else text


def ask(facts: Sequence[Fact], looks: Sequence[Fact], language: str, rng: np.random.Generator) -> Asked:
    """A question about a fact of the scene, or now and then about how the picture looks, and its answer.

    Parameters
    ----------
    facts : sequence of Fact
        About the scene, of which at least one can be asked.
    looks : sequence of Fact
        About the conditions.
    language : str
    rng : numpy.random.Generator
    """
    fact = pick(_askable(facts), rng)
    if rng.random() < _LOOK_ASKED_SHARE and (askable := _askable(looks)):
        fact = pick(askable, rng)
    known = wordings()[fact.name]
    if fact.decoys and known.tell and rng.random() < _CLAIM_SHARE:
        return _claim(fact, language, rng)
    assert fact.answer is not None
    question = capitalise(_fill(pick(known.ask[language], rng), fact, language, rng))
    return Asked(_surround(question, fact, language, rng), answer_in(fact.answer, language, rng))


def _askable(facts: Sequence[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact.answer is not None and wordings()[fact.name].ask]


def answer_in(answer: Value, language: str, rng: np.random.Generator) -> str:
    """The answer in the question's language."""
    if isinstance(answer, bool):
        return phrasing()["verdicts"][""][language][0 if answer else 1]
    if isinstance(answer, Listing):
        return join([answer_in(item, language, rng) for item in answer.items], language, "and")
    form = "a" if isinstance(answer, Thing) else "many" if isinstance(answer, Things) else ""
    return format(speak(answer, language, rng), form)


def _tell(fact: Fact, language: str, rng: np.random.Generator) -> str:
    return _fill(pick(wordings()[fact.name].tell[language], rng), fact, language, rng)


def _fill(wording: str, fact: Fact, language: str, rng: np.random.Generator) -> str:
    return wording.format(**{name: speak(value, language, rng) for name, value in fact.fields.items()})


def _claim(fact: Fact, language: str, rng: np.random.Generator) -> Asked:
    """The fact, or its false counterpart, put as a claim to be judged."""
    holds = bool(rng.random() < 0.5)
    claimed = fact if holds else Fact(name=fact.name, fields={**fact.fields, **fact.decoys})
    kind = "yes-no" if rng.random() < 0.6 else "true-false"
    frame = pick(phrasing()["claims"][kind][language], rng)
    question = capitalise(frame.format(claim=_tell(claimed, language, rng)))
    verdict = (0 if holds else 1) + (0 if kind == "yes-no" else 2)
    return Asked(question, phrasing()["verdicts"][""][language][verdict])


def _surround(question: str, fact: Fact, language: str, rng: np.random.Generator) -> str:
    """Add, now and then, an opening before the question and an instruction after it."""
    space = "" if language == "zh" else " "
    kind = _kind(fact.answer)
    if fact.closed or (fact.choices and rng.random() < _CHOICE_SHARE):
        frame = pick(phrasing()["instructions"]["choice"][language], rng)
        question += space + frame.format(choices=_list_choices(fact, language, rng))
    elif kind and rng.random() < _INSTRUCTION_SHARE:
        question += space + pick(phrasing()["instructions"][kind][language], rng).format()
    if rng.random() < _OPENING_SHARE:
        question = pick(phrasing()["openings"][""][language], rng) + space + question
    return question


def _list_choices(fact: Fact, language: str, rng: np.random.Generator) -> str:
    choices = pick_some(fact.choices, len(fact.choices), rng)
    return join([answer_in(choice, language, rng) for choice in choices], language, "or")


def _kind(answer: Value | None) -> str:
    """The kind of instruction that suits an answer; none suits a listing."""
    if isinstance(answer, Listing):
        return ""
    if isinstance(answer, bool):
        return "yes-no"
    if isinstance(answer, int):
        return "number"
    return "text" if isinstance(answer, str) and len(answer) > 1 else "word"


def capitalise(text: str) -> str:
    """A capital at the beginning, after any opening mark, unless something quoted stands there."""
    at = 1 if text[:1] in "¿¡" else 0
    return text[:at] + text[at : at + 1].upper() + text[at + 1 :]
