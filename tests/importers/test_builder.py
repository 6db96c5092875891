import math
from typing import Any

import pytest

from arms.data.validation_report import Finding
from arms.errors import ArmsError
from arms.importers.builder import LogBuilder, QueryRow, as_amount
from arms.importers.set_aside import SetAside
from arms.importers.verdicts import GradeRule


def row(query_id: Any = "q1", **changes: Any) -> QueryRow:
    values = {"benchmark": "b", "task": "t", "language": "en", "question": "How many?", "image": "1.png"}
    return QueryRow(query_id=query_id, **{**values, **changes})


@pytest.fixture
def builder() -> LogBuilder:
    return LogBuilder(SetAside(), GradeRule())


def findings(builder: LogBuilder) -> dict[str, Finding]:
    return {found.kind: found for found in builder.aside.findings()}


def test_two_runs_are_joined_on_the_query(builder: LogBuilder) -> None:
    for vlm, grades in (("one", {"q1": 1, "q2": "wrong"}), ("other", {"q2": True, "q3": None})):
        for query_id, grade in grades.items():
            where = f"{vlm}.json, {query_id}"
            assert builder.add_query(row(query_id, answer=2), where)
            builder.add_outcome(
                where, query_id, vlm, grade=grade, metric="exact", output=["2"], cost_usd="0.5", latency_s=3
            )
    log = builder.build()
    assert log.vlms == ("one", "other")
    assert log.verdicts == ("exact >= 1",)
    assert log.queries.columns.tolist() == "query_id benchmark task language question answer images".split()
    assert log.queries.iloc[0].tolist() == ["q1", "b", "t", "en", "How many?", "2", ("1.png",)]
    assert log.queries["query_id"].tolist() == ["q1", "q2", "q3"]
    outcomes = log.outcomes.astype(object).where(log.outcomes.notna(), None).to_numpy().tolist()
    assert outcomes == [
        ["q1", "one", True, '["2"]', 0.5, 3.0],
        ["q2", "one", False, '["2"]', 0.5, 3.0],
        ["q2", "other", True, '["2"]', 0.5, 3.0],
        ["q3", "other", None, '["2"]', 0.5, 3.0],
    ]
    assert log.outcomes.columns.tolist() == ["query_id", "vlm", "correct", "output", "cost_usd", "latency_s"]
    assert builder.aside.findings() == ()


def test_scores_and_propensities(builder: LogBuilder) -> None:
    for number, (grade, score, propensity) in enumerate(
        [(0.25, None, 0.5), (0.75, "0.9", None), (None, 1, 1), (1, 1.5, 0), (0, "high", "1/2")]
    ):
        assert builder.add_query(row(f"q{number}"), "here")
        builder.add_outcome("here", f"q{number}", "a", grade=grade, metric="m", score=score, propensity=propensity)
    outcomes = builder.build().outcomes
    assert outcomes["score"].tolist() == [0.25, 0.9, 1, 1, 0], "a grade that is a share stands in"
    assert outcomes["propensity"].dropna().tolist() == [0.5, 1]
    kinds = {"score that is not in [0, 1]": 2, "propensity that is not in (0, 1]": 2}
    assert {kind: found.count for kind, found in findings(builder).items()} == kinds


def test_later_runs_fill_in_what_the_first_left_open(builder: LogBuilder) -> None:
    assert builder.add_query(row(image=None), "first")
    assert builder.add_query(row(answer="B"), "second")
    assert builder.add_query(row(image="other.png"), "third")
    (query,) = builder.build().queries.to_dict("records")
    assert (query["images"], query["answer"]) == (("1.png",), "B")


@pytest.mark.parametrize("answer", ["C", 2, ["B"], False])
def test_runs_that_disagree_on_the_answer(builder: LogBuilder, answer: Any) -> None:
    assert builder.add_query(row(answer="B"), "a.json, row 1")
    assert not builder.add_query(row(answer=answer), "b.json, row 1")
    assert builder.add_query(row(answer="B"), "c.json, row 1"), "the first run's answer stands"
    found = findings(builder)["answer differs from another run's"]
    assert (found.count, found.set_aside, found.rows[0]["where"]) == (1, True, "b.json, row 1")
    assert found.rows[0]["detail"].startswith("q1: ")
    assert found.rows[0]["detail"].endswith(", 'B' in a.json, row 1")
    assert builder.build().queries["answer"].tolist() == ["B"]


def test_answers_are_compared_as_text(builder: LogBuilder) -> None:
    assert builder.add_query(row(answer=2), "a")
    assert builder.add_query(row(answer="2"), "b")
    assert builder.add_query(row(answer=math.nan), "c"), "no answer is none that differs"


def test_runs_with_prompts_of_their_own(builder: LogBuilder) -> None:
    assert builder.add_query(row(), "a")
    assert builder.add_query(row(question="Say how many!"), "b")
    found = findings(builder)["question differs from another run's"]
    assert (found.set_aside, found.rows) == (False, ({"where": "b", "detail": "q1: as in a"},))
    assert builder.build().queries["question"].tolist() == ["How many?"]


@pytest.mark.parametrize("question", [None, 3, math.nan, ["How many?"], {"text": "How many?"}])
def test_a_question_that_is_no_text(builder: LogBuilder, question: Any) -> None:
    assert not builder.add_query(row(question=question), "here")
    (example,) = findings(builder)["question that is not text"].rows
    assert example == {"where": "here", "detail": repr(question)}
    assert builder.build().queries.empty


@pytest.mark.parametrize("query_id", [None, 3, "", " \n", ["q1"], {}])
def test_a_query_without_an_id(builder: LogBuilder, query_id: Any) -> None:
    assert not builder.add_query(row(query_id), "here")
    assert findings(builder)["query without an id"].count == 1


@pytest.mark.parametrize("vlm", [None, 3, "", " ", "two\nlines", "half \ud800", ["a"], {}])
def test_an_outcome_without_a_vlm(builder: LogBuilder, vlm: Any) -> None:
    builder.add_query(row(), "here")
    builder.add_outcome("here", "q1", vlm, grade=1, metric="exact")
    assert findings(builder)["outcome without a VLM's name"].rows[0]["where"] == "here"
    log = builder.build()
    assert log.outcomes.empty
    assert log.vlms == ()


@pytest.mark.parametrize("grade", ["maybe", [1], {"score": 1}, math.inf])
def test_a_grade_that_is_none_is_unknown(builder: LogBuilder, grade: Any) -> None:
    builder.add_query(row(), "here")
    builder.add_outcome("here", "q1", "one", grade=grade, metric="exact")
    assert builder.build().outcomes["correct"].isna().all()
    found = findings(builder)["value that is not a grade"]
    assert (found.set_aside, found.rows[0]["detail"]) == (False, f"exact: {grade!r}")


@pytest.mark.parametrize("amount", [-1, "-0.5", math.inf, "1e400", 10**400, True, "much", [1], {}])
def test_an_amount_that_is_none_is_unknown(builder: LogBuilder, amount: Any) -> None:
    builder.add_outcome("here", "q1", "one", grade=1, metric="exact", cost_usd=amount, latency_s=amount)
    outcomes = builder.build().outcomes
    assert outcomes[["cost_usd", "latency_s"]].isna().all(axis=None)
    assert outcomes["correct"].tolist() == [True]
    assert set(findings(builder)) == {"cost that is not an amount", "latency that is not an amount"}


@pytest.mark.parametrize(("value", "amount"), [(0, 0), (2, 2), (0.5, 0.5), ("0.5", 0.5), ("1e-3", 0.001), (-0.0, 0)])
def test_amounts(value: Any, amount: float) -> None:
    assert as_amount(value) == amount


def test_unknown_amounts_are_no_news(builder: LogBuilder) -> None:
    builder.add_outcome("here", "q1", "one", grade=1, metric="exact", cost_usd=None, latency_s=math.nan)
    assert builder.aside.findings() == ()


def test_each_metric_has_its_own_verdict(builder: LogBuilder) -> None:
    for query_id, metric, grade in (("q1", "exact", 0), ("q2", "share", 0.5), ("q3", "exact", 1)):
        builder.add_outcome("here", query_id, "one", grade=grade, metric=metric)
    log = builder.build()
    assert log.outcomes["correct"].tolist() == [False, True, True]
    assert log.verdicts == ("exact >= 1", "share >= 0.5")


def test_verdict_metrics_take_no_threshold() -> None:
    builder = LogBuilder(SetAside(), GradeRule(threshold=4), {"hit"})
    for query_id, metric, grade in (("q1", "hit", 1), ("q2", "grade", 3)):
        builder.add_outcome("here", query_id, "one", grade=grade, metric=metric)
    assert builder.build().outcomes["correct"].tolist() == [True, False]


def test_grades_that_need_a_threshold(builder: LogBuilder) -> None:
    builder.add_outcome("here", "q1", "one", grade=4, metric="rating")
    with pytest.raises(ArmsError, match="metric rating: expected 0 and 1, or shares"):
        builder.build()


def test_texts_that_cannot_be_written(builder: LogBuilder) -> None:
    assert builder.add_query(row("q\ud800", question="half \ud800", answer=["\ud800"], task="\udfff"), "here")
    builder.add_outcome("here", "q\ud800", "one", grade=1, metric="exact", output="\ud83d")
    log = builder.build()
    assert log.queries.iloc[0][["query_id", "task", "question", "answer"]].tolist() == ["q?", "?", "half ?", '["?"]']
    assert log.outcomes.iloc[0][["query_id", "output"]].tolist() == ["q?", "?"]


def test_nothing_at_all(builder: LogBuilder) -> None:
    log = builder.build()
    assert (len(log.queries), len(log.outcomes), log.vlms, log.verdicts) == (0, 0, (), ())


def test_any_number_of_images(builder: LogBuilder) -> None:
    images = [("1.png", "2.png"), [], None, "3.png", ["4.png"], ("\ud800.png",)]
    for number, of in enumerate(images):
        assert builder.add_query(row(f"q{number}", image=of), "here")
    found = builder.build().queries["images"].tolist()
    assert found == [("1.png", "2.png"), (), None, ("3.png",), ("4.png",), ("?.png",)]


def test_that_none_was_sent_is_known(builder: LogBuilder) -> None:
    assert builder.add_query(row(image=()), "first")
    assert builder.add_query(row(image="1.png"), "second")
    assert builder.build().queries["images"].tolist() == [()]
