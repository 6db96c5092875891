"""The pretraining stream: a pure function of its arguments, and nothing of the sample's held-out benchmark in it."""

import ast
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pretrain
from arms.sample.charts import CHARTS_COMPARE
from arms.sample.lexicon import translate
from arms.sample.questions import PHRASINGS
from arms.sample.relations import SPACE_RELATE
from arms.sample.shapes import SHAPES_COUNT
from arms.sample.words import WORDS_READ
from pretrain.corpus import texts
from pretrain.language import LANGUAGES
from pretrain.scenes.base import FAMILIES, LABELS, load_family
from pretrain.stream import GROUP_ROWS, DrawnBatch, draw_batch, draw_row

NUM_TEXTS = 6000
PX = 48
SENTENCE_ENDS = "[.?!।。\N{FULLWIDTH QUESTION MARK}\N{FULLWIDTH EXCLAMATION MARK}]"


def batch(size: int = 24, **changes: Any) -> DrawnBatch:
    return draw_batch(**{"seed": 1, "step": 5, "size": size, "image_px": PX, "same_family_share": 0.5, **changes})


def words_of(text: str) -> str:
    """The text without case and punctuation; Devanagari's vowel signs belong to its words."""
    return " ".join(re.sub(r"[^\w\u0900-\u097f]+", " ", text.casefold()).split())


@pytest.fixture(scope="module")
def many_texts() -> list[str]:
    return list(texts(3, NUM_TEXTS))


@pytest.fixture(scope="module")
def large() -> DrawnBatch:
    return batch(360, same_family_share=0.0)


class TestReproducibility:
    def test_the_same_arguments_give_the_same_batch(self) -> None:
        one, two = batch(), batch()
        np.testing.assert_array_equal(one.images, two.images)
        assert (one.captions, one.questions, one.labels) == (two.captions, two.questions, two.labels)

    def test_rows_do_not_depend_on_the_size_of_the_batch(self) -> None:
        few, many = batch(7), batch(40)
        np.testing.assert_array_equal(few.images, many.images[:7])
        assert few.captions == many.captions[:7]
        assert few.families == many.families[:7]

    @pytest.mark.parametrize("changes", [{"seed": 2}, {"step": 6}])
    def test_another_seed_or_step_gives_other_rows(self, changes: dict[str, Any]) -> None:
        one, other = batch(), batch(**changes)
        assert not any(np.array_equal(a, b) for a, b in zip(one.images, other.images, strict=True))
        assert sum(a == b for a, b in zip(one.captions, other.captions, strict=True)) <= 1

    def test_texts_do_not_depend_on_their_number(self, many_texts: list[str]) -> None:
        assert list(texts(3, 20)) == many_texts[:20]
        assert list(texts(4, 20)) != many_texts[:20]


class TestBatches:
    def test_shapes_and_types(self) -> None:
        drawn = batch(10, image_px=64)
        assert drawn.images.shape == (10, 3, 64, 64)
        assert drawn.images.dtype == np.uint8
        assert drawn.images.flags.c_contiguous
        assert set(drawn.labels) == set(LABELS)
        columns = (drawn.captions, drawn.questions, drawn.families, drawn.languages, *drawn.labels.values())
        assert all(len(column) == 10 for column in columns)

    def test_every_family_and_language_occurs(self, large: DrawnBatch) -> None:
        assert set(large.families) == set(FAMILIES)
        assert set(large.languages) == set(LANGUAGES)
        assert 0.4 < large.languages.count("en") / len(large.languages) < 0.6

    def test_every_label_occurs(self, large: DrawnBatch) -> None:
        assert [name for name, values in large.labels.items() if not any(value is not None for value in values)] == []

    def test_pictures_and_captions_differ(self, large: DrawnBatch) -> None:
        assert len({image.tobytes() for image in large.images}) == len(large.images)
        assert len(set(large.captions)) > 0.98 * len(large.captions)
        assert min(float(image.std()) for image in large.images) > 0

    def test_groups_are_of_one_family_as_often_as_asked(self) -> None:
        grouped, mixed = batch(4 * GROUP_ROWS, same_family_share=1.0), batch(4 * GROUP_ROWS, same_family_share=0.0)
        starts = range(0, 4 * GROUP_ROWS, GROUP_ROWS)
        assert all(len(set(grouped.families[start : start + GROUP_ROWS])) == 1 for start in starts)
        assert all(len(set(mixed.families[start : start + GROUP_ROWS])) > 3 for start in starts)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"seed": -1}, "draw_batch, seed: expected an integer >= 0, got -1"),
            ({"step": -1}, "draw_batch, step: expected an integer >= 0, got -1"),
            ({"size": 0}, "draw_batch, size: expected an integer >= 1, got 0"),
            ({"image_px": 16}, "draw_batch, image_px: expected 32 to 640, got 16"),
            ({"same_family_share": 1.5}, "draw_batch, same_family_share: expected a number from 0 to 1, got 1.5"),
        ],
    )
    def test_an_argument_out_of_range_is_named(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            batch(**changes)

    def test_an_unknown_family_is_named(self) -> None:
        with pytest.raises(ValueError, match="unknown family 'shape'; known: shapes, positions"):
            load_family("shape")


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32))
def test_any_row_can_be_drawn(family: str, seed: int) -> None:
    row = draw_row(family, PX, np.random.default_rng(seed))
    assert row.image.size == (PX, PX)
    assert row.family == family
    written = (row.caption, row.asked.question, row.asked.answer)
    assert all(text == text.strip() and text and "  " not in text for text in written), written
    assert not re.search(r"[{}](?!9|\})|None", row.caption + row.asked.answer), written


class TestHeldOutBenchmark:
    """The stream must hold no question of the sample's OOD benchmark and borrow nothing from its generator."""

    def test_no_text_contains_a_wording_with_its_fields_filled_in_anyhow(self, many_texts: list[str]) -> None:
        held_out = {
            wording: re.compile(re.escape(words_of(re.sub(r"\{\w+\}", "FIELD", wording))).replace("field", ".+"))
            for task in SPACE_RELATE.tasks
            for wordings in PHRASINGS[task].values()
            for wording in wordings
        }
        sentences = {words_of(part) for text in many_texts for part in re.split(SENTENCE_ENDS, text)}
        found = [(wording, text) for wording, form in held_out.items() for text in sentences if form.search(text)]
        assert found == []

    def test_the_check_would_find_one(self) -> None:
        form = re.escape(words_of("क्या FIELD FIELD के ऊपर है?")).replace("field", ".+")
        assert re.search(form, words_of("देखो: क्या लाल वृत्त नीले वर्ग के ऊपर है"))

    def test_no_text_is_a_question_of_the_other_benchmarks(self, many_texts: list[str]) -> None:
        subjects = {
            "colour": ("red", "green", "blue", "orange", "purple"),
            "shape": ("circle", "square", "triangle", "star"),
            "label": tuple("ABCDEFGHI"),
        }
        asked = set()
        for benchmark, language in product((SHAPES_COUNT, WORDS_READ, CHARTS_COMPARE), LANGUAGES):
            for task in benchmark.tasks:
                for wording in PHRASINGS[task][language]:
                    names = [name for name in subjects if f"{{{name}}}" in wording]
                    for values in product(*(subjects[name] for name in names)):
                        filled = wording.format(**translate(dict(zip(names, values, strict=True)), language))
                        asked.add(words_of(filled))
        assert asked.isdisjoint(map(words_of, many_texts))

    def test_no_module_imports_the_sample(self) -> None:
        paths = [path for path in Path(pretrain.__file__).parent.rglob("*.py") if path.parent != Path(__file__).parent]
        imported = {name for path in paths for name in imports_of(path)}
        assert "numpy" in imported
        assert [name for name in imported if name.startswith("arms.sample")] == []


def imports_of(path: Path) -> list[str]:
    """The modules that a file imports, however it does."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names
