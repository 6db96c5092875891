import datetime

import pandas as pd
import pytest

from tests.importers.logs.vlmevalkit import FAILED, RUN, hit, image, question, write_tsv
from tests.importers.logs.vlmevalkit_case import Log


def test_rotations_count_once(log: Log) -> None:
    rows = [question(number + k * 10**6) for number in (1, 2) for k in range(3)]
    log.result("M", "MMBench_DEV_EN", *({**row, "prediction": "A"} for row in rows))
    log.result("M", "MMBench_DEV_EN_openai_result", hit(1, 1, g_index=1), hit(2, 0, g_index=2))
    images = [{**row, "image": image(row["index"]) if row["index"] < 10 else str(row["index"] % 10**6)} for row in rows]
    write_tsv(log.tsvs / "MMBench_DEV_EN.tsv", images)
    found = log.read()
    assert found.verdicts() == {"MMBench_DEV_EN/1": True, "MMBench_DEV_EN/2": False}
    assert [found.pixel(f"MMBench_DEV_EN/{number}") for number in (1, 2)] == [1, 2]
    assert found.report.images_found == 2


def test_rotations_in_the_result_file(log: Log) -> None:
    log.result("M", "CCBench_openai_result", hit(1, 1), hit(1_000_001, 0), hit(2_000_002, 1))
    log.result("M", "Other_openai_result", hit(1, 1, g_index=1), hit(5, 0, g_index=1), hit(1_000_001, 1, g_index=9))
    log.tsv("CCBench", 1, 2)
    log.tsv("Other", 1, 9)
    found = log.read()
    # A row whose question has no row of its own stands for itself; its image is the question's.
    assert found.verdicts() == {"CCBench/1": True, "CCBench/2000002": True, "Other/1": True, "Other/1000001": True}
    assert (found.pixel("CCBench/2000002"), found.pixel("Other/1000001")) == (2, 9)
    assert [row["detail"] for row in found.rows("row of a rotation")] == ["1000001 of 1", "5 of 1"]
    assert found.queries["language"].to_dict() == {
        "CCBench/1": "zh",
        "CCBench/2000002": "zh",
        "Other/1": "en",
        "Other/1000001": "en",
    }


def test_rotation_that_was_never_answered(log: Log) -> None:
    """VLMEvalKit counts such a question as wrong, but nobody knows what the VLM would have said."""
    predictions = [question(number + k * 10**6, prediction="A") for number in (1, 2) for k in range(2)]
    predictions[3]["prediction"] = FAILED
    log.result("M", "MMBench_DEV_EN", *predictions)
    log.result("M", "MMBench_DEV_EN_openai_result", hit(1, 0), hit(2, 0))
    log.tsv("MMBench_DEV_EN", 1, 2)
    found = log.read()
    assert found.verdicts() == {"MMBench_DEV_EN/1": False}
    assert found.findings()["answer that was never obtained"] == 1
    (log.outputs / f"M/{RUN}/M_MMBench_DEV_EN.xlsx").write_bytes(b"PK broken")
    found = log.read()
    assert found.verdicts() == {"MMBench_DEV_EN/1": False, "MMBench_DEV_EN/2": False}
    assert found.findings()["predictions that cannot be read"] == 1


def test_failed_answers_are_unknown(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1, 0, prediction=FAILED), hit(2, 0), hit(3, 1, prediction=None))
    log.tsv("MMStar", 1, 2, 3)
    found = log.read()
    assert found.verdicts() == {"MMStar/2": False, "MMStar/3": True}
    assert found.outputs() == {"MMStar/2": "B", "MMStar/3": None}
    assert found.findings()["answer that was never obtained"] == 1
    set_aside = pd.read_parquet(found.folder / "set_aside/outcomes.parquet")
    assert set_aside[["query_id", "reason"]].to_numpy().tolist() == [["MMStar/1", "correct is neither true nor false"]]


def test_question_with_a_hint_and_options_of_any_kind(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1, hint="Look closely.", A=3, B=0.5, C=True, D="yes", E=None))
    log.result(
        "M", "GQA_results", {"index": 1, "question": "How much?", "eval_match": "[1.0]", "hint": "Mind the scale."}
    )
    log.tsv("MMStar", 1)
    log.tsv("GQA", 1)
    found = log.read()
    assert found.queries.loc["MMStar/1", "question"] == (
        "Hint: Look closely.\nQuestion: What is in picture 1?\nOptions:\nA. 3\nB. 0.5\nC. True\nD. yes"
    )
    assert found.queries.loc["GQA/1", "question"] == "Hint: Mind the scale.\nQuestion: How much?"


def test_formulas_in_texts_and_in_verdicts(log: Log) -> None:
    log.result(
        "M",
        "MMStar_openai_result",
        hit(1, 1, prediction="=A1+B1", answer="=3"),
        hit(2, "=A1"),
        hit(0, 1, index="=A2"),
        hit(3, "#N/A"),
        hit(4, 1, prediction="#N/A"),
        hit(5, 1, prediction=datetime.date(2025, 3, 1)),
        hit(6, datetime.datetime(2025, 3, 1)),
    )
    log.tsv("MMStar", *range(7))
    found = log.read()
    assert found.outputs() == {"MMStar/1": "=A1+B1", "MMStar/4": None, "MMStar/5": "2025-03-01"}
    assert found.queries.loc["MMStar/1", "answer"] == "=3"
    rows = {kind: [row.get("detail") for row in found.rows(kind)] for kind in found.findings()}
    assert rows["text that the spreadsheet takes for a formula"] == ["answer: =3", "prediction: =A1+B1"]
    assert rows["text that is an error of the spreadsheet"] == ["prediction: #N/A"]
    assert rows["text that the spreadsheet takes for a date"] == ["prediction: 2025-03-01 00:00:00"]
    assert rows["row without an index"] == ["'=A2'"]
    assert len(rows["value that is not a grade"]) == 3
    assert found.findings()["correct is neither true nor false"] == 3


def test_rows_without_an_index_or_a_question(log: Log) -> None:
    rows = [hit(1), hit(2, index=None), hit(3, question=None), hit(4, index=True)]
    rows.append(hit(5, question=None, A=None, B=None))
    log.result("M", "MMStar_openai_result", *rows)
    log.tsv("MMStar", 1, 2, 3, 4, 5)
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True, "MMStar/3": True, "MMStar/5": True}
    assert found.queries["question"].tolist()[1:] == ["Options:\nA. a dog\nB. a cat", ""]
    assert [row["where"][-5:] for row in found.rows("row without an index")] == ["row 3", "row 5"]
    assert found.findings()["query without words"] == 1


def test_json_with_values_of_any_type(log: Log) -> None:
    rows = [
        hit(1, prediction=["a", "b"], answer=["B", "b"]),
        hit(2, question=["no", "text"]),
        hit(3, [1]),
        hit(4, {"a": 1}),
        hit(5, index=[5]),
        hit(6, A={"b": 2}, hint=["c"], category=3),
        {"index": 7},
    ]
    log.result("M", "MMStar_openai_result", *rows, ending="json")
    log.tsv("MMStar", *range(8))
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True, "MMStar/6": True}
    assert found.outputs()["MMStar/1"] == '["a", "b"]'
    assert found.queries.loc["MMStar/1", "answer"] == '["B", "b"]'
    assert found.queries.loc["MMStar/6", "question"] == "Question: What is in picture 6?\nOptions:\nB. a cat"
    assert found.queries.loc["MMStar/6", "task"] == "3"


def test_repeated_rows(log: Log) -> None:
    log.result(
        "M", "MMStar_openai_result", hit(1, 1), hit(1, 1), hit(2, 1), hit(2, 0), hit(3, 1), hit(3, 1, answer="Z")
    )
    log.tsv("MMStar", 1, 2, 3)
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True}
    disagree = "rows of one index that disagree"
    assert found.findings() == {
        "VLM without a profile": 1, disagree: 4, "repeated row for one query_id and vlm": 1
    }  # fmt: skip
    assert [row["detail"] for row in found.rows(disagree)] == ["index 2", "index 2", "index 3", "index 3"]


def test_a_verdict_that_belongs_to_another_row_of_its_index(log: Log) -> None:
    """As in a real SEEDBench2 log: two questions share an index, and both have the verdict of the first."""
    first = hit(7, 1, prediction="A", answer="A", question="What is left?")
    second = hit(7, 1, prediction="A", index="7", answer="C", question="What is right?")
    log.result("M", "SEEDBench2_openai_result", hit(1), first, second)
    log.tsv("SEEDBench2", 1, 7)
    found = log.read()
    assert found.verdicts() == {"SEEDBench2/1": True}
    (finding,) = (one for one in found.report.report.findings if one.kind == "rows of one index that disagree")
    assert finding.advice.startswith("give each question an index of its own and evaluate again: their verdicts may")


def test_vlms_are_joined_on_benchmark_and_index(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1, 1), hit(2, 0))
    log.result("N", "MMStar_openai_result", hit(2, 1, index="2"), hit(1, 0, index=1.0), ending="json")
    log.result("O", "MMStar_openai_result", hit(3, 1, index="3.0"), ending="tsv")
    log.tsv("MMStar", 1, 2, 3)
    found = log.read()
    assert found.verdicts("M") == {"MMStar/1": True, "MMStar/2": False}
    assert found.verdicts("N") == {"MMStar/2": True, "MMStar/1": False}
    assert found.verdicts("O") == {"MMStar/3": True}
    assert found.report.report.share_missing == pytest.approx({"M": 1 / 3, "N": 1 / 3, "O": 2 / 3})


def test_language(log: Log) -> None:
    chinese = dict.fromkeys("MMBench_DEV_CN MMBench_DEV_CN_V11 MME-RealWorld-CN MMBench_dev_cn".split(), "zh")
    languages = {**chinese, **dict.fromkeys("MMBench_DEV_EN MMStar CNN_Bench".split(), "en")}
    languages |= {"MMMB_pt": "pt", "MMBench_dev_ru": "ru"}
    for benchmark in languages:
        log.result("M", f"{benchmark}_openai_result", hit(1))
        log.tsv(benchmark, 1)
    assert dict(log.read().queries[["benchmark", "language"]].to_numpy()) == languages
    assert set(log.read(language="de").queries["language"]) == {"de"}


def test_task(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1), hit(2, category=None, **{"l2-category": None}))
    log.tsv("MMStar", 1, 2)
    assert log.read().queries["task"].tolist() == ["coarse", "MMStar"]
    assert log.read(task="L2-category").queries["task"].tolist() == ["perception", "MMStar"]
    found = log.read(task="split")
    assert found.queries["task"].tolist() == ["MMStar", "MMStar"]
    assert found.rows("file without tasks")[0]["detail"] == "no split"


def test_columns_of_other_case(log: Log) -> None:
    row = {"Index": 1, "Question": "What?", "A": "x", "a": "no option", "Answer": "A", "Prediction": "A", "Hit": 1}
    log.result("M", "MMStar_openai_result", row)
    log.tsv("MMStar", 1)
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True}
    assert found.queries.loc["MMStar/1", ["question", "answer"]].tolist() == ["Question: What?\nOptions:\nA. x", "A"]
