import datetime
from typing import Any

import numpy as np
import pytest

from arms.importers.rows.table import ErrorCell, Formula
from arms.importers.verdicts import parse_grade
from arms.importers.vlmevalkit.verdict_columns import EXTRACTED, VERDICTS, find_verdicts, has_verdicts

CHOICES = "['3/11', '8/11', '6/11', '3/5']"


def grade(benchmark: str = "B", metric: str | None = None, **cells: Any) -> Any:
    """What a row says; "none" stands for what is no grade."""
    reader = find_verdicts(list(cells), benchmark, [metric] if metric else [])
    assert reader is not None
    assert set(reader.columns) <= set(cells)
    found = reader.grade(cells)
    if found is None:
        return None
    number = parse_grade(found)
    return "none" if number is None else None if np.isnan(number) else number


@pytest.mark.parametrize(
    ("columns", "metric"),
    [
        (["index", "prediction"], None),
        (["index", "prediction", "eval_gt", "log", "extracted"], None),
        (["res", "log"], None),  # without the columns that say how res is to be compared
        (["hit", "log", "score"], "hit"),
        (["verifier_score", "verifier_match"], "verifier_match"),
        (["eval_match", "eval_score"], "eval_score of TextVQA_VAL"),
        (["eval_score"], "eval_score of TextVQA_VAL"),
        (["extracted", "score"], "score of the extracted answer"),
        (["score", "log"], "score of TextVQA_VAL"),
        (["res", "log", "question_type", "answer_type", "answer"], EXTRACTED),
    ],
)
def test_columns(columns: list[str], metric: str | None) -> None:
    reader = find_verdicts(columns, "TextVQA_VAL")
    assert (reader.metric if reader else None) == metric
    assert has_verdicts(columns) is (metric is not None)


def test_named_column() -> None:
    assert find_verdicts(["hit", "gpt4_score"], "B", ["gone", "gpt4_score", "hit"]).metric == "gpt4_score of B"
    assert grade(metric="gpt4_score", hit=0, gpt4_score=7.5) == 7.5
    assert grade(metric="hit", hit=1, score=0) == 1
    assert find_verdicts(["hit"], "B", ["score"]) is None
    assert has_verdicts(["hit"], ["score"]) is False


@pytest.mark.parametrize(
    ("verdict", "cells"),
    [
        (1, (1, True, 1.0, "1", "True")),
        (0, (0, False, "0.0", "False")),
        (None, (None, "")),
        ("none", (2, 0.5, -1, "maybe", [1], {}, float("inf"), datetime.datetime(1900, 1, 1))),
        ("none", (Formula("=A1"), ErrorCell("#N/A"))),
    ],
)
@pytest.mark.parametrize("metric", ["hit", "verifier_match"])
def test_verdicts_are_right_or_wrong(metric: str, cells: tuple[Any, ...], verdict: Any) -> None:
    assert metric in VERDICTS
    assert [grade(**{metric: cell}) for cell in cells] == [verdict] * len(cells)


def test_score_of_yes_and_no() -> None:
    assert [grade(extracted="Yes", score=cell) for cell in (True, False, "True", 2)] == [1, 0, 1, "none"]
    assert find_verdicts(["extracted", "score"], "POPE").metric in VERDICTS


def test_score_of_a_judge() -> None:
    assert [grade(score=cell) for cell in (0.25, "7", -1, "-1", -1.0, "good", None)] == [
        0.25,
        7,
        *[None] * 3,
        "none",
        None,
    ]
    assert [grade(metric="score", score=cell, hit=1) for cell in (3, -1)] == [3, None]
    assert find_verdicts(["score"], "MMVet").metric == "score of MMVet"


def test_benchmarks_whose_names_speak_of_what_is_bad() -> None:
    """The name of such a benchmark does not turn its scores around."""
    assert find_verdicts(["score"], "Hallucination_Test").metric == "score"
    assert find_verdicts(["loss"], "Hallucination_Test", ["loss"]).metric == "loss of Hallucination_Test"


@pytest.mark.parametrize(
    ("benchmark", "matches", "score"),
    [
        ("TextVQA_VAL", "[0.0, 0.6, 0.9]", 0.5),
        ("GQA_TestDev_Balanced", "[1.0]", 1),
        ("GQA_TestDev_Balanced", [1.0, 0.0], 0.5),  # in JSON it is a list
        ("ChartQA_TEST", "[False, True]", 1),
        ("OCRVQA_TESTCORE", "[0.0, 0.0]", 0),
        ("DocVQA_VAL", "[0.9, 0.25]", 0.75),  # edit distances: the least counts
        ("InfoVQA_VAL", "[0.0]", 1),
        ("InfoVQA_VAL", "[0.51, 1.0]", 0),
        ("InfoVQA_VAL", "[0.5]", 0.5),
    ],
)
def test_matches(benchmark: str, matches: Any, score: float) -> None:
    assert grade(benchmark, eval_match=matches, eval_score=0.123) == pytest.approx(score)


@pytest.mark.parametrize(
    "cell", ["[]", "[0.5", "['a']", "0.5", "[0.5, None]", "[" * 9999, "[1] * 9", Formula("=1"), 0.5]
)
def test_matches_that_are_none(cell: Any) -> None:
    assert grade("DocVQA_VAL", eval_match=cell) == "none"


def test_no_matches() -> None:
    assert grade("DocVQA_VAL", eval_match=None) is None


def test_named_edit_distance_says_so() -> None:
    assert find_verdicts(["eval_score"], "DocVQA_VAL").metric == "eval_score (edit distance) of DocVQA_VAL"
    distance = "eval_score (edit distance) of InfoVQA_VAL"
    assert find_verdicts(["eval_match", "eval_score"], "InfoVQA_VAL", ["eval_score"]).metric == distance
    assert find_verdicts(["eval_match", "eval_score"], "GQA", ["eval_score"]).metric == "eval_score of GQA"


@pytest.mark.parametrize(
    ("kind", "answer", "right", "wrong", "unknown"),
    [
        # As VLMEvalKit has it, 14.0 is no integer.
        (
            "integer",
            "14",
            ("14", " 14 ", 14, 14.0),
            ("15", "14.0", "fourteen", "9" * 5000),
            (None, "  ", ErrorCell("#N/A")),
        ),
        ("float", "0.6", ("0.60", 0.6), ("0.61", "1e400", "about 1"), (None,)),
        ("text", "red", ("red",), ("Red",), (None,)),
        ("list", "[2007, 2008]", ("[2007, 2008]",), ("[2007]",), ()),
        ("text", None, (), (), ("red",)),
        (None, "red", (), (), ("red",)),
    ],
)
def test_extracted_answers(kind: Any, answer: Any, right: Any, wrong: Any, unknown: Any) -> None:
    """What the judge could not extract is unknown, not wrong."""
    row = {"log": "Succeed", "question_type": "free_form", "answer_type": kind, "answer": answer}
    for verdict, cells in ((1, right), (0, wrong), (None, unknown)):
        assert [grade(**row, res=res) for res in cells] == [verdict] * len(cells)


OPTION = {"question_type": "multi_choice", "answer_type": "text", "answer": "8/11", "log": "Succeed"}


@pytest.mark.parametrize(
    ("verdict", "extracted"),
    [
        (1, ("B", "(B)", "B. 8/11", "8/11", "The answer is B")),
        (0, ("A", "3/5", "A or B", "none of them", "Of A it is not so, for many a long and weary reason")),
        (0, ("8/11" + " and so on" * 50,)),
        (None, (None,)),
    ],
)
def test_extracted_options(verdict: Any, extracted: tuple[Any, ...]) -> None:
    found = [grade(**OPTION, res=res, answer_option="B", choices=CHOICES) for res in extracted]
    assert found == [verdict] * len(extracted)


@pytest.mark.parametrize(
    "missing",
    [{"answer_option": "B"}, {"choices": CHOICES}, {"answer_option": None, "choices": CHOICES}]
    + [{"answer_option": "B", "choices": choices} for choices in (None, "[", "(1,)", "[]", 3)],
)
def test_extracted_options_without_what_they_need(missing: dict[str, Any]) -> None:
    assert grade(**OPTION, res="B", **missing) is None
