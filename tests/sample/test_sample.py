"""The embedded sample: the same bytes for a seed, tables that keep the contract, and outcomes true to the simulator."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from arms.data.tables import OutcomeTables, read_dataset
from arms.errors import ArmsError
from arms.sample import Forms, generate_sample
from arms.sample.answers import Fault, frame, say_right, say_wrong
from arms.sample.asking import DESCRIBE, NO_LANGUAGE, ask_in_words
from arms.sample.benchmarks import BENCHMARKS
from arms.sample.canvas import Canvas
from arms.sample.charts import ChartScene
from arms.sample.conditions import Conditions, draw_conditions
from arms.sample.fleet import FLEET
from arms.sample.forms import draw_form
from arms.sample.lexicon import FAMILIES, LANGUAGES
from arms.sample.questions import PHRASINGS, phrase, spell
from arms.sample.relations import draw_relation
from arms.sample.scene import Fact, comparison_fact, description_fact
from arms.sample.shapes import draw_shapes
from arms.sample.simulator import chance
from arms.sample.skills import SKILLS, Skills
from arms.sample.words import draw_word
from tests.fakes import watch_progress

IMAGES = 20
MISSING_SHARE = 0.2
PAID = [vlm.profile.name for vlm in FLEET if vlm.profile.access == "paid"]
TASKS = [task for benchmark in BENCHMARKS for task in benchmark.tasks]
COMPARISONS = {benchmark.comparison for benchmark in BENCHMARKS}
FORMS = Forms(seed=1, several_images=0.1, no_image=0.1, no_question=0.1)


def generate(folder: Path, **changes: int | float | Forms) -> Path:
    settings = {"seed": 3, "images_per_benchmark": 6, "questions_per_image": 2, "missing_share": MISSING_SHARE}
    generate_sample(folder, **{**settings, **changes})
    return folder


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def random_generators(number: int = 60) -> Iterator[np.random.Generator]:
    return (np.random.default_rng([5, index]) for index in range(number))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> OutcomeTables:
    return read_dataset(generate(tmp_path_factory.mktemp("raw") / "sample", images_per_benchmark=IMAGES))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> OutcomeTables:
    return read_dataset(generate(tmp_path_factory.mktemp("raw") / "mixed", images_per_benchmark=80, forms=FORMS))


class TestReproducibility:
    def test_a_seed_gives_the_same_bytes(self, tmp_path: Path) -> None:
        assert hashes(generate(tmp_path / "one")) == hashes(generate(tmp_path / "two"))

    def test_another_number_of_workers_gives_the_same_bytes(self, tmp_path: Path) -> None:
        assert hashes(generate(tmp_path / "one")) == hashes(generate(tmp_path / "two", workers=2))

    def test_another_seed_differs_in_every_picture_and_table(self, tmp_path: Path) -> None:
        one, two = hashes(generate(tmp_path / "one")), hashes(generate(tmp_path / "two", seed=4))
        assert {name for name in one if one[name] == two[name]} == {"vlms.yaml"}

    def test_more_images_keep_the_first_ones(self, tmp_path: Path) -> None:
        few, many = (
            read_dataset(generate(tmp_path / "a")),
            read_dataset(generate(tmp_path / "b", images_per_benchmark=7)),
        )
        kept = many.outcomes[many.outcomes.query_id.isin(few.queries.query_id)].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, few.outcomes)

    def test_missing_share_only_takes_away(self, tmp_path: Path) -> None:
        whole = read_dataset(generate(tmp_path / "a", missing_share=0.0)).outcomes
        part = read_dataset(generate(tmp_path / "b")).outcomes
        assert len(part) < len(whole)
        pd.testing.assert_frame_equal(part, part[["query_id", "vlm"]].merge(whole, on=["query_id", "vlm"]))


def describe_forms(queries: pd.DataFrame) -> pd.Series:
    """The form of each query, as the tables show it."""
    images = queries.images.str.len()
    forms = images.map({0: "no-image", 1: "one", 2: "several-images"})
    return forms.mask(queries.question == "", "no-question")


class TestForms:
    def test_each_has_its_share(self, mixed: OutcomeTables) -> None:
        shares = describe_forms(mixed.queries).value_counts(normalize=True)
        assert len(mixed.queries) == 80 * 2 * len(BENCHMARKS)
        for form in ("several-images", "no-image", "no-question"):
            assert shares[form] == pytest.approx(0.1, abs=0.04)

    def test_all_other_queries_are_as_without(self, tmp_path: Path) -> None:
        plain, mixed = (
            read_dataset(generate(tmp_path / name, forms=forms))
            for name, forms in (("plain", Forms(seed=5, several_images=0, no_image=0, no_question=0)), ("mixed", FORMS))
        )
        left = mixed.queries[(describe_forms(mixed.queries) == "one").to_numpy()]
        assert 0 < len(left) < len(mixed.queries)
        for table, other in ((left, plain.queries), (mixed.outcomes, plain.outcomes)):
            of_left = table[table.query_id.isin(left.query_id)].reset_index(drop=True)
            pd.testing.assert_frame_equal(of_left, other[other.query_id.isin(left.query_id)].reset_index(drop=True))

    def test_another_seed_chooses_others(self, tmp_path: Path) -> None:
        one, two = (
            read_dataset(
                generate(
                    tmp_path / str(seed), forms=Forms(seed=seed, several_images=0.1, no_image=0.1, no_question=0.1)
                )
            )
            for seed in (1, 2)
        )
        assert describe_forms(one.queries).tolist() != describe_forms(two.queries).tolist()
        assert hashes(one.folder / "images") == hashes(two.folder / "images")

    def test_pictures_are_compared_in_pairs(self, mixed: OutcomeTables) -> None:
        several = mixed.queries[(mixed.queries.images.str.len() == 2).to_numpy()]
        numbers = [[int(path[-9:-4]) for path in images] for images in several.images]
        assert all((second % 2, second - first) == (1, 1) for first, second in numbers)
        assert set(several.task) == COMPARISONS

    def test_words_tell_a_scene_of_their_own(self, mixed: OutcomeTables) -> None:
        told = mixed.queries[(mixed.queries.images.str.len() == 0).to_numpy()]
        assert told.question.is_unique
        assert set(told.task) <= {task for benchmark in BENCHMARKS for task in benchmark.told_tasks}

    def test_a_picture_by_itself_has_no_language(self, mixed: OutcomeTables) -> None:
        shown = mixed.queries[(mixed.queries.question == "").to_numpy()]
        assert set(shown.language) == {NO_LANGUAGE}
        assert set(shown.task) == {DESCRIBE}

    @pytest.mark.parametrize("change", [{"seed": -1}, {"no_image": 0.2}, {"several_images": -0.1}])
    def test_out_of_range(self, change: dict[str, float]) -> None:
        shares = {"seed": 1, "several_images": 0.0, "no_image": 0.0, "no_question": 0.0}
        with pytest.raises(ArmsError, match=f"forms.{next(iter(change))}: expected"):
            Forms(**{**shares, **change})

    def test_a_picture_with_an_even_number_is_compared_with_none(self) -> None:
        only = Forms(seed=1, several_images=0.1, no_image=0, no_question=0)
        drawn = [{draw_form(only, index, 2, rng) for rng in random_generators()} for index in (4, 5)]
        assert drawn == [{None}, {None, "several-images"}]

    @pytest.mark.parametrize(("amounts", "answer"), [((3, 2), "1"), ((2, 3), "2"), ((2, 2), "0")])
    def test_comparisons(self, amounts: tuple[int, int], answer: str) -> None:
        fact = comparison_fact("more-shapes", *amounts)
        assert fact.answer == answer
        assert {fact.answer, *fact.under, *fact.over} == {"0", "1", "2"}

    def test_descriptions(self) -> None:
        fact = description_fact(DESCRIBE, ("A = 5", "B = 10"))
        assert (fact.answer, fact.under, fact.over) == ("A = 5, B = 10", ("B = 10", "A = 5"), ("A = 5, A = 5, B = 10",))

    def test_what_is_told_holds_the_answer(self) -> None:
        for rng in random_generators():
            for benchmark in BENCHMARKS:
                query = ask_in_words(benchmark, rng)
                if query.fact.task in ("tallest-bar", "shortest-bar", "bar-value", "first-letter"):
                    assert query.fact.answer in query.question
                if query.fact.task == "count-all":
                    assert query.question.split(".")[0].split("。")[0].count(",") + 1 == int(query.fact.answer)

    def test_the_chance_on_two_pictures_is_between_those_on_each(self) -> None:
        one, two = ("words-read", "more-letters", "dark"), ("words-read", "more-letters", "light")
        for vlm in FLEET:
            low, high = sorted((chance(vlm, [one]), chance(vlm, [two])))
            assert low <= chance(vlm, [one, two]) <= high


class TestTables:
    def test_ids_are_unique_and_counts_are_as_asked(self, sample: OutcomeTables) -> None:
        assert sample.queries.query_id.is_unique
        assert (sample.queries.groupby("benchmark").images.nunique() == IMAGES).all()
        assert (sample.queries.groupby("images").task.nunique() == 2).all()
        assert set(sample.queries.benchmark) == {benchmark.name for benchmark in BENCHMARKS}

    def test_tasks_and_languages_are_all_there(self, sample: OutcomeTables) -> None:
        assert set(sample.queries.task) == set(TASKS)
        assert set(sample.queries.language) == set(LANGUAGES)
        assert 0.35 < (sample.queries.language == "en").mean() < 0.65

    def test_images_open_and_no_two_are_alike(self, sample: OutcomeTables) -> None:
        sizes, contents = set(), set()
        for name in sample.queries.images.str[0].unique():
            with Image.open(sample.folder / name) as image:
                image.load()
                assert image.mode == "RGB"
                sizes.add(image.size)
            contents.add((sample.folder / name).read_bytes())
        assert len(sizes) >= 4
        assert len(contents) == sample.queries.images.nunique()

    def test_only_paid_outcomes_are_missing_and_in_their_share(self, sample: OutcomeTables) -> None:
        known = sample.outcomes.groupby("vlm").size().reindex([vlm.name for vlm in sample.vlms])
        assert (known.drop(PAID) == len(sample.queries)).all()
        pairs = len(PAID) * len(sample.queries)
        missing = 1 - known[PAID].sum() / pairs
        assert abs(missing - MISSING_SHARE) < 4 * np.sqrt(MISSING_SHARE * (1 - MISSING_SHARE) / pairs)

    def test_cost_and_latency_belong_to_the_paid(self, sample: OutcomeTables) -> None:
        paid = sample.outcomes.vlm.isin(PAID)
        assert (sample.outcomes.loc[paid, ["cost_usd", "latency_s"]] > 0).all(axis=None)
        assert sample.outcomes.loc[~paid, ["cost_usd", "latency_s"]].isna().all(axis=None)

    def test_profiles_are_complete_but_for_what_paid_ones_keep_to_themselves(self, sample: OutcomeTables) -> None:
        for vlm in sample.vlms:
            assert all((vlm.provider, vlm.architecture, vlm.language_model, vlm.vision_model, vlm.released))
            paid = vlm.access == "paid"
            assert (vlm.params_b is None, vlm.price_in is not None, vlm.price_out is not None) == (paid, paid, paid)

    def test_probabilities_cover_every_pair_and_agree_with_the_outcomes(self, sample: OutcomeTables) -> None:
        chances = sample.probabilities
        assert chances is not None
        assert len(chances) == len(sample.queries) * len(sample.vlms)
        assert chances.probability.between(0, 1, inclusive="neither").all()
        joined = sample.outcomes.merge(chances, on=["query_id", "vlm"], validate="1:1")
        for _, rows in joined.groupby("vlm"):
            error = np.sqrt((rows.probability * (1 - rows.probability)).sum()) / len(rows)
            assert abs(rows.correct.mean() - rows.probability.mean()) < 4 * error

    def test_outputs_hold_the_answer_if_and_only_if_they_are_right(self, sample: OutcomeTables) -> None:
        joined = sample.outcomes.merge(sample.queries, on="query_id")
        manners = {vlm.profile.name: vlm.manner for vlm in FLEET}
        for row in joined.itertuples():
            is_right = row.output == frame(row.answer, row.language, manners[row.vlm])
            assert is_right == row.correct, (row.question, row.answer, row.output)
            assert row.correct or row.output != row.answer


class TestWholeOrNotAtAll:
    def test_a_failure_half_way_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(done: int, total: int) -> None:
            if done == total // 2:
                raise RuntimeError("stop")

        watch_progress(monkeypatch, fail)
        with pytest.raises(RuntimeError, match="stop"):
            generate_sample(
                tmp_path / "sample",
                seed=1,
                images_per_benchmark=2,
                questions_per_image=1,
                missing_share=0,
            )
        assert list(tmp_path.iterdir()) == []

    def test_progress_counts_every_picture(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = watch_progress(monkeypatch)
        generate_sample(
            tmp_path / "sample",
            seed=1,
            images_per_benchmark=2,
            questions_per_image=3,
            missing_share=0.0,
        )
        assert calls == [("draw", done, 8) for done in range(1, 9)]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"seed": -1}, "seed: expected an integer >= 0, got -1"),
            ({"images_per_benchmark": 0}, "images_per_benchmark: expected an integer >= 1, got 0"),
            ({"questions_per_image": 4}, "questions_per_image: expected an integer from 1 to 3, got 4"),
            ({"missing_share": 1.0}, "missing_share: expected a number >= 0 and < 1, got 1.0"),
            ({"workers": 0}, "workers: expected an integer >= 1, got 0"),
        ],
    )
    def test_an_argument_out_of_range_is_named(self, tmp_path: Path, change: dict[str, int], message: str) -> None:
        with pytest.raises(ArmsError, match=message):
            generate(tmp_path / "sample", **change)


class TestFacts:
    """Answers, worked out a second time from what the scene holds or from the pixels."""

    def test_counted_shapes_are_separate_patches_of_colour(self) -> None:
        for rng in random_generators():
            plain = Conditions(
                dark=False, cluttered=False, crowded=bool(rng.integers(2)), faint=False, tilt=0, size=(160, 120)
            )
            scene, canvas = draw_shapes(plain, rng), Canvas(plain, rng)
            scene.paint(canvas)
            marked = (np.asarray(canvas.image) != canvas.ground).any(axis=2)
            assert scene.ask("count-all", rng).answer == str(count_patches(marked))
            asked = scene.ask("count-colour", rng)
            assert asked.answer == str(sum(mark.colour == asked.subject["colour"] for mark in scene.marks))
            asked = scene.ask("count-shape", rng)
            assert asked.answer == str(sum(mark.shape == asked.subject["shape"] for mark in scene.marks))

    def test_a_crowded_picture_holds_more(self) -> None:
        for rng in random_generators():
            conditions = draw_conditions(rng)
            assert (len(draw_shapes(conditions, rng).marks) > 5) == conditions.crowded
            assert (len(draw_word(conditions, rng).text) > 4) == conditions.crowded

    def test_words_are_read_counted_and_begun(self) -> None:
        for rng in random_generators():
            word = draw_word(draw_conditions(rng), rng)
            facts = [word.ask(task, rng).answer for task in ("read-word", "count-letters", "first-letter")]
            assert facts == [word.text, str(len(word.text)), word.text[0]]

    def test_bars_are_compared_and_read(self) -> None:
        chart, rng = ChartScene((30, 85, 5, 60), "red", 0.0), np.random.default_rng(0)
        tallest, shortest, value = (chart.ask(task, rng) for task in ("tallest-bar", "shortest-bar", "bar-value"))
        assert (tallest.answer, tallest.under, tallest.over) == ("B", ("A",), ("C",))
        assert (shortest.answer, shortest.under, shortest.over) == ("C", ("B",), ("D",))
        assert value.answer == {"A": "30", "B": "85", "C": "5", "D": "60"}[value.subject["label"]]

    def test_relations_hold_between_the_two_shapes_that_are_named(self) -> None:
        for rng in random_generators():
            scene = draw_relation(draw_conditions(rng), rng)
            marks = {mark.name: mark for mark in scene.marks}
            assert len(marks) == len(scene.marks)
            fact = scene.ask("left-of", rng)
            assert (fact.answer == "yes") == (marks[fact.subject["a"]].x < marks[fact.subject["b"]].x)
            fact = scene.ask("above", rng)
            assert (fact.answer == "yes") == (marks[fact.subject["a"]].y < marks[fact.subject["b"]].y)

    def test_overlap_is_seen_in_the_pixels(self) -> None:
        for rng in random_generators():
            plain = Conditions(
                dark=False, cluttered=False, crowded=bool(rng.integers(2)), faint=False, tilt=0, size=(160, 120)
            )
            scene = draw_relation(plain, rng)
            covered = []
            for mark in scene.marks[:2]:
                canvas = Canvas(plain, rng)
                mark.paint(canvas)
                covered.append((np.asarray(canvas.image) != canvas.ground).any(axis=2))
            assert (scene.ask("overlap", rng).answer == "yes") == bool((covered[0] & covered[1]).any())

    @pytest.mark.parametrize("task", TASKS)
    def test_slips_are_never_right(self, task: str) -> None:
        (benchmark,) = (benchmark for benchmark in BENCHMARKS if task in benchmark.tasks)
        for rng in random_generators():
            fact = benchmark.draw_scene(draw_conditions(rng), rng).ask(task, rng)
            assert fact.under
            assert fact.over
            assert fact.answer not in fact.under + fact.over


class TestLanguages:
    def test_every_task_has_several_wordings_in_every_language(self) -> None:
        assert set(PHRASINGS) == set(TASKS) | COMPARISONS
        for wordings in PHRASINGS.values():
            assert set(wordings) == set(LANGUAGES) == set(FAMILIES)
            assert all(len(set(some)) >= 3 for some in wordings.values())

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_wording_is_filled_in(self, language: str) -> None:
        for benchmark in BENCHMARKS:
            for rng in random_generators():
                scene = benchmark.draw_scene(draw_conditions(rng), rng)
                for task in benchmark.tasks:
                    assert not set("{}") & set(phrase(scene.ask(task, rng), language, rng))

    @pytest.mark.parametrize(
        ("language", "question"),
        [
            ("en", "the orange circle | the blue star"),
            ("de", "der orange Kreis | dem blauen Stern"),
            ("es", "el círculo naranja | de la estrella azul"),
            ("fr", "le cercle orange | de l'étoile bleue"),
            ("zh", "橙色圆形 | 蓝色五角星"),
            ("hi", "नारंगी वृत्त | नीले तारे"),
        ],
    )
    def test_shapes_take_their_case_and_gender(
        self, language: str, question: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(PHRASINGS, "left-of", {language: ("Q {a} | {of_b}",)})
        fact = Fact(
            task="left-of", subject={"a": "orange circle", "b": "blue star"}, answer="yes", under=("no",), over=("no",)
        )
        assert phrase(fact, language, np.random.default_rng(0)) == f"Q {question}"


class TestAnswers:
    FACT = Fact(task="overlap", answer="no", under=("yes",), over=("yes",))

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_right_answers_hold_the_answer_in_every_manner(self, language: str) -> None:
        for vlm in FLEET:
            assert spell("no", language) in say_right(self.FACT, language, vlm.manner)

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("fault", ["under", "over", "refuses", "english"])
    def test_no_fault_gives_the_right_answer(self, language: str, fault: Fault) -> None:
        rng = np.random.default_rng(0)
        for manner in {vlm.manner for vlm in FLEET}:
            assert say_wrong(self.FACT, language, manner, {fault: 1.0}, rng) != say_right(self.FACT, language, manner)
            assert say_wrong(self.FACT, language, manner, {fault: 1.0}, rng) != spell("no", language)

    def test_faults_are_shares(self) -> None:
        for vlm in FLEET:
            assert sum(vlm.faults.values()) == pytest.approx(1)


class TestSkills:
    def test_logits_of_all_traits_present_add_up(self) -> None:
        skills = Skills(
            base=1.0,
            benchmarks={"words-read": 0.5},
            tasks={"read-word": 0.25},
            languages={"asian": -2.0},
            conditions={"dark": 3.0, "light": -3.0},
            pairs={("asian", "dark"): 10.0, ("asian", "light"): 20.0},
        )
        assert skills.logit(("words-read", "count-letters", "zh", "asian", "dark")) == 1.0 + 0.5 - 2.0 + 3.0 + 10.0

    def test_every_skill_names_a_trait_that_occurs(self) -> None:
        conditions = {trait for rng in random_generators() for trait in draw_conditions(rng).traits()}
        languages = {*LANGUAGES, *FAMILIES.values()}
        forms = {"several-images", "no-image", "no-question"}
        known = conditions | languages | set(TASKS) | forms
        for skills in SKILLS.values():
            assert set(skills.benchmarks) == {benchmark.name for benchmark in BENCHMARKS}
            assert set(skills.tasks) <= set(TASKS)
            assert set(skills.languages) <= languages
            assert set(skills.conditions) <= conditions
            assert set(skills.forms) == forms
            assert all(set(pair) <= known for pair in skills.pairs)

    def test_every_vlm_has_skills_and_none_is_best_everywhere(self) -> None:
        assert [vlm.profile.name for vlm in FLEET] == list(SKILLS)
        winners = set()
        for rng in random_generators(300):
            language = str(rng.choice(LANGUAGES))
            benchmark = BENCHMARKS[rng.integers(len(BENCHMARKS))]
            task = str(rng.choice(benchmark.tasks))
            traits = (benchmark.name, task, language, FAMILIES[language], *draw_conditions(rng).traits())
            winners.add(max(FLEET, key=lambda vlm, traits=traits: chance(vlm, [traits])).profile.name)
        assert winners == set(SKILLS)


def count_patches(marked: np.ndarray) -> int:
    """Connected patches of true pixels, by flooding each in turn."""
    left = set(zip(*np.nonzero(marked), strict=True))
    patches = 0
    while left:
        patches += 1
        front = [left.pop()]
        while front:
            row, column = front.pop()
            near = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= near
            front.extend(near)
    return patches
