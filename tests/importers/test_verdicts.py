import decimal
import math
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arms.errors import ArmsError
from arms.importers.verdicts import (
    GradeRule,
    grade_all,
    lower_is_better,
    parse_grade,
    parse_grades,
    parse_range,
    to_scores,
    to_verdicts,
)

UNKNOWN = [None, math.nan, pd.NA, pd.NaT, "", "  ", "NaN", "n/a", "None", "null", "-"]
GRADES = [
    *((value, 1) for value in (True, np.True_, " 1 ", "1e0", "True", "CORRECT", "hit")),
    *((value, 0) for value in (0, -0.0, "incorrect", "No", "f")),
    *((0.25, 0.25), (np.float32(0.5), 0.5), (decimal.Decimal("0.75"), 0.75), ("-3.5", -3.5)),
]
WRONG = [
    "maybe",
    "correctly",
    "0,5",
    "1/2",
    "0_1",
    math.inf,
    "1e400",
    10**400,
    [1],
    {"score": 1},
    (1,),
    b"x",
    datetime.max,
]


def test_one_grade() -> None:
    """Left open it is NaN, and what is none is None."""
    assert all(math.isnan(parse_grade(value)) for value in UNKNOWN)
    assert [parse_grade(value) for value, _ in GRADES] == [grade for _, grade in GRADES]
    assert [parse_grade(value) for value in WRONG] == [None] * len(WRONG)


def test_many_grades_are_read_as_one_by_one() -> None:
    values = [*UNKNOWN, *(value for value, _ in GRADES), *WRONG] * 2
    grades, wrong = parse_grades(pd.Series(values, dtype=object))
    expected = [parse_grade(value) for value in values]
    assert wrong.tolist() == [grade is None for grade in expected]
    np.testing.assert_array_equal(grades, [math.nan if grade is None else grade for grade in expected])
    assert (grades.dtype, wrong.dtype) == (np.float64, bool)


@pytest.mark.parametrize(
    ("values", "grades", "wrong"),
    [
        (pd.Series([True, False]), [1, 0], [0, 0]),
        (pd.Series([True, None], dtype="boolean"), [1, math.nan], [0, 0]),
        (pd.Series([3, 0], dtype="uint8"), [3, 0], [0, 0]),
        (pd.Series([1, None], dtype="Int64"), [1, math.nan], [0, 0]),
        (pd.Series([0.5, math.nan, -math.inf]), [0.5, math.nan, math.nan], [0, 0, 1]),
        (pd.Series(["1", None, "x"], dtype="str"), [1, math.nan, math.nan], [0, 0, 1]),
        (pd.Series(["1", "x"], dtype="category"), [1, math.nan], [0, 1]),
        (pd.Series([], dtype=object), [], []),
    ],
)
def test_grades_of_each_type_of_column(values: pd.Series, grades: list[float], wrong: list[int]) -> None:
    found, is_wrong = parse_grades(values)
    np.testing.assert_array_equal(found, grades)
    assert is_wrong.tolist() == [bool(one) for one in wrong]


@pytest.mark.parametrize(
    ("grades", "rule", "correct", "statement"),
    [
        ([1, 0, math.nan], {}, [True, False, None], "m >= 1"),
        ([1, 1], {}, [True, True], "m >= 1"),
        ([0, 0.49, 0.5, 1], {}, [False, False, True, True], "m >= 0.5"),
        ([0, 0.5, 1], {"threshold": 1}, [False, False, True], "m >= 1"),
        ([0, 0.1], {"threshold": 0}, [True, True], "m >= 0"),
        ([1, 4, 5, math.nan], {"threshold": 4}, [False, True, True, None], "m >= 4"),
        ([0, 1], {"lower_is_better": True}, [True, False], "m <= 0"),
        ([0.1, 0.2, 0.3], {"threshold": 0.2, "lower_is_better": True}, [True, True, False], "m <= 0.2"),
        ([math.nan], {}, [None], "m >= 1"),
        ([], {}, [], "m >= 1"),
    ],
)
def test_verdicts(grades: list[float], rule: dict[str, Any], correct: list[bool | None], statement: str) -> None:
    found, said = to_verdicts(np.array(grades, dtype=float), "m", GradeRule(**rule))
    assert found.tolist() == correct
    assert said == statement


@pytest.mark.parametrize(
    ("grades", "rule", "message"),
    [
        ([1, 5], {}, "^metric m: expected 0 and 1, or shares where .*, got grades from 1 to 5; say from which"),
        ([-0.5, 1], {}, "got grades from -0.5 to 1"),
        ([0.5], {"lower_is_better": True}, "got grades from 0.5 to 0.5; say up to which one"),
    ],
)
def test_grades_that_need_a_threshold(grades: list[float], rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        to_verdicts(np.array(grades), "m", GradeRule(**rule))


@pytest.mark.parametrize("threshold", [math.nan, math.inf, -math.inf])
def test_a_threshold_is_a_number(threshold: float) -> None:
    with pytest.raises(ArmsError, match=f"--threshold: expected a finite number, got {threshold}"):
        GradeRule(threshold=threshold)


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        *((name, True) for name in "toxic_frac CHAIRs charErrorRate word-error-rate WER inference_runtime".split()),
        *((name, False) for name in ("exact_match", "answer", "flower", "detoxified", "")),
    ],
)
def test_metrics_that_count_what_is_bad(metric: str, lower: bool) -> None:
    assert lower_is_better(metric) is lower
    grades = np.array([0.0, 1.0])
    if lower:
        with pytest.raises(ArmsError, match=f"metric {metric}: expected one where more is better, got one that"):
            to_verdicts(grades, metric, GradeRule(threshold=1))
    assert to_verdicts(grades, metric, GradeRule(lower_is_better=True))[0].tolist() == [True, False]


def test_each_row_by_its_metric() -> None:
    grades = [1, 0.5, "no", [1], None, 0.2]
    metrics = ["exact", "share", "exact", "exact", "share", "share"]
    correct, scores, statements = grade_all(grades, metrics, GradeRule())
    assert correct.tolist() == [True, True, False, None, None, False]
    np.testing.assert_array_equal(scores, [math.nan, 0.5, math.nan, math.nan, math.nan, 0.2])
    assert statements == ("exact >= 1", "share >= 0.5")
    assert [list(one) for one in grade_all([], [], GradeRule())] == [[], [], []]


def test_metrics_that_are_verdicts_need_no_rule() -> None:
    rule = GradeRule(threshold=4)
    correct, scores, statements = grade_all([1, 5, 0, 3], ["hit", "grade", "hit", "grade"], rule, {"hit"})
    assert correct.tolist() == [True, True, False, False]
    assert np.isnan(scores).all(), "verdicts, and grades on another scale"
    assert statements == ("hit >= 1", "grade >= 4")


@pytest.mark.parametrize(
    ("grades", "rule", "scores"),
    [
        ([0, 0.25, 1, math.nan], {}, [0, 0.25, 1, math.nan]),
        ([0.25, 1], {"threshold": 0.9}, [0.25, 1]),
        ([0.25, 1], {"lower_is_better": True, "threshold": 0.5}, [0.75, 0]),
        ([0, 1, math.nan], {}, [math.nan] * 3),  # as good as the verdicts
        ([1, 3, 5], {"threshold": 4}, [math.nan] * 3),
        ([-0.5, 0.5], {"threshold": 0}, [math.nan] * 2),
        ([1, 3, 5, 6, math.nan], {"threshold": 4, "grade_range": (1, 5)}, [0, 0.5, 1, math.nan, math.nan]),
        ([5, 3], {"threshold": 2, "grade_range": (1, 5), "lower_is_better": True}, [0, 0.5]),
        ([0.5, 1], {"grade_range": (1, 5)}, [0.5, 1]),  # shares are shares
        ([], {}, []),
    ],
)
def test_shares_are_scores(grades: list[float], rule: dict[str, Any], scores: list[float]) -> None:
    found = to_scores(np.array(grades, dtype=float), GradeRule(**rule))
    np.testing.assert_array_equal(found, scores)


@pytest.mark.parametrize(("text", "expected"), [(None, None), ("1,5", (1, 5)), (" -1 , 1e2 ", (-1, 100))])
def test_ranges(text: str | None, expected: tuple[float, float] | None) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize("text", ["", "5", "1,2,3", "low,high", "5,1", "1,1", "nan,1", "0,inf"])
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(ArmsError, match=r"--grade-range: expected the least and the greatest grade, as 1,5, got "):
        GradeRule(grade_range=parse_range(text))
