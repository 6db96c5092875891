import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from arms.data import pictures
from arms.data.images import ImageCheck
from arms.data.profiles import VlmProfile
from arms.data.tables import OutcomeTables, write_table
from arms.data.validation import Validated, validate
from arms.data.validation_report import Finding
from arms.errors import ArmsError

MakeDataset = Callable[..., OutcomeTables]


def with_query(dataset: OutcomeTables, row: int, **values: Any) -> OutcomeTables:
    """The dataset with values of one query changed."""
    queries = dataset.queries.copy()
    for column, value in values.items():
        queries.at[queries.index[row], column] = value
    return replace(dataset, queries=queries)


def with_outcomes(dataset: OutcomeTables, *rows: dict[str, Any]) -> OutcomeTables:
    """The dataset with outcomes added."""
    return replace(dataset, outcomes=pd.concat([dataset.outcomes, pd.DataFrame(rows)], ignore_index=True))


def finding(validated: Validated, kind: str) -> Finding:
    (found,) = [found for found in validated.report.findings if found.kind == kind]
    return found


def assert_all_rows_accounted_for(dataset: OutcomeTables, validated: Validated) -> None:
    report = validated.report
    assert report.queries_kept + len(validated.set_aside_queries) == len(dataset.queries)
    assert report.outcomes_kept + len(validated.set_aside_outcomes) == len(dataset.outcomes)
    for table, rows in (("queries", validated.set_aside_queries), ("outcomes", validated.set_aside_outcomes)):
        assert sum(found.count for found in report.findings if (found.table, found.set_aside) == (table, True)) == len(
            rows
        )
        assert rows["reason"].str.len().gt(0).all()


def test_clean_dataset(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(simulated=True)
    validated = validate(dataset, strict=True)
    assert validated.report.findings == ()
    assert validated.report.queries_kept == 8
    assert validated.report.outcomes_kept == 24
    assert validated.report.distinct_images == 4
    assert validated.dataset.outcomes["correct"].dtype == bool
    assert validated.dataset.outcomes["correct"].tolist() == dataset.outcomes["correct"].tolist()
    content = (dataset.folder / "images/000.png").read_bytes()
    assert validated.image_sha256["images/000.png"] == hashlib.sha256(content).hexdigest()
    assert list(validated.set_aside_queries) == [*dataset.queries, "reason"]
    assert_all_rows_accounted_for(dataset, validated)


def test_distinct_images_are_counted_by_content(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    (dataset.folder / "images/001.png").write_bytes((dataset.folder / "images/000.png").read_bytes())
    validated = validate(dataset)
    assert len(validated.image_sha256) == 4
    assert validated.report.distinct_images == 3


@pytest.mark.parametrize("value", [None, "", " \t\n"])
@pytest.mark.parametrize("column", ["benchmark", "task", "language"])
def test_blank_query_value(make_dataset: MakeDataset, column: str, value: str | None) -> None:
    dataset = with_query(make_dataset(), 1, **{column: value})
    validated = validate(dataset)
    assert validated.set_aside_queries["query_id"].tolist() == ["q001"]
    assert validated.set_aside_queries["reason"].tolist() == [f"no {column}"]
    assert validated.set_aside_outcomes["reason"].tolist() == [f"query set aside: no {column}"] * 3
    assert finding(validated, f"no {column}").advice == f"fill in the {column} column"
    assert "q001" not in set(validated.dataset.queries["query_id"])
    assert_all_rows_accounted_for(dataset, validated)


@pytest.mark.parametrize("value", [None, "", " \t\n"])
def test_a_picture_without_words(make_dataset: MakeDataset, value: str | None) -> None:
    """Image-only turns are common: the query is kept, and it is said how many there are."""
    dataset = make_dataset()
    validated = validate(with_query(dataset, 1, question=value), strict=True)
    assert validated.set_aside_queries.empty
    assert validated.dataset.queries["question"].iloc[1] == (value or "")
    found = finding(validated, "query without words")
    assert (found.count, found.set_aside, found.rows) == (1, False, ({"query_id": "q001"},))


@pytest.mark.parametrize("value", [None, "", " "])
def test_blank_query_id(make_dataset: MakeDataset, value: str | None) -> None:
    dataset = with_query(make_dataset(), 1, query_id=value)
    dataset = with_outcomes(dataset, {"query_id": value, "vlm": "small", "correct": True})
    validated = validate(dataset)
    assert finding(validated, "no query_id").count == 1
    assert finding(validated, "outcome without query").count == 4  # those of q001, which no query has now, and the new
    assert_all_rows_accounted_for(dataset, validated)


def test_identical_duplicate_query_keeps_the_first(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    doubled = pd.concat([dataset.queries, dataset.queries.iloc[[1, 2, 1]]])
    dataset = replace(dataset, queries=doubled)
    validated = validate(dataset)
    assert validated.dataset.queries["query_id"].tolist() == [f"q{i:03d}" for i in range(8)]
    assert validated.set_aside_queries["query_id"].tolist() == ["q001", "q002", "q001"]
    assert finding(validated, "repeated row for one query_id").count == 3
    assert validated.report.outcomes_set_aside == 0
    assert_all_rows_accounted_for(dataset, validated)


def test_conflicting_duplicate_queries_are_all_set_aside(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    other = dataset.queries.iloc[[1, 1, 2]].assign(question=["Another?", "Another?", ""])
    dataset = replace(dataset, queries=pd.concat([dataset.queries, other]))
    validated = validate(dataset)
    assert validated.set_aside_queries["query_id"].tolist() == ["q001", "q002", "q001", "q001", "q002"]
    assert finding(validated, "conflicting rows for one query_id").count == 5
    assert set(validated.set_aside_outcomes["reason"]) == {"query set aside: conflicting rows for one query_id"}
    assert validated.report.outcomes_set_aside == 6
    assert_all_rows_accounted_for(dataset, validated)


def spoil(folder: Path, how: str) -> str:
    """Make an image that cannot be used; returns its path."""
    path = folder / "images/bad.png"
    good = (folder / "images/000.png").read_bytes()
    if how == "truncated":
        path.write_bytes(good[: len(good) // 2])
    elif how == "text":
        path.write_text("no image")
    elif how == "empty":
        path.touch()
    elif how == "folder":
        path.mkdir()
    elif how == "escaping link":
        (folder.parent / "secret.png").write_bytes(good)
        path.symlink_to(folder.parent / "secret.png")
    elif how == "escaping folder link":
        (folder.parent / "elsewhere").mkdir()
        (folder.parent / "elsewhere" / "a.png").write_bytes(good)
        (folder / "link").symlink_to(folder.parent / "elsewhere")
        return "link/a.png"
    elif how == "large":
        Image.new("L", (101, 100)).save(path)
    elif how == "absolute":
        return str(folder / "images/000.png")
    elif how == "windows":
        return "C:\\images\\000.png"
    elif how == "parent":
        return "../source/images/000.png"
    return "images/bad.png"


@pytest.mark.parametrize(
    ("how", "kind", "detail"),
    [
        ("missing", "missing image file", "images/bad.png is not there"),
        ("folder", "missing image file", "images/bad.png is no file"),
        ("truncated", "unreadable image", "images/bad.png"),
        ("text", "unreadable image", "images/bad.png is of no known format; expected one of PNG,"),
        ("empty", "unreadable image", "images/bad.png is of no known format; expected one of PNG,"),
        ("escaping link", "image outside the folder", "images/bad.png leads out of it through a link"),
        ("escaping folder link", "image outside the folder", "link/a.png leads out of it through a link"),
        ("absolute", "absolute image path", "/images/000.png"),
        ("windows", "absolute image path", "C:\\images\\000.png"),
        ("parent", "image path with '..'", "../source/images/000.png"),
        ("large", "oversized image", "images/bad.png: expected 10,000 pixels at most, got 101 x 100"),
    ],
)
def test_image_that_cannot_be_used(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch, how: str, kind: str, detail: str
) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 10_000)
    dataset = make_dataset()
    dataset = with_query(dataset, 3, images=(spoil(dataset.folder, how),))
    validated = validate(dataset)
    found = finding(validated, kind)
    assert (found.table, found.count, found.rows[0]["query_id"]) == ("queries", 1, "q003")
    (reason,) = validated.set_aside_queries["reason"]
    assert reason.startswith(f"{kind}: ")
    assert detail in reason
    assert validated.report.outcomes_set_aside == 3
    assert_all_rows_accounted_for(dataset, validated)


def test_link_inside_the_folder_is_fine(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    (dataset.folder / "alias.png").symlink_to(dataset.folder / "images/000.png")
    validated = validate(with_query(dataset, 3, images=("alias.png",)), strict=True)
    assert validated.image_sha256["alias.png"] == validated.image_sha256["images/000.png"]


def test_reasons_are_the_same_on_every_run(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    for row, how in enumerate(("truncated", "text", "missing")):
        path = spoil(dataset.folder, how) if how != "missing" else "gone.png"
        (dataset.folder / path).rename(dataset.folder / f"{how}.png") if how != "missing" else None
        dataset = with_query(dataset, row, images=(f"{how}.png",))
    first, second = validate(dataset), validate(dataset, workers=1)
    assert first.set_aside_queries["reason"].tolist() == second.set_aside_queries["reason"].tolist()
    assert first.report == second.report


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"query_id": "q999", "vlm": "small", "correct": True}, "outcome without query"),
        ({"query_id": None, "vlm": "small", "correct": True}, "outcome without query"),
        ({"query_id": "q001", "vlm": "unheard", "correct": True}, "unknown VLM"),
        ({"query_id": "q001", "vlm": None, "correct": True}, "unknown VLM"),
    ],
)
def test_outcome_of_nobody(make_dataset: MakeDataset, row: dict[str, Any], kind: str) -> None:
    dataset = with_outcomes(make_dataset(), row)
    validated = validate(dataset)
    assert finding(validated, kind).count == 1
    assert validated.set_aside_outcomes["reason"].tolist() == [kind]
    assert_all_rows_accounted_for(dataset, validated)


def test_unknown_vlm_lists_the_known(make_dataset: MakeDataset) -> None:
    validated = validate(with_outcomes(make_dataset(), {"query_id": "q001", "vlm": "smal", "correct": True}))
    advice = finding(validated, "unknown VLM").advice
    assert advice == "add its profile to vlms.yaml, or correct the name; known: small, large, newer"


def test_duplicate_outcomes(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    same = dataset.outcomes.iloc[[4]]
    other = dataset.outcomes.iloc[[7]].assign(correct=lambda frame: ~frame["correct"])
    dataset = replace(dataset, outcomes=pd.concat([dataset.outcomes, same, other]))
    validated = validate(dataset)
    assert finding(validated, "repeated row for one query_id and vlm").count == 1
    assert finding(validated, "conflicting rows for one query_id and vlm").count == 2
    assert validated.report.outcomes_kept == 23
    assert_all_rows_accounted_for(dataset, validated)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [([None], "boolean"), ([2], "int64"), ([0.5], "float64"), (["maybe"], object), ([[1]], object), ([None], object)],
)
def test_no_verdict(make_dataset: MakeDataset, column: list[Any], dtype: Any) -> None:
    dataset = make_dataset()
    correct = pd.Series(column + dataset.outcomes["correct"].astype(object).tolist()[1:], dtype=dtype)
    dataset = replace(dataset, outcomes=dataset.outcomes.assign(correct=correct))
    validated = validate(dataset)
    assert finding(validated, "correct is neither true nor false").count == 1
    assert validated.dataset.outcomes["correct"].dtype == bool
    assert len(validated.dataset.outcomes) == 23
    assert_all_rows_accounted_for(dataset, validated)
    json.dumps(validated.report.to_dict(), allow_nan=False)


@pytest.mark.parametrize("value", [-0.5, float("inf"), float("-inf")])
@pytest.mark.parametrize("column", ["cost_usd", "latency_s"])
def test_impossible_amount(make_dataset: MakeDataset, column: str, value: float) -> None:
    dataset = make_dataset()
    amounts = [value, None] + [1.0] * 22
    dataset = replace(dataset, outcomes=dataset.outcomes.assign(**{column: amounts}))
    validated = validate(dataset)
    assert finding(validated, f"{column} is negative or infinite").count == 1
    assert validated.report.outcomes_kept == 23
    assert_all_rows_accounted_for(dataset, validated)
    json.dumps(validated.report.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("column", "wrong", "right"),
    [("score", [-0.1, 1.1, float("inf")], [0.0, 1.0, 0.5]), ("propensity", [0.0, 1.01, -1.0], [1e-9, 1.0, 0.5])],
)
def test_shares(make_dataset: MakeDataset, column: str, wrong: list[float], right: list[float]) -> None:
    dataset = make_dataset()
    dataset = replace(dataset, outcomes=dataset.outcomes.assign(**{column: [*wrong, *right, None] + [0.5] * 17}))
    validated = validate(dataset)
    shares = {"score": "[0, 1]", "propensity": "(0, 1]"}[column]
    assert finding(validated, f"{column} is not in {shares}").count == 3
    kept = validated.dataset.outcomes[column]
    assert kept[:3].tolist() == right
    assert kept.isna().tolist() == [False] * 3 + [True] + [False] * 17
    assert_all_rows_accounted_for(dataset, validated)
    json.dumps(validated.report.to_dict(), allow_nan=False)


def test_query_without_outcome(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    dataset = replace(dataset, outcomes=dataset.outcomes[dataset.outcomes["query_id"] != "q005"])
    validated = validate(dataset)
    assert validated.set_aside_queries["reason"].tolist() == ["query without outcome"]
    assert_all_rows_accounted_for(dataset, validated)


def test_images_of_queries_set_aside_do_not_count(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(2)
    dataset = replace(dataset, outcomes=dataset.outcomes.iloc[:0])
    validated = validate(dataset)
    assert validated.image_sha256 == {}
    assert validated.report.distinct_images == 0
    assert validated.report.share_missing["small"] == 1


def test_profile_without_outcome_is_only_noted(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    dataset = replace(dataset, vlms=(*dataset.vlms, VlmProfile(name="silent", access="free")))
    validated = validate(dataset, strict=True)
    found = finding(validated, "profile without outcome")
    assert (found.table, found.count, found.rows, found.set_aside) == ("vlms", 1, ({"name": "silent"},), False)
    assert validated.report.share_missing == {"small": 0, "large": 0, "newer": 0, "silent": 1}
    assert "vlms: 1 noted: profile without outcome" in validated.report.text()


def test_probabilities_follow_their_queries(make_dataset: MakeDataset) -> None:
    dataset = with_query(make_dataset(simulated=True), 1, task="")
    validated = validate(dataset)
    assert validated.dataset.probabilities is not None
    assert set(validated.dataset.probabilities["query_id"]) == set(validated.dataset.queries["query_id"])


def test_each_row_has_the_reason_of_the_first_check_it_failed(make_dataset: MakeDataset) -> None:
    validated = validate(with_query(make_dataset(), 1, task="", images=("gone.png",)))
    assert validated.set_aside_queries["reason"].tolist() == ["no task"]


def test_report(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(16)
    for row in range(7):
        dataset = with_query(dataset, row, task="", answer="long " * 40)
    report = validate(dataset).report
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["queries"] == {"kept": 9, "set_aside": 7}
    assert data["outcomes"] == {"kept": 27, "set_aside": 21}
    assert data["vlms"]["small"] == {"outcomes": 9, "share_missing": 0}
    blank = data["findings"][0]
    assert (blank["kind"], blank["table"], blank["count"], blank["set_aside"]) == ("no task", "queries", 7, True)
    assert [row["query_id"] for row in blank["rows"]] == [f"q{i:03d}" for i in range(5)]
    assert blank["rows"][0]["answer"] == "long " * 40
    lines = report.text().splitlines()
    assert lines[0] == "queries: 9 kept, 7 set aside"
    assert "VLM small: 9 outcomes, 0.0% of the queries missing" in lines
    assert "queries: 7 set aside: no task; fill in the task column" in lines
    assert all(len(line) < 400 for line in lines)


def test_strict_raises_with_the_report(make_dataset: MakeDataset) -> None:
    dataset = with_query(make_dataset(), 1, task="")
    with pytest.raises(ArmsError) as caught:
        validate(dataset, strict=True)
    text = str(caught.value)
    assert text.startswith(
        f"{dataset.folder}: expected every row to be usable (strict), but some are not; correct them"
    )
    assert validate(dataset).report.text() in text


def test_row_order_and_index_do_not_matter(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    shuffled = replace(dataset, outcomes=dataset.outcomes.iloc[::-1], queries=dataset.queries.iloc[::-1])
    validated = validate(shuffled, strict=True)
    assert validated.dataset.queries["query_id"].tolist() == dataset.queries["query_id"].tolist()[::-1]
    assert validated.dataset.queries.index.tolist() == list(range(8))


def test_missing_column(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    with pytest.raises(ArmsError, match=r"source/queries\.parquet: column 'task' is missing"):
        validate(replace(dataset, queries=dataset.queries.drop(columns="task")))


def test_no_rows_at_all(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    validated = validate(replace(dataset, queries=dataset.queries.iloc[:0], outcomes=dataset.outcomes.iloc[:0]))
    assert validated.report.queries_kept == 0


def test_headers_alone_are_read_where_that_will_do(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    image = dataset.folder / "images/000.png"
    image.write_bytes(image.read_bytes()[:45])  # the header is whole, the pixels are not
    assert validate(dataset, strict=True, decode=False).report.queries_kept == 8
    assert finding(validate(dataset), "unreadable image").count == 2


def test_a_checker_of_ones_own(make_dataset: MakeDataset) -> None:
    """It receives the references of the usable rows, each once, and may report problems that files do not have."""
    names = [("a",), ("a",), ("b",), ("e", "c"), ("d", "b"), ("e", "a"), None, ("f", "f"), ()]
    dataset = make_dataset(9)
    dataset = replace(dataset, queries=dataset.queries.assign(images=pd.Series(names)))
    asked: list[str] = []

    def check(references: Sequence[str]) -> dict[str, ImageCheck]:
        asked.extend(references)
        problems = {"b": "image on the web", "c": "image behind a wall", "d": "too many colours"}
        return {
            name: ImageCheck(problem=problems[name], detail=f"see {name}")
            if name in problems
            else ImageCheck(sha256=f"hash of {name}")
            for name in references
        }

    validated = validate(dataset, checker=check)
    assert asked == ["a", "b", "e", "c", "d", "f"]
    assert validated.image_sha256 == {name: f"hash of {name}" for name in ("a", "e", "f")}
    assert validated.set_aside_queries["reason"].tolist() == [
        "image on the web: see b",
        "image behind a wall: see c",
        "too many colours: see d",
        "image unknown",
    ]
    assert finding(validated, "image behind a wall").advice == "replace the image, or remove its queries"
    assert_all_rows_accounted_for(dataset, validated)


def test_findings_of_the_source_open_the_report(make_dataset: MakeDataset) -> None:
    dataset = with_query(make_dataset(), 1, task="")
    odd = Finding("odd row", "source", 3, ({"where": "line 2", "detail": None},), "look at it", set_aside=False)
    report = validate(dataset, source_findings=(odd,)).report
    assert [found.kind for found in report.findings] == ["odd row", "no task", "query set aside"]
    assert "source: 3 noted: odd row; look at it\n    where='line 2'" in report.text()
    assert report.to_dict()["findings"][0]["rows"] == [{"where": "line 2", "detail": None}]


def test_strict_counts_what_was_set_aside_before(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    odd = Finding("odd row", "source", 3, (), "look at it")
    assert validate(dataset, strict=True, source_findings=(replace(odd, set_aside=False),)).report.findings
    with pytest.raises(ArmsError, match="source: 3 set aside: odd row; look at it"):
        validate(dataset, strict=True, source_findings=(odd,))


def test_what_is_set_aside_can_be_written(make_dataset: MakeDataset, tmp_path: Path) -> None:
    """Verdicts of several types in one column, set aside for several reasons."""
    dataset = make_dataset()
    correct = pd.Series(["maybe", [1], True, 0.5, *[True] * 20], dtype=object)
    outcomes = dataset.outcomes.assign(correct=correct)
    outcomes.loc[2, "vlm"] = "unheard"
    validated = validate(replace(dataset, outcomes=outcomes))
    write_table(validated.set_aside_outcomes, tmp_path / "set_aside.parquet")
    assert pd.read_parquet(tmp_path / "set_aside.parquet")["correct"].tolist() == ["maybe", "[1]", "True", "0.5"]


def with_images(dataset: OutcomeTables, **lists: Any) -> OutcomeTables:
    """The dataset with the images of some queries changed, by their ids."""
    images = [
        lists.get(name, of) for name, of in zip(*(dataset.queries[c] for c in ("query_id", "images")), strict=True)
    ]
    return replace(dataset, queries=dataset.queries.assign(images=pd.Series(images, dtype=object)))


@pytest.mark.parametrize("images", [None, ("",), ("images/000.png", " \t\n"), (" ", "gone.png")])
def test_images_that_nobody_knows(make_dataset: MakeDataset, images: tuple[str, ...] | None) -> None:
    dataset = with_images(make_dataset(), q001=images)
    validated = validate(dataset)
    assert validated.set_aside_queries["query_id"].tolist() == ["q001"]
    assert validated.set_aside_queries["reason"].tolist() == ["image unknown"]
    assert finding(validated, "image unknown").advice == (
        "fill in the images column; an empty list where no image was sent"
    )
    assert validated.report.outcomes_set_aside == 3
    assert_all_rows_accounted_for(dataset, validated)


def test_an_older_table_without_an_image(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    texts = dataset.queries["images"].str[0].astype("str").where(dataset.queries["query_id"] != "q001")
    validated = validate(replace(dataset, queries=dataset.queries.drop(columns="images").assign(image=texts)))
    assert validated.set_aside_queries["reason"].tolist() == ["image unknown"]
    assert validated.dataset.queries["images"].tolist() == [(text,) for text in texts.dropna()]


def test_words_without_a_picture(make_dataset: MakeDataset) -> None:
    dataset = with_images(make_dataset(), q001=(), q004=())
    validated = validate(dataset, strict=True)
    assert validated.dataset.queries["images"].iloc[[1, 4]].tolist() == [(), ()]
    found = finding(validated, "query without an image")
    assert (found.count, found.set_aside, found.rows) == (2, False, ({"query_id": "q001"}, {"query_id": "q004"}))
    assert validated.report.distinct_images == 4


@pytest.mark.parametrize("question", [None, "", " \t\n"])
def test_neither_question_nor_image(make_dataset: MakeDataset, question: str | None) -> None:
    dataset = with_query(with_images(make_dataset(), q001=()), 1, question=question)
    validated = validate(dataset)
    assert validated.set_aside_queries["reason"].tolist() == ["neither question nor image"]
    assert finding(validated, "neither question nor image").advice == "fill in one of both, or remove the query"
    assert_all_rows_accounted_for(dataset, validated)


def test_no_query_has_an_image(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    validated = validate(replace(dataset, queries=dataset.queries.assign(images=pd.Series([()] * 8))), strict=True)
    assert validated.report.distinct_images == 0
    assert (validated.image_sha256, finding(validated, "query without an image").count) == ({}, 8)


def test_one_bad_image_of_several_sets_the_query_aside(make_dataset: MakeDataset) -> None:
    """The first bad one is named, and the good ones that no other query has do not count."""
    dataset = make_dataset()
    (dataset.folder / "own.png").write_bytes((dataset.folder / "images/000.png").read_bytes() + b" ")
    dataset = with_images(dataset, q001=("own.png", "gone.png", "lost.png"), q002=("images/001.png", "images/000.png"))
    validated = validate(dataset)
    (reason,) = validated.set_aside_queries["reason"]
    assert reason.startswith("missing image file: gone.png")
    assert validated.set_aside_queries["images"].tolist() == [("own.png", "gone.png", "lost.png")]
    assert set(validated.image_sha256) == {f"images/00{number}.png" for number in range(4)}
    assert validated.dataset.queries["images"].iloc[1] == ("images/001.png", "images/000.png")
    assert finding(validated, "missing image file").rows[0]["images"] == ["own.png", "gone.png", "lost.png"]
    assert_all_rows_accounted_for(dataset, validated)


def test_rows_of_one_query_with_other_images_disagree(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    for images, reason in (
        (("images/000.png",), "repeated row for one query_id"),
        (("images/000.png", "images/001.png"), "conflicting rows for one query_id"),
        ((), "conflicting rows for one query_id"),
    ):
        row = dataset.queries.iloc[[0]].assign(images=pd.Series([images]))
        doubled = replace(dataset, queries=pd.concat([dataset.queries, row]))
        reasons = validate(doubled).set_aside_queries["reason"].tolist()
        assert set(reasons) == {reason}, images
