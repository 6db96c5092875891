"""What the stream says: sound phrases in six languages, and a wording for every fact."""

import re
import string

import numpy as np
import pytest

from pretrain.corpus import fill
from pretrain.drawing.fonts import FONTS, Font, text_mask
from pretrain.facts import Fact, Listing, Term, Thing, Things, Value, colour
from pretrain.language import LANGUAGES
from pretrain.language.lexicons import lexicon
from pretrain.language.spoken import speak
from pretrain.language.wording import answer_in, ask, caption, phrasing, wordings
from pretrain.scenes.base import FAMILIES, condition_facts, load_family

SCENES_PER_FAMILY = 60


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def say(value: Value, language: str, form: str) -> set[str]:
    """All that a value can become, over synonyms and ways to write a number."""
    return {format(speak(value, language, rng(seed)), form) for seed in range(40)}


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    drawn = []
    for number, name in enumerate(FAMILIES):
        family = load_family(name)
        for index in range(SCENES_PER_FAMILY):
            generator = np.random.default_rng((number, index))
            conditions = family.draw_conditions(generator)
            drawn += family.draw_scene(conditions, generator).facts(generator) + condition_facts(conditions, family)
    return drawn


@pytest.mark.parametrize(
    ("value", "language", "form", "expected"),
    [
        (Thing("star", ("large", "red")), "en", "a", {"a large red star", "a big red star"}),
        (Thing("oval", ("blue",)), "en", "of", {"of the blue oval", "of the blue ellipse"}),
        (Things(1, "arrow", ("green",)), "en", "", {"one green arrow", "1 green arrow"}),
        (Thing("triangle", ("red",)), "de", "", {"das rote Dreieck"}),
        (Thing("star", ("small", "green")), "de", "dat", {"dem kleinen grünen Stern"}),
        (Thing("line", ("yellow",)), "de", "adat", {"einer gelben Linie"}),
        (Things(1, "star", ("red",)), "de", "numacc", {"einen roten Stern", "1 roten Stern"}),
        (Things(3, "square", ("blue",)), "de", "numdat", {"drei blauen Quadraten", "3 blauen Quadraten"}),
        (Thing("hexagon", ("pink",)), "de", "a", {"ein rosa Sechseck"}),
        (Thing("star", ("red",)), "es", "of", {"de la estrella roja"}),
        (Thing("pentagon", ("purple",)), "es", "to", {"al pentágono morado", "al pentágono violeta"}),
        (Things(2, "star", ("brown",)), "es", "", {"dos estrellas marrones", "2 estrellas marrones"}),
        (Things(4, "line"), "es", "howmany", {"cuántas líneas"}),
        (Thing("star", ("large", "white")), "fr", "", {"la grande étoile blanche"}),
        (Thing("star", ("white",)), "fr", "of", {"de l'étoile blanche"}),
        (Thing("square", ("small",)), "fr", "to", {"au petit carré"}),
        (Things(5, "star"), "fr", "howmany", {"combien d'étoiles"}),
        (Things(2, "triangle", ("red",)), "zh", "", {"两个红色三角形", "2个红色三角形"}),
        (Things(2, "triangle"), "zh", "howmany", {"多少个三角形"}),
        (Thing("triangle", ("blue",)), "hi", "", {"नीला त्रिभुज", "नीला त्रिकोण"}),
        (Thing("star", ("blue",)), "hi", "dat", {"नीले तारे", "नीले सितारे"}),
        (Things(3, "line", ("green",)), "hi", "", {"तीन हरी रेखाएँ", "3 हरी रेखाएँ"}),
        (Things(3, "row"), "hi", "ofmany", {"पंक्तियों"}),
        (colour("purple"), "de", "noun", {"Lila", "Violett"}),
        (Term("mark", "ring"), "en", "a", {"a ring", "an oval outline"}),
        (12, "es", "", {"doce", "12"}),
        (45, "fr", "", {"45"}),
        (7, "en", "digits", {"7"}),
        (Listing((colour("red"), colour("orange")), joint="or"), "de", "", {"rot oder orange"}),
    ],
)
def test_phrases_are_sound(value: Value, language: str, form: str, expected: set[str]) -> None:
    assert say(value, language, form) == expected


def test_truth_values_are_answered_in_words() -> None:
    answers = {
        language: (answer_in(True, language, rng()), answer_in(False, language, rng())) for language in LANGUAGES
    }
    assert answers["de"] == ("ja", "nein")
    assert answers["zh"] == ("是", "否")
    assert len({*answers.values()}) == len(LANGUAGES)


class TestWordings:
    def test_each_has_every_language(self) -> None:
        for name, known in wordings().items():
            for texts in (known.tell, known.ask):
                assert set(texts) in ({*LANGUAGES}, set()), name
                assert all(wording and len({*wording}) == len(wording) for wording in texts.values()), name
        for section, parts in phrasing().items():
            assert all(set(texts) == {*LANGUAGES} for texts in parts.values()), section

    def test_each_names_only_what_its_fact_knows(self, facts: list[Fact]) -> None:
        known = wordings()
        assert {fact.name for fact in facts} == set(known)
        for fact in facts:
            for texts in (*known[fact.name].tell.values(), *known[fact.name].ask.values()):
                assert all(fields_of(text) <= set(fact.fields) for text in texts), fact

    def test_a_fact_that_is_asked_has_an_answer_and_one_without_has_not(self, facts: list[Fact]) -> None:
        asked = {fact.name: fact.answer is not None for fact in facts}
        assert {name: bool(known.ask) for name, known in wordings().items()} == {**asked, **_only_told(facts)}

    def test_false_claims_are_false(self, facts: list[Fact]) -> None:
        for fact in facts:
            assert all(fact.fields[name] != decoy for name, decoy in fact.decoys.items()), fact
            assert set(fact.decoys) <= set(fact.fields), fact

    def test_the_answer_is_among_the_choices(self, facts: list[Fact]) -> None:
        assert all(fact.answer in fact.choices for fact in facts if fact.choices)
        assert all(len({*fact.choices}) == len(fact.choices) for fact in facts)
        assert all(fact.choices for fact in facts if fact.closed)


def _only_told(facts: list[Fact]) -> dict[str, bool]:
    """Facts of conditions without a question."""
    return {fact.name: False for fact in facts if fact.answer is None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_and_questions_hold_what_the_facts_say(language: str) -> None:
    fact = Fact(name="text", fields={"text": "Zorwex"}, answer="Zorwex")
    for seed in range(20):
        assert "zorwex" in caption([fact], [], language, rng(seed)).casefold()
        assert ask([fact], [], language, rng(seed)).answer == "Zorwex"


@pytest.mark.parametrize("language", LANGUAGES)
def test_claims_are_judged_rightly(language: str) -> None:
    fact = Fact(name="text", fields={"text": "Zorwex"}, answer="Zorwex", decoys={"text": "Quimby"})
    verdicts = phrasing()["verdicts"][""][language]
    judged = 0
    for seed in range(120):
        asked = ask([fact], [], language, rng(seed))
        if asked.answer != "Zorwex":
            judged += 1
            assert (asked.answer in (verdicts[0], verdicts[2])) == ("zorwex" in asked.question.casefold())
    assert judged > 10


def test_a_question_about_two_names_them() -> None:
    a, b = Thing("star", ("red",)), Thing("cross", ("blue",))
    fact = Fact(name="further-left", fields={"a": a, "b": b}, answer=a, choices=(a, b), closed=True)
    for seed in range(20):
        question = ask([fact], [], "en", rng(seed)).question
        assert "red" in question
        assert "blue" in question


class TestLexicons:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_sentence_can_be_filled_in(self, language: str) -> None:
        known = lexicon(language)
        for template in (*known.questions, *known.statements):
            assert not re.search(r"[{}]|  ", fill(template, language, rng()))

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_they_hold_several_hundred_words(self, language: str) -> None:
        known = lexicon(language)
        nouns = {noun.one for nouns in known.nouns.values() for noun in nouns}
        assert len(nouns) > 250
        assert len(known.questions) >= 70
        genders = {noun.gender for nouns in known.nouns.values() for noun in nouns}
        expected = {"en": {""}, "de": {"m", "f", "n", "mn"}, "es": {"m", "f", "fa"}, "fr": {"m", "f"}, "hi": {"m", "f"}}
        assert genders == expected.get(language, genders)
        assert "" not in genders or language == "en"


@pytest.mark.parametrize("font", FONTS, ids=lambda font: font.file or "embedded")
def test_every_font_writes_different_letters_differently(font: Font) -> None:
    masks = {text_mask(letter, font, 40.0).tobytes() for letter in string.ascii_letters + string.digits}
    assert len(masks) == len(string.ascii_letters + string.digits)
