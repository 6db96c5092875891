import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.lmms_eval.lmms_eval_importer import LmmsEvalImporter
from arms.importers.records.records_importer import RecordsImporter
from arms.importers.run import ImportOptions
from tests.importers.helpers import FREE, Imported, load_log
from tests.importers.logs.lmms_eval import (
    MME,
    TIME,
    VLMS,
    older_log,
    png,
    sample,
    write_log,
    write_older_run,
    write_results,
    write_run,
)

GPT, LLAVA, QWEN = VLMS
LATER = "20260401_000000"
FEWER = "question with more images than the log names"
OLDER, SMALLER = "older run, joined by row", "run much smaller than another on the same questions"

Import = Callable[..., Imported]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    """Imports logs of lmms-eval, by default those in the folder log."""

    def run(*sources: Path, options: ImportOptions = FREE, **settings: Any) -> Imported:
        sources = sources or (tmp_path / "log",)
        return load_log(tmp_path / "out", LmmsEvalImporter(**settings), *sources, options=options)

    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A folder with the image a.png."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log/a.png").write_bytes(png((1, 2, 3)))
    return tmp_path / "log"


def right(found: Imported) -> dict[Any, bool]:
    """The verdicts by query and VLM; of GPT on ai2d only, by the document."""
    verdicts = {(row["query_id"], row["vlm"]): row["correct"] for row in found.outcomes}
    if all(query.startswith("ai2d/") and vlm == GPT for query, vlm in verdicts):
        return {query.removeprefix("ai2d/"): verdict for (query, _), verdict in verdicts.items()}
    return verdicts


def detail(found: Imported, kind: str) -> str:
    return found.examples(kind)[0][1]


def pope(doc_id: int, score: Any = 1.0) -> dict[str, Any]:
    """A row of pope, with the five metrics that hold one score."""
    value = {"question_id": doc_id, "score": score, "prediction": "yes", "ground_truth": "yes"}
    keys = ("pope_accuracy", "pope_precision", "pope_recall", "pope_f1_score", "pope_yes_ratio")
    row = sample(doc_id, f"Is there object {doc_id}?", "yes", "Yes") | dict.fromkeys(keys, value)
    return row | {"input_media": ["a.png"]}


def row(doc_id: Any, **changes: Any) -> dict[str, Any]:
    """A row with one number for a metric, and an image."""
    plain = sample(0, f"Question {doc_id}?", "A", "A")
    return plain | {"doc_id": doc_id, "input_media": ["a.png"], "exact_match": 1.0, **changes}


def write_rows(log: Path, *rows: Any, vlm: str = GPT, task: str = "ai2d", **run: Any) -> Path:
    """One run and its results."""
    write_results(log, vlm, **run)
    return write_run(log, vlm, task, rows, **run)


def test_log(load: Import, tmp_path: Path) -> None:
    (output_path,) = write_log(tmp_path / "whole")
    found = load(output_path)
    assert (found.kinds, found.report.images_found) == ({}, 4)
    assert found.report.verdicts == ("mme_cognition_score >= 1", "mme_perception_score >= 1", "exact_match >= 0.5")
    prompt = "\nAnswer the question using a single word or phrase."
    lite = "vqav2_val_lite"
    assert [[value for key, value in query.items() if key != "images"] for query in found.queries] == [
        *([f"mme/{doc_id}", "mme", part, "en", text + prompt, answer] for doc_id, _, text, answer, part, _ in MME),
        [f"{lite}/0", lite, lite, "en", "\nWhat colour is it?", "red"],
        [f"{lite}/7", lite, lite, "en", "\nWhat shade is it?", "blue"],
    ]
    code, dogs = png((0, 90, 30)), png((1, 90, 30))
    pictures = [code, code, dogs, dogs, png((250, 10, 10)), png((10, 10, 250))]
    assert [found.image(query) for query in found.queries] == pictures
    marks = {GPT: ("1110", "11"), LLAVA: ("1010", "10"), QWEN: ("001", "01")}
    expected = {(f"mme/{n}", vlm): mark == "1" for vlm, (of_mme, _) in marks.items() for n, mark in enumerate(of_mme)}
    expected |= {
        (f"{lite}/{n}", vlm): m == "1" for vlm, (_, last) in marks.items() for n, m in zip((0, 7), last, strict=True)
    }
    assert right(found) == expected
    said = {(row["query_id"], row["vlm"]): row["output"] for row in found.outcomes}
    assert said["mme/0", QWEN] == "No"
    assert said[f"{lite}/0", QWEN] == "Green.", "what the VLM said, before the filter"
    assert {(row["cost_usd"], row["latency_s"]) for row in found.outcomes} == {(None, None)}
    named = load(output_path, benchmark="suite", language="fr")
    asked = {(query["benchmark"], query["task"], query["language"]) for query in named.queries}
    assert asked == {("suite", task, "fr") for task in ("code_reasoning", "count", lite)}


def test_single_sources(load: Import, tmp_path: Path) -> None:
    (output_path,) = write_log(tmp_path / "whole")
    options = replace(FREE, roots=(output_path,))
    assert {row["vlm"] for row in load(output_path / GPT, options=options).outcomes} == {GPT}
    samples = output_path / QWEN.replace("/", "__") / f"{TIME}_samples_mme.jsonl"
    found = load(samples, options=options)
    assert right(found) == {("mme/0", QWEN): False, ("mme/1", QWEN): False, ("mme/2", QWEN): True}
    # The same file twice, and the results beside it, as a shell's * gives them, change nothing.
    again = load(samples, samples.parent, samples.with_name(f"{TIME}_results.json"), options=options)
    of_mme = [row for row in again.outcomes if row["query_id"].startswith("mme")]
    assert of_mme == [row | {"score": None} for row in found.outcomes], "another task has shares"
    assert again.kinds == {}


class TestRuns:
    def test_the_newest_counts(self, load: Import, log: Path) -> None:
        write_rows(log, row(0, exact_match=0.0), row(1, exact_match=0.0))
        newest = write_rows(log, row(0), row(1), time=LATER)
        write_rows(log, row(0, exact_match=0.0), time="0930_120000")  # of the time before the year was written
        found = load()
        assert right(found) == {"0": True, "1": True}
        assert found.kinds == {OLDER: 2}
        assert f"{LATER}_samples_ai2d.jsonl" in detail(found, OLDER)
        newest.write_text('{"doc_id": 0, "inp')
        found = load()
        assert (right(found), found.kinds["run without a usable row"]) == ({"0": False, "1": False}, 1)

    def test_a_newer_part_of_a_run_replaces_only_its_rows(self, load: Import, log: Path) -> None:
        write_rows(log, *(row(number) for number in range(40)))
        part = write_rows(log, *(row(number, exact_match=0.0) for number in range(8)), time=LATER)
        write_rows(log, *(row(number) for number in range(40)), vlm=QWEN)
        found = load()
        of_gpt = [verdict for (_, vlm), verdict in right(found).items() if vlm == GPT]
        assert (len(of_gpt), sum(of_gpt)) == (40, 32)
        assert found.kinds == {OLDER: 1, SMALLER: 1}
        assert detail(found, OLDER).startswith("32 of 40 verdicts taken; ")
        assert found.examples(SMALLER)[0][0] == part.name
        assert detail(found, SMALLER).startswith(f"8 rows of {GPT}, 40 of ")

    def test_a_newer_run_without_a_verdict_leaves_the_older_one_its_own(self, load: Import, log: Path) -> None:
        write_rows(log, row(0, exact_match=0.0), row(1))
        write_rows(log, row(0, exact_match=None), row(1), time=LATER)
        assert right(load()) == {"0": False, "1": True}

    def test_one_id_for_two_questions(self, load: Import, log: Path) -> None:
        write_rows(log, row(0), row(1), row(1, input="Another?", target="B", exact_match=0.0))
        found = load()
        assert right(found) == {"0": True}
        assert found.kinds == {"several rows of a run for one question": 1, "rows of one doc_id that disagree": 2}

    def test_doc_hash_is_no_key(self, load: Import, log: Path) -> None:
        write_rows(log, row(0, doc_hash="one"), row(1, doc_hash="two"))
        write_rows(log, row(0, doc_hash="two"), row(1, doc_hash="one"), vlm=QWEN)
        found = load()
        assert (found.column("query_id"), len(found.outcomes), found.kinds) == (["ai2d/0", "ai2d/1"], 4, {})

    def test_another_version_of_the_benchmark(self, load: Import, log: Path) -> None:
        answers = "ABCD" * 10
        for vlm in (QWEN, LLAVA):
            write_rows(log, *(row(number, target=answer) for number, answer in enumerate(answers)), vlm=vlm)
        # As if two questions were new in front of the others.
        write_rows(log, *(row(number, target=answer) for number, answer in enumerate("CC" + answers)))
        found = load()
        assert ({row["vlm"] for row in found.outcomes}, len(found.outcomes)) == ({QWEN, LLAVA}, 80)
        assert found.kinds == {"run of another version of the benchmark": 42}
        expected = "40 of 40 targets differ: doc_id 0 is 'C', else 'A'"
        assert expected in detail(found, "run of another version of the benchmark")

    def test_of_two_versions_the_longer_run_is_kept(self, load: Import, log: Path) -> None:
        write_rows(log, *(row(number, target="X") for number in range(3)))
        write_rows(log, *(row(number) for number in range(400)), vlm=QWEN)
        found = load()
        assert ({row["vlm"] for row in found.outcomes}, len(found.outcomes)) == ({QWEN}, 400)

    def test_a_corrected_answer_costs_only_its_row(self, load: Import, log: Path) -> None:
        write_rows(log, *(row(number, target="XA"[number > 0]) for number in range(200)))
        for vlm in (LLAVA, QWEN):
            write_rows(log, *(row(number) for number in range(200)), vlm=vlm)
        found = load()
        assert len(found.outcomes) == 599
        assert ("ai2d/0", GPT) not in right(found)
        assert found.queries[0]["answer"] == "A"
        assert found.kinds == {"answer differs from another run's": 1}
        assert detail(found, "answer differs from another run's") == "doc_id 0: 'X', else 'A'"

    def test_prompts_may_differ(self, load: Import, log: Path) -> None:
        write_rows(log, row(0, input="How many?"))
        write_rows(log, row(0, input="<image>How many?\nOnly a number."), vlm=QWEN)
        found = load()
        assert found.column("question") == ["How many?\nOnly a number."], "the first VLM's by name: Qwen, then gpt"
        assert (len(found.outcomes), found.kinds) == (2, {"question differs from another run's": 1})

    @pytest.mark.parametrize(
        ("results", "folder", "vlm"),
        [
            ({"model_name": "lmms-lab/llava"}, "x", "lmms-lab/llava"),
            ({"model_name": "/data/ckpts/llava-7b/"}, "x", "ckpts/llava-7b"),
            ({"model_name": f"/hub/models--org--a/snapshots/{'0a' * 20}"}, "x", "org/a"),
            ({"model_name": f"snapshots/{'0a' * 20}", "config": {"model_args": "pretrained=org/b"}}, "x", "org/b"),
            ({"model_name": '"org/quoted"'}, "x", "org/quoted"),
            ({"model_name": "C:\\ckpts\\llava"}, "x", "ckpts/llava"),
            ({"model_name": None, "config": {"model_args": "a=1,pretrained=org/b,peft=org/c"}}, "x", "org/c"),
            ({"model_name": 5, "config": {"model_args": {"model_version": "gpt-4o"}}}, "x", "gpt-4o"),
            ({"model_name": "", "config": {"model": "gemini_api", "model_args": ""}}, "x", "gemini_api"),
            ({"model_name": "a\nb", "config": "broken"}, "org__name", "org/name"),
            ({}, "org__name", "org/name"),
        ],
    )
    def test_names_of_vlms(self, load: Import, log: Path, results: dict[str, Any], folder: str, vlm: str) -> None:
        write_rows(log, row(0), vlm=folder)
        write_results(log, folder).write_text(json.dumps(results))
        assert load().column("vlm") == [vlm]

    @pytest.mark.parametrize("content", [None, "", "[]", '{"model_name": "x"', "\xff"])
    def test_results_that_cannot_be_read(self, load: Import, log: Path, content: str | None) -> None:
        write_rows(log, row(0), vlm=QWEN)
        results = write_results(log, QWEN)
        results.unlink() if content is None else results.write_bytes(content.encode("latin-1"))
        found = load()
        assert (found.column("vlm"), found.kinds) == ([QWEN], {"results file that cannot be read": 1})
        write_rows(log, pope(0), vlm=QWEN, task="pope", time=LATER)
        assert {row["vlm"] for row in load().outcomes} == {QWEN}, "one VLM, with and without results"


class TestHarness:
    """Logs of lm-evaluation-harness look much alike, and are no logs of lmms-eval."""

    @pytest.fixture
    def path(self, log: Path) -> Path:
        path = log / "org__model/samples_mmmu_val_art_2024-08-06T10-11-12.123456.jsonl"
        path.parent.mkdir()
        asked = {"question": "What is it?", "image": "a.png", "answer": "A"}
        rows = [
            {
                **{"doc_id": number, "doc": asked, "target": "A", "doc_hash": "0a", "filter": "none"},
                "arguments": {"gen_args_0": {"arg_0": "What is it?", "arg_1": {"until": []}}},
                **{"resps": [["A"]], "filtered_resps": ["A"], "metrics": ["exact_match"], "exact_match": 1.0},
            }
            for number in range(2)
        ]
        path.write_text("".join(json.dumps(one) + "\n" for one in rows))
        return path

    def test_they_are_recognised(self, load: Import, path: Path) -> None:
        for source in (path, path.parent.parent):
            with pytest.raises(ArmsError) as caught:
                load(source)
            assert str(caught.value).startswith(
                f"{path}: expected a log of lmms-eval, got one of lm-evaluation-harness, in files: 1; import its files "
                "with: arms import records --question-column doc.question "
            )
            assert "\n" not in str(caught.value)

    def test_beside_others(self, load: Import, log: Path, path: Path) -> None:
        write_rows(log, row(0))
        found = load()
        assert (right(found), found.kinds) == ({"0": True}, {"log of lm-evaluation-harness": 1})

    def test_the_way_that_is_named(self, log: Path, path: Path, tmp_path: Path) -> None:
        importer = RecordsImporter(
            question_column="doc.question",
            image_column=("doc.image",),
            id_column="doc_id",
            correct_column="exact_match",
            vlm_from_filename="{vlm}/samples_*.jsonl",
        )
        found = load_log(tmp_path / "out", importer, path, options=replace(FREE, roots=(log,)))
        assert [(one["vlm"], one["correct"]) for one in found.outcomes] == [("org__model", True)] * 2


class TestImages:
    def test_placeholders(self, load: Import, log: Path) -> None:
        texts = {
            "<image>\nWhat is it?": "\nWhat is it?",
            "What is <image 1> here, and <image 1>?": "What is  here, and ?",
            "<|image|>What?": "What?",
            "<|image_1|> What?": " What?",
            "<ImageHere>What?": "What?",
            "  What is <b>this</b>? <img src='x'> ": "  What is <b>this</b>? <img src='x'> ",
        }
        write_rows(log, *(row(number, input=text) for number, text in enumerate(texts)))
        assert load().column("question") == [*texts.values()]

    def test_media(self, load: Import, log: Path) -> None:
        uri = "data:image/png;base64," + base64.b64encode(png((9, 9, 9))).decode()
        good = [["a.png"], "a.png", ["a.png", "a.png"], ["a.png", "b.png"], ["gone.png", uri]]
        lost = {
            **{
                "https://example.org/a.png": "image on the web",
                "data:image/png;base64,iVBORw0KGgo=": "unreadable image",
            },
            **{"../a.png": "image path with '..'", "/root/.cache/a.png": "image outside the roots"},
            "not/there.png": "missing image file",
        }
        others = {"question without an image": [[], None]}
        others["row that cannot be read"] = [{"a": 1}, [None]]
        medias = [*good, *([path] for path in lost), *(media for of_kind in others.values() for media in of_kind)]
        rows = [row(number, input_media=media) for number, media in enumerate(medias)]
        (log / "b.png").write_bytes(png((8, 8, 8)))
        write_rows(log, *rows, row(99, input="<image 1> or <image 2>?"))
        found = load()
        assert found.column("query_id") == [f"ai2d/{number}" for number in range(len(good))]
        assert found.image(found.queries[-1]) == png((9, 9, 9))
        assert found.pictures(found.queries[3]) == [(log / name).read_bytes() for name in ("a.png", "b.png")]
        expected = {kind: len(of_kind) for kind, of_kind in others.items()} | {FEWER: 1}
        assert found.examples(FEWER) == [("20260310_101500_samples_ai2d.jsonl, line 15", "doc_id 99: 1 of 2")]
        assert found.kinds == {**dict.fromkeys(lost.values(), 1), **expected, "query set aside": len(lost)}

    def test_as_many_images_as_placeholders(self, load: Import, log: Path) -> None:
        """An image that a question shows twice is there twice."""
        (log / "b.png").write_bytes(png((8, 8, 8)))
        uris = ["data:image/png;base64," + base64.b64encode(png((9, 9, n))).decode() for n in range(2)]
        medias = {
            "<image 1> or <image 2>?": (["a.png", "b.png"], ["a.png", "b.png"]),
            "<image> then <image>?": (["b.png", "b.png"], ["b.png", "b.png"]),
            "<image 1> <image 2> <image 1>?": (["b.png", "a.png"], ["b.png", "a.png"]),
            "Both?": (["gone.png", uris[0], "gone too.png", uris[1]], uris),
            "<image 1> <image 2> named and kept?": (["gone.png", uris[0], "gone too.png", uris[1]], uris),
        }
        rows = [row(number, input=text, input_media=of) for number, (text, (of, _)) in enumerate(medias.items())]
        write_rows(log, *rows)
        found = load()
        contents = {"a.png": (log / "a.png").read_bytes(), "b.png": png((8, 8, 8))}
        contents |= {uri: png((9, 9, n)) for n, uri in enumerate(uris)}
        expected = [[contents[one] for one in images] for _, images in medias.values()]
        assert [found.pictures(query) for query in found.queries] == expected
        assert found.kinds == {}

    def test_of_more_than_four_the_log_keeps_four(self, load: Import, log: Path) -> None:
        names = [f"{number}.png" for number in range(6)]
        for number, name in enumerate(names):
            (log / name).write_bytes(png((number, 9, 9)))
        six = "Which? " + " ".join(f"<image {number}>" for number in range(1, 7))
        rows = [
            row(0, input=six, input_media=names[:4]),
            row(1, input="Four, or more?", input_media=names[:4]),
            row(2, input=six.partition(" <image 5>")[0], input_media=names[:4]),
        ]
        write_rows(log, *rows)
        found = load()
        assert found.column("query_id") == ["ai2d/1", "ai2d/2"]
        assert [len(query["images"]) for query in found.queries] == [4, 4]
        assert found.kinds == {FEWER: 1, "question with 4 images in the log": 1}
        assert found.examples(FEWER)[0][1] == "doc_id 0: 4 of 6"
        (told,) = (one for one in found.report.report.findings if one.kind == FEWER)
        assert told.advice.startswith("the log keeps 4 of a question at most; save the benchmark's images")
        for number in range(6):
            (log / f"ai2d_0_{number + 1}.png").write_bytes(png((number, 9, 9)))
        found = load(image_pattern="{task}_{doc_id}_{number}.png")
        assert found.pictures(found.queries[0]) == [png((number, 9, 9)) for number in range(6)]

    def test_a_pattern_of_one_image_where_there_are_several(self, load: Import, log: Path) -> None:
        write_rows(log, row(0), row(1, input="<image 1> or <image 2>?", input_media=None))
        found = load(image_pattern="{task}/{doc_id}.png")
        assert found.examples(FEWER)[0][1] == "doc_id 1: 1 of 2"

    def test_questions_only(self, load: Import, log: Path) -> None:
        rows = [row(0), row(1, input_media=None), row(2, input="<image 1> or <image 2>?", input_media=None)]
        write_rows(log, *rows, row(3, input="<image>", input_media=None))
        found = load(options=replace(FREE, no_images=True))
        assert [query["images"] for query in found.queries] == [(), (), ()]
        assert found.kinds == {"query without an image": 3, "neither question nor image": 1, "query set aside": 1}
        assert not (found.folder / "images").exists()

    def test_one_of_a_run_serves_the_others(self, load: Import, log: Path) -> None:
        write_rows(log, row(0, input_media=[]), row(1), vlm=QWEN)
        write_rows(log, row(0), row(1))
        found = load()
        assert (len(found.outcomes), found.kinds) == (4, {})

    def test_a_pattern(self, load: Import, log: Path, tmp_path: Path) -> None:
        write_rows(log, *(row(doc_id, input_media=None) for doc_id in ("0", "x/y", "../z")))
        contents = {"ai2d/0": png((5, 5, 5)), "ai2d/x/y": png((6, 6, 6)), "z": png((7, 7, 7))}
        for name, content in contents.items():
            (tmp_path / f"images/{name}.png").parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / f"images/{name}.png").write_bytes(content)
        found = load(options=replace(FREE, roots=(tmp_path / "images",)), image_pattern="{task}/{doc_id}.png")
        del contents["z"]
        assert {query["query_id"]: found.image(query) for query in found.queries} == contents
        assert found.kinds == {"image path with '..'": 1, "query set aside": 1}

    @pytest.mark.parametrize(
        "pattern", "{task}/{doc_id {doc_id.__class__} {doc_id!r} {doc_id:>9} {} {0} {doc_id}{user} }".split()
    )
    def test_a_pattern_that_asks_for_more(self, pattern: str) -> None:
        with pytest.raises(
            ArmsError, match=r"--image-pattern: expected a path with \{doc_id\}, \{task\} and \{number\} as the only "
        ):
            LmmsEvalImporter(image_pattern=pattern)

    @pytest.mark.parametrize("pattern", ["", "all.png", "{task}.png"])
    def test_a_pattern_of_one_image(self, pattern: str) -> None:
        with pytest.raises(ArmsError, match=r"expected a path with \{doc_id\} in it"):
            LmmsEvalImporter(image_pattern=pattern)


class TestMetrics:
    def test_preferred(self, load: Import, log: Path) -> None:
        write_rows(log, pope(0), pope(1, 0.0), task="pope")
        write_rows(log, row(0, exact_match=0.0, relaxed_overall=1.0, relaxed_human_split=1.0), task="chartqa")
        average = {"average": {"score": 1.0, "l2_category": "math"}, "math": {"score": 1.0, "l2_category": "math"}}
        write_rows(log, {**row(0), **average, "exact_match": None}, task="mmstar")
        found = load()
        # On chartqa exact_match comes first.
        expected = {"chartqa/0": False, "mmstar/0": True, "pope/0": True, "pope/1": False}
        assert right(found) == {(query, GPT): verdict for query, verdict in expected.items()}
        assert found.report.verdicts == ("exact_match >= 1", "average >= 1", "pope_accuracy >= 1")
        assert {query["query_id"]: query["task"] for query in found.queries}["mmstar/0"] == "math"

    def test_named(self, load: Import, log: Path) -> None:
        write_rows(log, pope(0), task="pope")
        write_rows(log, row(0, exact_match=0.0, relaxed_overall=1.0), row(1, exact_match=0.0), task="chartqa")
        judged = {"gpt_eval_score": {"true_false": "True", "extraction": "3"}}
        write_rows(log, {**row(0), **judged}, task="mathvista")
        write_rows(log, row(0), task="textvqa")
        found = load(metric=("relaxed_overall", "pope_recall", "gpt_eval_score.true_false"))
        assert right(found) == {(f"{task}/0", GPT): True for task in ("chartqa", "mathvista", "pope")}
        verdicts = ("relaxed_overall >= 1", "gpt_eval_score.true_false >= 1", "pope_recall >= 1")
        assert found.report.verdicts == verdicts
        assert found.kinds == {"row without a grade": 1, "run without a grade in its rows": 1}
        own = load(metric=("chartqa=relaxed_overall", "mathvista=gpt_eval_score.true_false"))
        assert right(own) == {(f"{task}/0", GPT): True for task in ("chartqa", "mathvista", "pope", "textvqa")}
        with pytest.raises(ArmsError, match=r"^--metric mme=x: there is no benchmark 'mme'; there: chartqa, math"):
            load(metric=("mme=x",))

    def test_several_are_never_guessed(self, load: Import, log: Path) -> None:
        write_rows(log, {**row(0), "style": 1, "content": 0, "exact_match": "n/a"})
        with pytest.raises(
            ArmsError, match="task ai2d: expected one metric that grades a row, got content, style; say"
        ):
            load()
        assert right(load(metric=("content",))) == {"0": False}

    def test_without_a_score(self, load: Import, log: Path) -> None:
        mmmu = sample(0, "<image 1> What?", "B", "B") | {
            "mmmu_acc": {"id": "validation_Art_1", "subdomain": "Art", "answer": "B", "parsed_pred": "B"},
            **{"submission": {"validation_Art_1": "B"}, "input_media": ["a.png"]},
        }
        write_rows(log, mmmu, mmmu | {"doc_id": 1}, task="mmmu_val")
        message = (
            r"(?s)expected rows with a grade and their images, got none.*2 set aside: run without a grade in its rows "
        )
        with pytest.raises(
            ArmsError, match=message + r"\(.*mmmu_acc: id, subdomain, answer, parsed_pred\); name a met"
        ):
            load()
        write_rows(log, row(0))
        found = load()
        assert (right(found), found.kinds) == ({"0": True}, {"run without a grade in its rows": 2})
        assert (
            "name a metric, or a field in one, that tells right from wrong: --metric KEY or KEY" in found.report.text()
        )

    def test_values_that_grade_and_values_that_do_not(self, load: Import, log: Path) -> None:
        grades = [(1.0, True), (0, False), (True, True), ({"score": True}, True), ({"score": [0.0]}, False)]
        grades += [([1.0], True), ([{"score": 1}], True)]
        others = ("1", [], [1, 0], {}, {"score": "high"}, {"score": {"a": 1}}, [[1, 2]], "bypass")
        values = [*(value for value, _ in grades), *others, None, float("nan")]
        write_rows(log, *(row(number, exact_match=value) for number, value in enumerate(values)))
        found = load()
        assert right(found) == {str(number): correct for number, (_, correct) in enumerate(grades)}
        left_open = dict.fromkeys(("correct is neither true nor false", "query without outcome"), 2)
        assert found.kinds == {"row without a grade": len(others), **left_open}

    def test_predictions_only(self, load: Import, log: Path) -> None:
        predicted = row(0, bypass=999)
        del predicted["exact_match"]
        write_rows(log, predicted)
        with pytest.raises(ArmsError, match=r"run without a grade in its rows .*: no metrics"):
            load()

    def test_grades(self, load: Import, log: Path) -> None:
        write_rows(log, *(row(number, exact_match=grade) for number, grade in enumerate((0.0, 0.3, 0.6, 1.0))))
        assert [*right(load()).values()] == [False, False, True, True]
        found = load(threshold=0.3)
        assert ([*right(found).values()], found.report.verdicts) == ([False, True, True, True], ("exact_match >= 0.3",))
        assert found.column("score") == [0.0, 0.3, 0.6, 1.0]
        write_rows(log, row(0, exact_match=3), row(1, exact_match=5))
        assert load(threshold=4, grade_range="1,5").column("score") == [0.5, 1]
        write_rows(log, row(0, exact_match=55.0))
        with pytest.raises(
            ArmsError, match=r"metric exact_match: expected 0 and 1, or shares .* got grades from 55 to 5"
        ):
            load()

    def test_lower_is_better(self, load: Import, log: Path) -> None:
        write_rows(log, *({**row(n), "wer": wer, "exact_match": "-"} for n, wer in enumerate((0.2, 0.9))))
        with pytest.raises(ArmsError, match="metric wer: expected one where more is better"):
            load()
        found = load(lower_is_better=True, threshold=0.5)
        assert (right(found), found.column("score")) == ({"0": True, "1": False}, [0.8, pytest.approx(0.1)])
        # The results file says so of metrics whose names do not.
        write_rows(log, {**row(0), "exact_match": "-", "distort": 0.2})
        write_results(log, GPT, higher_is_better={"ai2d": {"distort": False}})
        with pytest.raises(ArmsError, match="got distort, where less is, as the run's results file says"):
            load()
        assert right(load(lower_is_better=True, threshold=0.5)) == {"0": True}


class TestOlderForm:
    def test_runs(self, load: Import, log: Path) -> None:
        logs = [
            older_log(0, "How high is the bar?", ["3", "three"], "3", relaxed_overall=1.0, relaxed_human_split=1.0),
            older_log(1, "How low?", "2", "5", relaxed_overall=False, relaxed_augmented_split=False),
        ]
        write_older_run(log, "pretrained=org/older,conv_template=v1", "chartqa", logs)
        write_older_run(log, "pretrained=org/older,conv_template=v1,x=2", "chartqa", logs[:1], time="0613_0930")
        write_older_run(log, "", "chartqa", logs)
        write_run(log, QWEN, "chartqa", [row(0, target="['3', 'three']", input="How high is the bar?")])
        for number in range(2):
            (log / f"{number}.png").write_bytes(png((number, 0, 0)))
        found = load(image_pattern="{doc_id}.png")
        assert [[value for key, value in query.items() if key != "images"] for query in found.queries] == [
            ["chartqa/0", "chartqa", "chartqa", "en", "How high is the bar?", "['3', 'three']"],
            ["chartqa/1", "chartqa", "charts", "en", "How low?", "2"],
        ]
        assert {(row["query_id"], row["vlm"]): (row["correct"], row["output"]) for row in found.outcomes} == {
            ("chartqa/0", QWEN): (True, "A"),
            ("chartqa/0", "org/older"): (True, "3"),
            ("chartqa/0", "llava"): (True, "3"),
            ("chartqa/1", "llava"): (False, "5"),
            ("chartqa/1", "org/older"): (False, "5"),
        }
        assert found.kinds == {OLDER: 1, "results file that cannot be read": 1}
        assert detail(found, OLDER).startswith("1 of 2 verdicts taken; the newest run of org/older is ")

    def test_without_images(self, load: Import, log: Path) -> None:
        write_older_run(
            log, "pretrained=org/older", "chartqa", [older_log(0, "How high?", "3", "3", relaxed_overall=1)]
        )
        with pytest.raises(ArmsError, match=r"(?s)got none.*1 set aside: question without an image .*--image-pattern"):
            load()

    @pytest.mark.parametrize(
        ("content", "kinds"),
        [
            (
                {"args": {"model": "llava"}, "logs": [5, "x", None]},
                {"row that is not a JSON object": 3, "run without a usable row": 1},
            ),
            ({"args": {}, "logs": []}, {"run of a VLM without a name": 1}),
            ({"args": [], "logs": []}, {"run of a VLM without a name": 1}),
        ],
    )
    def test_broken(self, load: Import, log: Path, content: Any, kinds: dict[str, int]) -> None:
        write_rows(log, row(0))
        (log / "chartqa.json").write_text(json.dumps(content))
        found = load()
        assert (len(found.outcomes), found.kinds) == (1, kinds)


class TestFiles:
    def test_others_are_passed_over(self, load: Import, log: Path) -> None:
        write_rows(log, row(0))
        (log / "submissions").mkdir()
        (log / "submissions/mmmu.json").write_text("[broken")
        (log / "chartqa.json").write_text('{"logs": 5, "args": 3}')
        (log / "broken.json").write_text('{"args": {"model": ')
        (log / "checkpoint_samples_ai2d.jsonl").write_text("broken")
        (log / "folder.json").mkdir()
        found = load()
        assert (len(found.outcomes), found.kinds) == (1, {"file that cannot be read": 1})
        assert "broken.json: expected JSON in UTF-8" in detail(found, "file that cannot be read")

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            (
                "samples_ai2d.jsonl",
                "{}",
                r"samples_ai2d.jsonl: expected a log of lmms-eval, .*DATE_samples_TASK.jsonl, o",
            ),
            ("ai2d.json", "{}", "ai2d.json: expected a log of lmms-eval"),
            ("ai2d.json", "[]", "ai2d.json: expected a log of lmms-eval"),
            ("ai2d.json", '{"logs": {}}', "ai2d.json: expected a log of lmms-eval"),
            ("ai2d.csv", "a,b", "ai2d.csv: expected a log of lmms-eval"),
            ("ai2d.json", '{"args": {', r"found none to use; .*ai2d.json: expected JSON in UTF-8"),
            (f"{LATER}_results.json", "{}", "found none to use; run lmms-eval with --log_samples"),
            (f"{LATER}_samples_ai2d.jsonl", "", "expected rows with a grade and their images, got none"),
            ("", "", r"expected DATE_samples_TASK.jsonl files of lmms-eval, found none to use"),
        ],
    )
    def test_that_are_no_log(self, load: Import, log: Path, name: str, content: str, message: str) -> None:
        if name:
            (log / name).write_text(content)
        with pytest.raises(ArmsError, match=message):
            load(log / name)
        assert not (log.parent / "out").exists()

    def test_broken_lines(self, load: Import, log: Path) -> None:
        path = write_rows(log, row(0), row(1))
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes()[:-40] + b"\n\n[1]\n\xff\xfe\n")
        found = load()
        assert right(found) == {"0": True}
        assert found.kinds == {"line that is not JSON": 2, "line that is not a JSON object": 1}


class TestRows:
    def test_broken_doc_id(self, load: Import, log: Path) -> None:
        doc_ids = (None, True, [1], {"a": 1}, 1.5, "", " ")
        write_rows(log, row(0), row(2.0), *map(row, doc_ids))
        found = load()
        assert (right(found), found.kinds) == ({"0": True, "2": True}, {"row that cannot be read": len(doc_ids)})
        expected = "expected doc_id to be a number or a name, got None"
        assert detail(found, "row that cannot be read") == expected

    @pytest.mark.parametrize(
        ("key", "num_usable"),
        [
            *((key, 12) for key in ("target", "filtered_resps", "resps", "token_counts", "doc_hash")),
            ("doc_id", 4),  # 5 and the texts but the blank one
            ("input", 4),  # the texts; a blank one is a picture without words
            ("input_media", 0),
        ],
    )
    def test_wrong_types(self, load: Import, log: Path, key: str, num_usable: int) -> None:
        wrong = (None, 5, 1.5, True, [], ["a"], {}, {"a": [1]}, "\ud800", "x" * 100_000, "\x00", " ")
        path = write_rows(log, row("good"))
        with path.open("a") as stream:
            stream.writelines(json.dumps({**row(f"n{number}"), key: one}) + "\n" for number, one in enumerate(wrong))
        found = load()
        assert right(found)["good"] is True
        assert len(found.outcomes) == 1 + num_usable
        assert found.report.rows_set_aside + found.report.report.outcomes_set_aside == len(wrong) - num_usable

    def test_outputs(self, load: Import, log: Path) -> None:
        said = (
            ({"filtered_resps": ["A"]}, "A"),
            ({"filtered_resps": "A"}, "A"),  # as the newest versions write one response
            ({"filtered_resps": ["A"], "resps": [["A."]]}, "A."),
            ({"filtered_resps": ["A"], "resps": [["A.", "B."]]}, '["A.", "B."]'),
            ({"filtered_resps": ["A"], "resps": None}, "A"),
            ({"filtered_resps": []}, "[]"),
            ({"filtered_resps": None}, None),
            ({"filtered_resps": [""]}, ""),
        )
        write_rows(log, *(row(number, **responses) for number, (responses, _) in enumerate(said)))
        assert load().column("output") == [output for _, output in said]

    def test_several_for_one_question(self, load: Import, log: Path) -> None:
        write_rows(log, row(0), row(0), row(1), row(1, exact_match=0.0), row(2))  # two filters judge 1 differently
        found = load()
        assert right(found) == {"0": True, "2": True}
        assert found.kinds == {
            "several rows of a run for one question": 2,
            "conflicting rows for one query_id and vlm": 2,
            "repeated row for one query_id and vlm": 1,
            "query without outcome": 1,
        }
