import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arms.data.tables import read_dataset
from arms.errors import ArmsError
from arms.importers.lmms_eval.lmms_eval_importer import LmmsEvalImporter
from arms.importers.run import ImportOptions, ImportReport, import_log
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
FREE = ImportOptions(access="free")

Imported = tuple[list[dict[str, Any]], list[dict[str, Any]], ImportReport]
Import = Callable[..., Imported]


@pytest.fixture
def load(tmp_path: Path) -> Import:
    """Imports some sources and gives the rows of both tables, and the report."""

    def run(*sources: Path, options: ImportOptions = FREE, **settings: Any) -> Imported:
        report = import_log(LmmsEvalImporter(**settings), sources, tmp_path / "out", replace(options, replace=True))
        dataset = read_dataset(tmp_path / "out")
        queries = dataset.queries.astype(object).where(dataset.queries.notna(), None)
        outcomes = dataset.outcomes.astype(object).where(dataset.outcomes.notna(), None)
        return queries.to_dict("records"), outcomes.to_dict("records"), report

    return run


def kinds(report: ImportReport) -> dict[str, int]:
    """What of the log was set aside or noted, and how often; but that no VLM has a profile."""
    findings = report.report.findings
    return {found.kind: found.count for found in findings if found.kind != "VLM without a profile"}


def detail(report: ImportReport, kind: str) -> str:
    """The first example of a finding."""
    (found,) = (found for found in report.report.findings if found.kind == kind)
    return found.rows[0]["detail"]


def right(outcomes: list[dict[str, Any]]) -> dict[tuple[str, str], bool]:
    return {(row["query_id"], row["vlm"]): row["correct"] for row in outcomes}


def pope(doc_id: int, score: Any = 1.0, target: str = "yes", **more: Any) -> dict[str, Any]:
    """A row of pope, with the five metrics that hold one score."""
    value = {"question_id": doc_id, "score": score, "prediction": "yes", "ground_truth": target}
    keys = ("pope_accuracy", "pope_precision", "pope_recall", "pope_f1_score", "pope_yes_ratio")
    row = sample(doc_id, f"Is there object {doc_id}?", target, "Yes") | dict.fromkeys(keys, value)
    return row | {"input_media": ["a.png"]} | more


def row(doc_id: Any, **changes: Any) -> dict[str, Any]:
    """A row with one number for a metric, and an image."""
    return sample(0, f"Question {doc_id}?", "A", "A") | {
        "doc_id": doc_id,
        "input_media": ["a.png"],
        "exact_match": 1.0,
        **changes,
    }


def write_rows(folder: Path, *rows: Any, vlm: str = GPT, task: str = "ai2d", **run: Any) -> Path:
    """One run, beside the image a.png."""
    folder.mkdir(exist_ok=True)
    (folder / "a.png").write_bytes(png((1, 2, 3)))
    write_results(folder, vlm, **run)
    return write_run(folder, vlm, task, rows, **run)


def test_log(load: Import, tmp_path: Path) -> None:
    queries, outcomes, report = load(*write_log(tmp_path))
    assert kinds(report) == {}
    assert report.rows_set_aside == 0
    assert (report.images_found, report.images_lost) == (4, 0)
    assert report.verdicts == ("mme_cognition_score >= 1", "mme_perception_score >= 1", "exact_match >= 0.5")
    prompt = "\nAnswer the question using a single word or phrase."
    assert [{key: value for key, value in query.items() if key != "image"} for query in queries] == [
        {
            "query_id": f"mme/{doc_id}",
            "benchmark": "mme",
            "task": category,
            "language": "en",
            "question": question + prompt,
            "answer": answer,
        }
        for doc_id, _, question, answer, category, _ in MME
    ] + [
        {
            "query_id": f"vqav2_val_lite/{doc_id}",
            "benchmark": "vqav2_val_lite",
            "task": "vqav2_val_lite",
            "language": "en",
            "question": f"\n{question}",
            "answer": answer,
        }
        for doc_id, question, answer in ((0, "What colour is it?", "red"), (7, "What shade is it?", "blue"))
    ]
    contents = [(tmp_path / "out" / query["image"]).read_bytes() for query in queries]
    code, dogs = png((0, 90, 30)), png((1, 90, 30))
    assert contents == [code, code, dogs, dogs, png((250, 10, 10)), png((10, 10, 250))]
    assert right(outcomes) == {
        **{(f"mme/{number}", GPT): bool(value) for number, value in enumerate((1, 1, 1, 0))},
        **{(f"mme/{number}", LLAVA): bool(value) for number, value in enumerate((1, 0, 1, 0))},
        **{(f"mme/{number}", QWEN): bool(value) for number, value in enumerate((0, 0, 1))},
        ("vqav2_val_lite/0", GPT): True,
        ("vqav2_val_lite/0", LLAVA): True,
        ("vqav2_val_lite/0", QWEN): False,
        ("vqav2_val_lite/7", GPT): True,
        ("vqav2_val_lite/7", LLAVA): False,
        ("vqav2_val_lite/7", QWEN): True,
    }
    said = {(row["query_id"], row["vlm"]): row["output"] for row in outcomes}
    assert said["mme/0", QWEN] == "No"
    assert said["vqav2_val_lite/0", QWEN] == "Green."  # what the VLM said, before the filter
    assert {(row["cost_usd"], row["latency_s"]) for row in outcomes} == {(None, None)}


def test_single_sources(load: Import, tmp_path: Path) -> None:
    (output_path,) = write_log(tmp_path)
    options = replace(FREE, roots=(output_path,))
    _, outcomes, report = load(output_path / GPT, options=options)
    assert {row["vlm"] for row in outcomes} == {GPT}
    samples = output_path / QWEN.replace("/", "__") / f"{TIME}_samples_mme.jsonl"
    _, outcomes, report = load(samples, options=options)
    assert right(outcomes) == {("mme/0", QWEN): False, ("mme/1", QWEN): False, ("mme/2", QWEN): True}
    # The same file twice, and the results beside it, as a shell's * gives them, change nothing.
    results = samples.with_name(f"{TIME}_results.json")
    _, again, report = load(samples, samples.parent, results, options=replace(options))
    assert [row for row in again if row["query_id"].startswith("mme")] == outcomes
    assert kinds(report) == {}


def test_benchmark_and_language(load: Import, tmp_path: Path) -> None:
    queries, _, _ = load(*write_log(tmp_path), benchmark="suite", language="fr")
    assert {(query["benchmark"], query["task"], query["language"]) for query in queries} == {
        ("suite", "code_reasoning", "fr"),
        ("suite", "count", "fr"),
        ("suite", "vqav2_val_lite", "fr"),
    }


def test_newest_run_counts(load: Import, tmp_path: Path) -> None:
    write_rows(tmp_path / "log", row(0, exact_match=0.0), row(1, exact_match=0.0))
    write_rows(tmp_path / "log", row(0), row(1), time="20260401_000000")
    write_rows(tmp_path / "log", row(0, exact_match=0.0), time="0930_120000")  # of the time before the year was written
    _, outcomes, report = load(tmp_path / "log")
    assert right(outcomes) == {("ai2d/0", GPT): True, ("ai2d/1", GPT): True}
    assert kinds(report) == {"older run of the same VLM and task": 2}
    assert "20260401_000000_samples_ai2d.jsonl" in detail(report, "older run of the same VLM and task")


def test_an_older_run_stands_in_for_a_broken_one(load: Import, tmp_path: Path) -> None:
    write_rows(tmp_path / "log", row(0))
    write_rows(tmp_path / "log", time="20260401_000000").write_text('{"doc_id": 0, "inp')
    _, outcomes, report = load(tmp_path / "log")
    assert right(outcomes) == {("ai2d/0", GPT): True}
    assert kinds(report) == {"line that is no JSON": 1, "run without a usable row": 1}


def test_doc_hash_is_no_key(load: Import, tmp_path: Path) -> None:
    write_rows(tmp_path / "log", row(0, doc_hash="one"), row(1, doc_hash="two"))
    write_rows(tmp_path / "log", row(0, doc_hash="two"), row(1, doc_hash="one"), vlm=QWEN)
    queries, outcomes, report = load(tmp_path / "log")
    assert [query["query_id"] for query in queries] == ["ai2d/0", "ai2d/1"]
    assert len(outcomes) == 4
    assert kinds(report) == {}


def test_another_version_of_the_benchmark(load: Import, tmp_path: Path) -> None:
    answers = "ABCD" * 10
    same = [row(number, target=answer) for number, answer in enumerate(answers)]
    shifted = [row(number, target=answer) for number, answer in enumerate("CC" + answers)]
    write_rows(tmp_path / "log", *same, vlm=QWEN)
    write_rows(tmp_path / "log", *same, vlm=LLAVA)
    write_rows(tmp_path / "log", *shifted, vlm=GPT)  # as if two questions were new in front of the others
    _, outcomes, report = load(tmp_path / "log")
    assert {row["vlm"] for row in outcomes} == {QWEN, LLAVA}
    assert len(outcomes) == 80
    assert kinds(report) == {"run of another version of the benchmark": 42}
    assert "40 of 40 targets differ: doc_id 0 is 'C', else 'A'" in detail(
        report, "run of another version of the benchmark"
    )


def test_of_two_versions_the_longer_run_is_kept(load: Import, tmp_path: Path) -> None:
    write_rows(tmp_path / "log", *(row(number, target="X") for number in range(3)), vlm=GPT)
    write_rows(tmp_path / "log", *(row(number) for number in range(400)), vlm=QWEN)
    _, outcomes, _ = load(tmp_path / "log")
    assert {row["vlm"] for row in outcomes} == {QWEN}
    assert len(outcomes) == 400


def test_a_corrected_answer_costs_its_row_alone(load: Import, tmp_path: Path) -> None:
    write_rows(tmp_path / "log", *(row(number, target="XA"[number > 0]) for number in range(200)), vlm=GPT)
    for vlm in (LLAVA, QWEN):
        write_rows(tmp_path / "log", *(row(number) for number in range(200)), vlm=vlm)
    queries, outcomes, report = load(tmp_path / "log")
    assert len(outcomes) == 599
    assert ("ai2d/0", GPT) not in right(outcomes)
    assert queries[0]["answer"] == "A"
    assert kinds(report) == {"answer differs from another run's": 1}
    assert detail(report, "answer differs from another run's") == "doc_id 0: 'X', else 'A'"


def test_prompts_may_differ(load: Import, tmp_path: Path) -> None:
    write_rows(tmp_path / "log", row(0, input="How many?"), vlm=GPT)
    write_rows(tmp_path / "log", row(0, input="<image>How many?\nA number alone."), vlm=QWEN)
    queries, outcomes, report = load(tmp_path / "log")
    assert queries[0]["question"] == "How many?\nA number alone."  # the first VLM's by name: Qwen, then gpt
    assert len(outcomes) == 2
    assert kinds(report) == {"question differs from another run's": 1}


def test_placeholders(load: Import, tmp_path: Path) -> None:
    texts = {
        "<image>\nWhat is it?": "\nWhat is it?",
        "What is <image 1> here, and <image 1>?": "What is  here, and ?",
        "<|image|>What?": "What?",
        "<|image_1|> What?": " What?",
        "<ImageHere>What?": "What?",
        "  What is <b>this</b>? <img src='x'> ": "  What is <b>this</b>? <img src='x'> ",
    }
    write_rows(tmp_path / "log", *(row(number, input=text) for number, text in enumerate(texts)))
    assert [query["question"] for query in load(tmp_path / "log")[0]] == list(texts.values())


def test_images(load: Import, tmp_path: Path) -> None:
    write_rows(
        tmp_path / "log",
        row(0),
        row(1, input_media=["a.png", "b.png"]),
        row(2, input="<image 1> or <image 2>?"),
        row(3, input_media=[]),
        row(4, input_media=None),
        row(5, input_media=["https://example.org/a.png"]),
        row(6, input_media=["data:image/png;base64,iVBORw0KGgo="]),
        row(7, input_media=["../a.png"]),
        row(8, input_media=["/root/.cache/a.png"]),
        row(9, input_media=["not/there.png"]),
        row(10, input_media={"a": 1}),
        row(11, input_media=[None]),
        row(12, input_media="a.png"),
        row(13, input_media=["a.png", "a.png"]),
        row(14, input_media=["gone.png", "data:image/png;base64," + base64.b64encode(png((9, 9, 9))).decode()]),
    )
    queries, _, report = load(tmp_path / "log")
    assert [query["query_id"] for query in queries] == ["ai2d/0", "ai2d/12", "ai2d/13", "ai2d/14"]
    assert (tmp_path / "out" / queries[-1]["image"]).read_bytes() == png((9, 9, 9))
    found = kinds(report)
    assert found.pop("query set aside") == 5
    assert found == {
        "question with several images": 2,
        "question without an image": 2,
        "row that cannot be read": 2,
        "image on the web": 1,
        "unreadable image": 1,
        "image path with '..'": 1,
        "image outside the roots": 1,
        "missing image file": 1,
    }


def test_an_image_of_one_run_serves_the_others(load: Import, tmp_path: Path) -> None:
    write_rows(tmp_path / "log", row(0, input_media=[]), row(1), vlm=QWEN)
    write_rows(tmp_path / "log", row(0), row(1), vlm=GPT)
    _, outcomes, report = load(tmp_path / "log")
    assert len(outcomes) == 4
    assert kinds(report) == {}


def test_image_pattern(load: Import, tmp_path: Path) -> None:
    write_rows(tmp_path / "log", row(0, input_media=None), row("x/y", input_media=None), row("../z", input_media=None))
    (tmp_path / "images/ai2d/x").mkdir(parents=True)
    (tmp_path / "images/ai2d/0.png").write_bytes(png((5, 5, 5)))
    (tmp_path / "images/ai2d/x/y.png").write_bytes(png((6, 6, 6)))
    (tmp_path / "images/z.png").write_bytes(png((7, 7, 7)))
    options = replace(FREE, roots=(tmp_path / "images",))
    queries, _, report = load(tmp_path / "log", options=options, image_pattern="{task}/{doc_id}.png")
    assert {query["query_id"]: (tmp_path / "out" / query["image"]).read_bytes() for query in queries} == {
        "ai2d/0": png((5, 5, 5)),
        "ai2d/x/y": png((6, 6, 6)),
    }
    assert kinds(report) == {"image path with '..'": 1, "query set aside": 1}


@pytest.mark.parametrize(
    "pattern", ["{task}/{doc_id", "{doc_id.__class__}", "{doc_id!r}", "{doc_id:>9}", "{}", "{0}", "{doc_id}{user}", "}"]
)
def test_image_pattern_that_asks_for_more(pattern: str) -> None:
    with pytest.raises(ArmsError, match=r"--image-pattern: expected a path with \{doc_id\} and \{task\} alone"):
        LmmsEvalImporter(image_pattern=pattern)


@pytest.mark.parametrize("pattern", ["", "all.png", "{task}.png"])
def test_image_pattern_of_one_image(pattern: str) -> None:
    with pytest.raises(ArmsError, match=r"expected a path with \{doc_id\} in it"):
        LmmsEvalImporter(image_pattern=pattern)


def test_preferred_metric(load: Import, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_rows(log, pope(0), pope(1, 0.0), task="pope")
    write_rows(log, row(0, exact_match=0.0, relaxed_overall=1.0, relaxed_human_split=1.0), task="chartqa")
    average = {"average": {"score": 1.0, "l2_category": "math"}, "math": {"score": 1.0, "l2_category": "math"}}
    write_rows(log, {**row(0), **average, "exact_match": None}, task="mmstar")
    queries, outcomes, report = load(log)
    assert right(outcomes) == {
        ("chartqa/0", GPT): False,  # exact_match comes first
        ("mmstar/0", GPT): True,
        ("pope/0", GPT): True,
        ("pope/1", GPT): False,
    }
    assert report.verdicts == ("exact_match >= 1", "average >= 1", "pope_accuracy >= 1")
    assert {query["query_id"]: query["task"] for query in queries}["mmstar/0"] == "math"


def test_metric_setting(load: Import, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_rows(log, pope(0), task="pope")
    write_rows(log, row(0, exact_match=0.0, relaxed_overall=1.0), row(1, exact_match=0.0), task="chartqa")
    judged = {"gpt_eval_score": {"true_false": "True", "extraction": "3"}}
    write_rows(log, {**row(0), **judged}, task="mathvista")
    write_rows(log, row(0), task="textvqa")
    metrics = ("relaxed_overall", "pope_recall", "gpt_eval_score.true_false")
    _, outcomes, report = load(log, metric=metrics)
    assert right(outcomes) == {("chartqa/0", GPT): True, ("mathvista/0", GPT): True, ("pope/0", GPT): True}
    assert report.verdicts == ("relaxed_overall >= 1", "gpt_eval_score.true_false >= 1", "pope_recall >= 1")
    assert kinds(report) == {"row without a grade": 1, "run without a grade in its rows": 1}


def test_several_metrics_are_never_guessed(load: Import, tmp_path: Path) -> None:
    log = write_rows(tmp_path / "log", {**row(0), "style": 1, "content": 0, "exact_match": "n/a"})
    with pytest.raises(ArmsError, match="task ai2d: expected one metric that grades a row, got content, style; say wh"):
        load(log)
    _, outcomes, _ = load(log, metric=("content",), options=replace(FREE, roots=(tmp_path / "log",)))
    assert right(outcomes) == {("ai2d/0", GPT): False}


def test_metric_without_a_score(load: Import, tmp_path: Path) -> None:
    mmmu = sample(0, "<image 1> What?", "B", "B") | {
        "mmmu_acc": {"id": "validation_Art_1", "subdomain": "Art", "answer": "B", "parsed_pred": "B"},
        "submission": {"validation_Art_1": "B"},
        "input_media": ["a.png"],
    }
    log = tmp_path / "log"
    write_rows(log, mmmu, mmmu | {"doc_id": 1}, task="mmmu_val")
    message = r"(?s)expected rows with a grade and one image, got none.*2 set aside: run without a grade in its rows "
    with pytest.raises(ArmsError, match=message + r"\(.*mmmu_acc: id, subdomain, answer, parsed_pred\); name a metric"):
        load(log)
    write_rows(log, row(0), task="ai2d")
    _, outcomes, report = load(log)
    assert right(outcomes) == {("ai2d/0", GPT): True}
    assert report.rows_set_aside == 2
    (found,) = (found for found in report.report.findings if found.kind == "run without a grade in its rows")
    assert found.count == 2
    assert "--metric KEY or KEY.FIELD" in found.advice


def test_values_that_grade(load: Import, tmp_path: Path) -> None:
    values = (
        *((1.0, True), (0, False), (True, True), ({"score": True}, True), ({"score": [0.0]}, False)),
        *(([1.0], True), ([{"score": 1}], True)),
    )
    write_rows(tmp_path / "log", *(row(number, exact_match=value) for number, (value, _) in enumerate(values)))
    _, outcomes, report = load(tmp_path / "log")
    assert list(right(outcomes).values()) == [correct for _, correct in values]
    assert kinds(report) == {}


def test_values_that_do_not(load: Import, tmp_path: Path) -> None:
    values = (None, "1", [], [1, 0], {}, {"score": "high"}, {"score": {"a": 1}}, float("nan"), [[1, 2]], "bypass")
    write_rows(tmp_path / "log", row("good"), *(row(number, exact_match=value) for number, value in enumerate(values)))
    _, outcomes, report = load(tmp_path / "log")
    assert right(outcomes) == {("ai2d/good", GPT): True}
    assert kinds(report) == {  # None and NaN are grades left open
        "row without a grade": len(values) - 2,
        "correct is neither true nor false": 2,
        "query without outcome": 2,
    }


def test_predictions_alone(load: Import, tmp_path: Path) -> None:
    alone = row(0, bypass=999)
    del alone["exact_match"]
    log = write_rows(tmp_path / "log", alone)
    with pytest.raises(ArmsError, match=r"run without a grade in its rows .*: no metrics"):
        load(log)


def test_grades(load: Import, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_rows(log, *(row(number, exact_match=grade) for number, grade in enumerate((0.0, 0.3, 0.6, 1.0))))
    assert list(right(load(log)[1]).values()) == [False, False, True, True]
    _, outcomes, report = load(log, threshold=0.3)
    assert list(right(outcomes).values()) == [False, True, True, True]
    assert report.verdicts == ("exact_match >= 0.3",)
    write_rows(log, row(0, exact_match=55.0))
    with pytest.raises(ArmsError, match=r"metric exact_match: expected 0 and 1, or shares .* got grades from 55 to 55"):
        load(log)


def test_lower_is_better(load: Import, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    (log / "a.png").write_bytes(png((1, 2, 3)))
    write_run(log, GPT, "asr", [{**row(0), "wer": 0.2, "exact_match": "-"}, {**row(1), "wer": 0.9, "exact_match": "-"}])
    write_results(log, GPT)
    with pytest.raises(ArmsError, match="metric wer: expected one of which more is better"):
        load(log)
    assert list(right(load(log, lower_is_better=True, threshold=0.5)[1]).values()) == [True, False]
    # The results file says so of metrics whose names do not.
    write_run(log, GPT, "asr", [{**row(0), "exact_match": "-", "distort": 0.2}])
    write_results(log, GPT, higher_is_better={"asr": {"distort": False}})
    with pytest.raises(ArmsError, match="got distort, of which less is, as the run's results file says"):
        load(log)
    assert list(right(load(log, lower_is_better=True, threshold=0.5)[1]).values()) == [True]


@pytest.mark.parametrize(
    ("results", "folder", "vlm"),
    [
        ({"model_name": "lmms-lab/llava"}, "x", "lmms-lab/llava"),
        ({"model_name": "/data/ckpts/llava-7b/"}, "x", "ckpts/llava-7b"),
        ({"model_name": '"org/quoted"'}, "x", "org/quoted"),
        ({"model_name": "C:\\ckpts\\llava"}, "x", "ckpts/llava"),
        ({"model_name": None, "config": {"model_args": "a=1,pretrained=org/b,peft=org/adapter"}}, "x", "org/adapter"),
        ({"model_name": 5, "config": {"model_args": {"model_version": "gpt-4o"}}}, "x", "gpt-4o"),
        ({"model_name": "", "config": {"model": "gemini_api", "model_args": ""}}, "x", "gemini_api"),
        ({"model_name": "a\nb", "config": "broken"}, "org__name", "org/name"),
        ({}, "org__name", "org/name"),
    ],
)
def test_names_of_vlms(load: Import, tmp_path: Path, results: dict[str, Any], folder: str, vlm: str) -> None:
    log = tmp_path / "log"
    write_rows(log, row(0), vlm=folder)
    path = write_results(log, folder)
    path.write_text(json.dumps(results))
    assert [row["vlm"] for row in load(log)[1]] == [vlm]


@pytest.mark.parametrize("content", [None, "", "[]", '{"model_name": "x"', "\xff"])
def test_results_that_cannot_be_read(load: Import, tmp_path: Path, content: str | None) -> None:
    log = tmp_path / "log"
    write_rows(log, row(0), vlm=QWEN)
    results = write_results(log, QWEN)
    results.unlink() if content is None else results.write_bytes(content.encode("latin-1"))
    _, outcomes, report = load(log)
    assert [row["vlm"] for row in outcomes] == [QWEN]
    assert kinds(report) == {"results file that cannot be read": 1}


def test_one_vlm_with_and_without_results(load: Import, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_rows(log, row(0), vlm=LLAVA)
    write_run(log, LLAVA, "pope", [pope(0)], time="20260101_000000")
    _, outcomes, _ = load(log)
    assert {row["vlm"] for row in outcomes} == {LLAVA}


def test_older_form(load: Import, tmp_path: Path) -> None:
    log = tmp_path / "log"
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
    (log / "a.png").write_bytes(png((1, 2, 3)))
    queries, outcomes, report = load(log, image_pattern="{doc_id}.png")
    assert [[*list(query.values())[:5], query["answer"]] for query in queries] == [
        ["chartqa/0", "chartqa", "chartqa", "en", "How high is the bar?", "['3', 'three']"],
        ["chartqa/1", "chartqa", "charts", "en", "How low?", "2"],
    ]
    assert {(row["query_id"], row["vlm"]): (row["correct"], row["output"]) for row in outcomes} == {
        ("chartqa/0", QWEN): (True, "A"),
        ("chartqa/0", "org/older"): (True, "3"),
        ("chartqa/0", "llava"): (True, "3"),
        ("chartqa/1", "llava"): (False, "5"),
    }
    assert kinds(report) == {"older run of the same VLM and task": 1, "results file that cannot be read": 1}
    assert detail(report, "older run of the same VLM and task").startswith("org/older; the newest is ")


def test_older_form_without_images(load: Import, tmp_path: Path) -> None:
    log = older_log(0, "How high?", "3", "3", relaxed_overall=1)
    write_older_run(tmp_path, "pretrained=org/older", "chartqa", [log])
    with pytest.raises(ArmsError, match=r"(?s)got none.*1 set aside: question without an image .*--image-pattern"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"args": {"model": "llava"}, "logs": [5, "x", None]}, "row that is no JSON object"),
        ({"args": {}, "logs": []}, "run of a VLM without a name"),
        ({"args": [], "logs": []}, "run of a VLM without a name"),
    ],
)
def test_broken_older_form(load: Import, tmp_path: Path, content: Any, kind: str) -> None:
    write_rows(tmp_path / "log", row(0))
    (tmp_path / "log/chartqa.json").write_text(json.dumps(content))
    _, outcomes, report = load(tmp_path / "log")
    assert len(outcomes) == 1
    assert kinds(report)[kind] in (1, 3)


def test_other_files_are_passed_over(load: Import, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_rows(log, row(0))
    (log / "submissions").mkdir()
    (log / "submissions/mmmu.json").write_text("[broken")
    (log / "chartqa.json").write_text('{"logs": 5, "args": 3}')
    (log / "broken.json").write_text('{"args": {"model": ')
    (log / "checkpoint_samples_ai2d.jsonl").write_text("broken")
    (log / "folder.json").mkdir()
    _, outcomes, report = load(log)
    assert len(outcomes) == 1
    assert kinds(report) == {"file that cannot be read": 1}
    assert "broken.json: expected JSON in UTF-8" in detail(report, "file that cannot be read")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("samples_ai2d.jsonl", "{}", r"samples_ai2d.jsonl: expected a log of lmms-eval, .*DATE_samples_TASK.jsonl, or"),
        ("ai2d.json", "{}", "ai2d.json: expected a log of lmms-eval"),
        ("ai2d.json", "[]", "ai2d.json: expected a log of lmms-eval"),
        ("ai2d.json", '{"logs": {}}', "ai2d.json: expected a log of lmms-eval"),
        ("ai2d.csv", "a,b", "ai2d.csv: expected a log of lmms-eval"),
        ("ai2d.json", '{"args": {', r"found none to use; .*ai2d.json: expected JSON in UTF-8"),
        ("20260101_000000_results.json", "{}", "found none to use; run lmms-eval with --log_samples"),
        ("20260101_000000_samples_ai2d.jsonl", "", "expected rows with a grade and one image, got none"),
    ],
)
def test_files_that_are_no_log(load: Import, tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ArmsError, match=message):
        load(tmp_path / name)
    assert not (tmp_path / "out").exists()


def test_folder_without_a_log(load: Import, tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match=r"expected DATE_samples_TASK.jsonl files of lmms-eval, found none to use"):
        load(tmp_path)


def test_broken_doc_id(load: Import, tmp_path: Path) -> None:
    doc_ids = (None, True, [1], {"a": 1}, 1.5, "", " ")
    write_rows(tmp_path / "log", row(0), row(2.0), *map(row, doc_ids))
    _, outcomes, report = load(tmp_path / "log")
    assert right(outcomes) == {("ai2d/0", GPT): True, ("ai2d/2", GPT): True}
    assert kinds(report) == {"row that cannot be read": len(doc_ids)}
    assert detail(report, "row that cannot be read") == "expected doc_id to be a number or a name, got None"


WRONG = (None, 5, 1.5, True, [], ["a"], {}, {"a": [1]}, "\ud800", "x" * 100_000, "\x00", " ")


@pytest.mark.parametrize(
    ("key", "num_usable"),
    [
        ("target", 12),
        ("filtered_resps", 12),
        ("resps", 12),
        ("token_counts", 12),
        ("doc_hash", 12),
        ("doc_id", 4),  # 5 and the texts but the blank one
        ("input", 3),  # the texts but the blank one
        ("input_media", 0),
    ],
)
def test_wrong_types(load: Import, tmp_path: Path, key: str, num_usable: int) -> None:
    path = write_rows(tmp_path / "log", row("good"))
    with path.open("a") as stream:
        stream.writelines(json.dumps({**row(f"n{number}"), key: value}) + "\n" for number, value in enumerate(WRONG))
    _, outcomes, report = load(tmp_path / "log")
    assert right(outcomes)["ai2d/good", GPT] is True
    assert len(outcomes) == 1 + num_usable
    assert report.rows_set_aside + report.report.outcomes_set_aside == len(WRONG) - num_usable


def test_outputs(load: Import, tmp_path: Path) -> None:
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
    write_rows(tmp_path / "log", *(row(number, **responses) for number, (responses, _) in enumerate(said)))
    assert [row["output"] for row in load(tmp_path / "log")[1]] == [output for _, output in said]


def test_several_rows_for_one_question(load: Import, tmp_path: Path) -> None:
    filtered = [row(0), row(0), row(1), row(1, exact_match=0.0), row(2)]  # 1 is judged differently by two filters
    write_rows(tmp_path / "log", *filtered)
    _, outcomes, report = load(tmp_path / "log")
    assert right(outcomes) == {("ai2d/0", GPT): True, ("ai2d/2", GPT): True}
    assert kinds(report) == {
        "several rows of a run for one question": 2,
        "conflicting rows for one query_id and vlm": 2,
        "repeated row for one query_id and vlm": 1,
        "query without outcome": 1,
    }


def test_broken_lines(load: Import, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "log", row(0), row(1))
    whole = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + whole[:-40] + b"\n\n[1]\n\xff\xfe\n")
    _, outcomes, report = load(tmp_path / "log")
    assert right(outcomes) == {("ai2d/0", GPT): True}
    assert kinds(report) == {"line that is no JSON": 2, "line that is no JSON object": 1}
