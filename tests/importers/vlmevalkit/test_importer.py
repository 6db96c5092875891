from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.run import ImportOptions, import_log
from arms.importers.vlmevalkit.vlmevalkit_importer import VlmEvalKitImporter
from tests.importers.logs.vlmevalkit import ANSWERS, RUN, hit, image, question, write_log, write_tsv
from tests.importers.logs.vlmevalkit_case import Log


def test_whole_log(log: Log) -> None:
    found = log.read(*write_log(log.folder))
    assert found.queries.drop(columns="images").reset_index().to_dict("records") == [
        {
            "query_id": f"MMStar/{number}",
            "benchmark": "MMStar",
            "task": "coarse" if number % 2 else "fine",
            "language": "en",
            "question": f"Question: What is in picture {number}?\nOptions:\nA. a dog\nB. a cat",
            "answer": "ABBABA"[number],
        }
        for number in range(6)
    ]
    assert [found.pixel(f"MMStar/{number}") for number in range(6)] == [0, 1, 2, 2, 4, 5]
    assert found.outcomes[["query_id", "vlm", "correct", "output"]].to_numpy().tolist() == [
        [f"MMStar/{number}", vlm, bool(verdict), text]
        for vlm in sorted(ANSWERS)
        for number, (text, verdict) in enumerate(ANSWERS[vlm])
    ]
    assert found.outcomes[["cost_usd", "latency_s"]].isna().all(axis=None)
    assert found.report.verdicts == ("hit >= 1",)
    assert (found.report.images_found, found.report.images_lost, found.report.rows_set_aside) == (5, 0, 0)
    assert found.findings() == {"VLM without a profile": 3}
    assert found.report.report.share_missing == {"InternVL2-8B": 0, "Qwen2-VL-7B": 0, "gpt-4o": pytest.approx(1 / 6)}
    assert sorted(path.name for path in found.folder.iterdir() if path.name != "images") == [
        "import_report.json",
        "outcomes.parquet",
        "queries.parquet",
        "set_aside",
        "vlms.yaml",
    ]


@pytest.mark.parametrize("source", [f"outputs/gpt-4o/{RUN}", "outputs/gpt-4o", "outputs"])
def test_sources_of_every_depth(log: Log, source: str) -> None:
    write_log(log.folder)
    found = log.read(log.folder / source, tsv=(str(log.tsvs),))
    assert found.verdicts("gpt-4o") == {f"MMStar/{number}": number < 9 for number in range(5)}


def test_single_files_as_sources(log: Log) -> None:
    write_log(log.folder)
    files = [log.outputs / f"{vlm}/{RUN}/{vlm}_MMStar_openai_result" for vlm in ANSWERS]
    sources = [file.with_suffix(f".{end}") for file, end in zip(files, ("xlsx", "tsv"), strict=False)]
    found = log.read(*sources, log.tsvs / "MMStar.tsv")
    assert found.outcomes["vlm"].value_counts().to_dict() == {"Qwen2-VL-7B": 6, "InternVL2-8B": 6}


@pytest.mark.parametrize("name", ["MMStar", "mm_star", "MMStar_local"])
def test_tsv_by_setting(log: Log, name: str) -> None:
    log.result("M", "MMStar_openai_result", hit(0))
    file = write_tsv(log.folder / f"{name}.tsv", [question(0, image=image(0))])
    for setting in (str(file), str(log.folder), f"MMStar={file}"):
        assert log.read(log.outputs, tsv=(setting,)).pixel("MMStar/0") == 0


def test_tsv_that_is_not_there(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(0))
    with pytest.raises(ArmsError, match="--tsv: expected a folder, a file or BENCHMARK=FILE, got 'none', which is not"):
        log.read(log.outputs, tsv=("none",))


def test_tsvs_folder_is_never_replaced(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(0))
    log.tsv("MMStar", 0)
    importer, options = VlmEvalKitImporter(tsv=(str(log.tsvs),)), ImportOptions(access="free", replace=True)
    with pytest.raises(ArmsError, match="expected a folder that does not hold the source"):
        import_log(importer, [log.outputs], log.tsvs, options)
    assert (log.tsvs / "MMStar.tsv").exists()


def test_benchmark_of_several_files(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1))
    log.tsv("MMStar", 1)
    write_tsv(log.tsvs / "MMStar_local.tsv", [question(1, image_path="/elsewhere/1.jpg")])
    found = log.read()
    assert found.pixel("MMStar/1") == 1
    assert found.rows("benchmark with several files")[0]["where"].endswith("MMStar_local.tsv")


def vqa(number: int, matches: Any, score: float) -> dict[str, Any]:
    row = {"index": number, "question": "How much?", "answer": "['7', 'seven']", "split": "val", "prediction": "7"}
    return {**row, "eval_gt": "['7', 'seven']", "eval_pred": "7", "eval_match": str(matches), "eval_score": score}


def test_vqa_is_scored_as_vlmevalkit_reports_it(log: Log) -> None:
    """On DocVQA and InfoVQA `eval_score` is a mean distance, and where one match will do a mean tells nothing."""
    log.result("M", "TextVQA_VAL_results", vqa(1, [0.9, 0.6], 0.75), vqa(2, [0.0, 0.3], 0.15))
    log.result("M", "DocVQA_VAL_results", vqa(1, [0.25, 0.9], 0.575), vqa(2, [0.9, 0.8], 0.85))
    log.result("M", "ChartQA_TEST_gpt-4o_results", vqa(1, [False, True], 0.5), vqa(2, [False, False], 0))
    for benchmark in ("TextVQA_VAL", "DocVQA_VAL", "ChartQA_TEST"):
        log.tsv(benchmark, 1, 2)
    found = log.read(task="split")
    right = {f"{name}/{number}" for name in ("TextVQA_VAL", "DocVQA_VAL", "ChartQA_TEST") for number in (1,)}
    assert found.verdicts() == {query: query in right for query in found.queries.index}
    assert len(found.queries) == 6
    assert sorted(found.report.verdicts) == [
        "anls of DocVQA_VAL >= 0.5",
        "best eval_match of ChartQA_TEST >= 1",
        "eval_score of TextVQA_VAL >= 0.5",
    ]
    assert found.queries.loc["DocVQA_VAL/1", ["question", "answer", "task"]].tolist() == [
        "How much?",
        "['7', 'seven']",
        "val",
    ]


def test_threshold(log: Log) -> None:
    log.result("M", "TextVQA_VAL_results", vqa(1, [0.9], 0.9), vqa(2, [0.6], 0.6))
    log.result("M", "MMStar_openai_result", hit(1, 1), hit(2, 0))
    log.tsv("TextVQA_VAL", 1, 2)
    log.tsv("MMStar", 1, 2)
    found = log.read(threshold=0.7)
    assert found.verdicts() == {"MMStar/1": True, "MMStar/2": False, "TextVQA_VAL/1": True, "TextVQA_VAL/2": False}
    assert sorted(found.report.verdicts) == ["eval_score of TextVQA_VAL >= 0.7", "hit >= 1"]
    scores = dict(zip(found.outcomes["query_id"], found.outcomes["score"].astype(object), strict=True))
    assert {name: scores[name] for name in scores if scores[name] == scores[name]} == {
        "TextVQA_VAL/1": 0.9,
        "TextVQA_VAL/2": 0.6,
    }


def test_grades_on_another_scale_need_a_threshold(log: Log) -> None:
    row = {"index": 1, "question": "Describe it.", "answer": "x", "prediction": "y", "log": "Succeed"}
    log.result("M", "LLaVABench_gpt-4-turbo", {**row, "score": 8}, {**row, "index": 2, "score": 3})
    log.result("M", "LLaVABench", row)
    log.result("M", "MMStar_openai_result", hit(1))
    log.tsv("LLaVABench", 1, 2)
    log.tsv("MMStar", 1)
    with pytest.raises(
        ArmsError, match=r"metric score of LLaVABench: expected 0 and 1, .*got grades from 3 to 8.*--threshold"
    ):
        log.read()
    assert not (log.folder / "out").exists()
    found = log.read(threshold=5)
    assert found.verdicts() == {"LLaVABench/1": True, "LLaVABench/2": False, "MMStar/1": True}
    assert "score" not in found.outcomes
    scored = log.read(threshold=5, grade_range="0,10").outcomes
    assert scored["score"].tolist()[:2] == [0.8, 0.3]
    found = log.read(threshold=5, lower_is_better=True)  # hit stays what it is
    assert found.verdicts() == {"LLaVABench/1": False, "LLaVABench/2": True, "MMStar/1": True}


def test_edit_distance_is_refused_unless_told(log: Log) -> None:
    log.result("M", "DocVQA_VAL_results", vqa(1, [0.0, 0.2], 0.1), vqa(2, [0.9, 0.8], 0.85))
    log.tsv("DocVQA_VAL", 1, 2)
    with pytest.raises(
        ArmsError, match=r"metric eval_score \(edit distance\) of DocVQA_VAL: expected one where more is better"
    ):
        log.read(metric=("eval_score",))
    found = log.read(metric=("eval_score",), lower_is_better=True, threshold=0.2)
    assert found.verdicts() == {"DocVQA_VAL/1": True, "DocVQA_VAL/2": False}


def test_named_metric(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1, 1, Strict=0), hit(2, 0, Strict=1))
    log.result("M", "POPE_auxmatch", {**question(1), "prediction": "Yes", "extracted": "Yes", "score": True})
    log.tsv("MMStar", 1, 2)
    found = log.read(metric=("Strict",))
    assert found.verdicts() == {"MMStar/1": False, "MMStar/2": True}
    assert found.rows("file without verdicts")[0]["detail"].startswith("no strict in ['index', 'question'")


def test_metrics_of_single_benchmarks(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1, 0, strict=1, lenient=0), hit(2, 0, strict=0, lenient=1))
    log.result("M", "POPE_openai_result", hit(1, 1, lenient=0))
    for benchmark in ("MMStar", "POPE"):
        log.tsv(benchmark, 1, 2)
    usual = {"MMStar/1": False, "MMStar/2": False, "POPE/1": True}
    assert log.read().verdicts() == usual
    assert log.read(metric=("MMStar=Strict",)).verdicts() == usual | {"MMStar/1": True}
    for metrics in (("lenient", "MMStar=strict"), ("strict", "lenient")):  # of several the first that a table has
        assert log.read(metric=metrics).verdicts() == {"MMStar/1": True, "MMStar/2": False, "POPE/1": False}
    with pytest.raises(ArmsError, match=r"^--metric MME=hit: there is no benchmark 'MME'; there: MMStar, POPE$"):
        log.read(metric=("MME=hit",))


def test_yes_and_no(log: Log) -> None:
    row = {"question": "Is there a dog?", "answer": "Yes", "category": "adversarial"}
    answers = [("Yes, there is.", "Yes", True), ("no", "No", False), ("It is hard to say.", "Unknown", False)]
    rows = [
        {"index": number, **row, "prediction": text, "extracted": short, "score": score}
        for number, (text, short, score) in enumerate(answers)
    ]
    log.result("M", "POPE_auxmatch", *rows)
    log.tsv("POPE", 0, 1, 2)
    found = log.read()
    assert found.verdicts() == {"POPE/0": True, "POPE/1": False, "POPE/2": False}
    assert found.queries["question"].tolist() == ["Is there a dog?"] * 3
    assert found.queries["task"].tolist() == ["adversarial"] * 3


def test_mathvista(log: Log) -> None:
    kinds = [
        ("free_form", "integer", "14", "", "[]", "14"),
        ("free_form", "float", "0.6", "", "[]", "0.7"),
        ("multi_choice", "text", "8/11", "B", "['3/11', '8/11']", "B"),
        ("multi_choice", "text", "8/11", "B", "['3/11', '8/11']", "3/11"),
        ("free_form", "integer", "3", "", "[]", None),
    ]
    rows = [
        {
            "index": number,
            "question": "How many?",
            "question_type": kind,
            "answer_type": answer_type,
            "answer": answer,
            "answer_option": option,
            "choices": choices,
            "task": "geometry",
            "prediction": f"It is {res}.",
            "res": res,
            "log": "Succeed" if res else "All 5 retries failed.",
        }
        for number, (kind, answer_type, answer, option, choices, res) in enumerate(kinds)
    ]
    log.result("M", "MathVista_MINI", *({k: v for k, v in row.items() if k not in ("res", "log")} for row in rows))
    log.result("M", "MathVista_MINI_gpt-4o-mini", *rows)
    log.result("M", "MathVista_MINI_gpt-4o-mini_score", {"Task&Skill": "Overall", "acc": 50}, ending="tsv")
    log.tsv("MathVista_MINI", *range(5))
    found = log.read(task="task")
    right = (True, False, True, False)
    assert found.verdicts() == {f"MathVista_MINI/{number}": verdict for number, verdict in enumerate(right)}
    assert found.report.verdicts == ("res equals the answer >= 1",)
    assert found.queries["task"].unique().tolist() == ["geometry"]
    assert found.findings()["correct is neither true nor false"] == 1  # what the judge could not extract is unknown
    assert found.findings()["file that holds no answers"] == 1


def test_failed_judgements_are_unknown(log: Log) -> None:
    log.result("M", "MME-RealWorld_gpt4_score", *({**question(n), "prediction": "A", "score": n - 1} for n in range(3)))
    log.tsv("MME-RealWorld", 0, 1, 2)
    found = log.read()
    assert found.verdicts() == {"MME-RealWorld/1": False, "MME-RealWorld/2": True}
