import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from arms.data.tables import (
    QUERIES,
    OutcomeTables,
    conform,
    is_in,
    parse_verdicts,
    places_in,
    read_dataset,
    write_dataset,
)
from arms.errors import ArmsError

MakeDataset = Callable[..., OutcomeTables]


@pytest.fixture
def folder(make_dataset: MakeDataset) -> Path:
    """A dataset folder with tables and images."""
    dataset = make_dataset(simulated=True)
    write_dataset(dataset, dataset.folder)
    return dataset.folder


def rewrite(folder: Path, table: str, **columns: Any) -> None:
    """Write one table again with columns changed, or left out where None."""
    frame = pd.read_parquet(folder / f"{table}.parquet").assign(**{k: v for k, v in columns.items() if v is not None})
    frame = frame.drop(columns=[name for name, value in columns.items() if value is None])
    frame.to_parquet(folder / f"{table}.parquet")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_round_trip(make_dataset: MakeDataset, folder: Path, tmp_path: Path) -> None:
    dataset = read_dataset(folder)
    original = make_dataset(folder="again", simulated=True)
    assert dataset.folder == folder
    assert dataset.vlms == original.vlms
    assert dataset.queries["answer"].isna().tolist() == original.queries["answer"].isna().tolist()
    assert_frame_equal(dataset.queries, original.queries, check_dtype=False)
    assert_frame_equal(dataset.outcomes, original.outcomes, check_dtype=False)
    assert dataset.outcomes["correct"].dtype == bool
    assert dataset.probabilities is not None
    write_dataset(dataset, tmp_path / "copy")
    assert bytes_of(tmp_path / "copy") == bytes_of(folder)


def test_same_content_in_other_types_gives_the_same_bytes(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset()
    queries = dataset.queries.astype({"task": "category"}).set_index("query_id", drop=False)
    outcomes = dataset.outcomes.astype({"correct": "int64", "vlm": "category"})
    other = replace(dataset, queries=queries, outcomes=outcomes)
    write_dataset(dataset, tmp_path / "a")
    write_dataset(other, tmp_path / "b")
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_writing_keeps_images_and_drops_old_probabilities(folder: Path) -> None:
    dataset = read_dataset(folder)
    write_dataset(replace(dataset, probabilities=None), folder)
    assert read_dataset(folder).probabilities is None
    assert len(list((folder / "images").iterdir())) == 4


def test_scores_and_propensities(folder: Path, tmp_path: Path) -> None:
    shares = {"score": [0.25, None] * 12, "propensity": [1.0] * 24}
    rewrite(folder, "outcomes", **shares)
    dataset = read_dataset(folder)
    assert list(dataset.outcomes)[-2:] == ["score", "propensity"]
    assert_frame_equal(dataset.outcomes[[*shares]], pd.DataFrame(shares))
    write_dataset(dataset, tmp_path / "copy")
    assert_frame_equal(read_dataset(tmp_path / "copy").outcomes, dataset.outcomes)


@pytest.mark.parametrize("dtype", ["int64", "float64", "uint8", "bool", "boolean", "Int64"])
def test_correct_as_zeros_and_ones(folder: Path, dtype: str) -> None:
    expected = read_dataset(folder).outcomes["correct"]
    rewrite(folder, "outcomes", correct=expected.astype(dtype))
    assert_frame_equal(read_dataset(folder).outcomes[["correct"]], expected.to_frame())


@pytest.mark.parametrize("dtype", ["boolean", "Int64", "float64", "object"])
def test_null_correct_stays_visible(folder: Path, dtype: str) -> None:
    correct = pd.Series([None, *read_dataset(folder).outcomes["correct"][1:]], dtype="boolean").astype(dtype)
    rewrite(folder, "outcomes", correct=correct)
    read = read_dataset(folder).outcomes["correct"]
    assert read.dtype == "boolean"
    assert read.isna().tolist() == [True] + [False] * (len(read) - 1)


def test_numbers_that_are_no_verdict_stay_visible(folder: Path) -> None:
    rewrite(folder, "outcomes", correct=[0.5, 1.0] + [0.0] * 22)
    assert read_dataset(folder).outcomes["correct"].tolist()[:2] == [0.5, 1.0]


def test_parse_verdicts() -> None:
    mixed = pd.Series([True, 0, 1.0, "yes", None, 2, np.True_, float("nan"), [1]], dtype=object)
    assert parse_verdicts(mixed).tolist() == [True, False, True, pd.NA, pd.NA, pd.NA, True, pd.NA, pd.NA]
    assert parse_verdicts(pd.Series([1, 0, 3])).tolist() == [True, False, pd.NA]


def test_is_in() -> None:
    column = pd.concat([pd.Series(["a", None], dtype="str"), pd.Series(["b"], dtype="str")])
    assert is_in(column, ["b", "c"]).tolist() == [False, False, True]
    assert is_in(column, column).tolist() == [True, False, True]
    assert is_in(column, []).tolist() == [False] * 3
    assert is_in(column[:0], ["a"]).tolist() == []


def test_places_in() -> None:
    column = pd.Series(["a", None, "c", "a"], dtype="str")
    assert places_in(column, ["c", "b", "a"]).tolist() == [2, -1, 0, 2]
    assert places_in(column, pd.Series(["a", None], dtype="str")).tolist() == [0, -1, -1, 0]
    assert places_in(column, []).tolist() == [-1] * 4
    assert places_in(pd.concat([column, column]), ["c"]).tolist() == [-1, -1, 0, -1] * 2


def test_equal_lists_of_images_are_held_once() -> None:
    frame = pd.DataFrame({"images": [["a.png", "b.png"], None, ["a.png", "b.png"]]})
    for name in ("query_id", "benchmark", "task", "language", "question", "answer"):
        frame[name] = "x"
    first, unknown, again = conform(frame, QUERIES, "here")["images"]
    assert first is again
    assert unknown is None


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match=r"none: expected a dataset folder with queries\.parquet.*got no such folder"):
        read_dataset(tmp_path / "none")


@pytest.mark.parametrize("file", ["queries.parquet", "outcomes.parquet", "vlms.yaml"])
def test_missing_file(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ArmsError, match=rf"{file}: expected .*, got no such file"):
        read_dataset(folder)


def test_not_parquet(folder: Path) -> None:
    (folder / "queries.parquet").write_text("query_id,benchmark\n")
    with pytest.raises(ArmsError, match=r"queries\.parquet: expected a Parquet file with .*, could not read it"):
        read_dataset(folder)


def test_text_that_is_not_utf8(folder: Path) -> None:
    table = pq.read_table(folder / "queries.parquet")
    broken = pa.array([b"\xff\xfe"] * len(table), type=pa.binary()).view(pa.string())
    table = table.set_column(table.schema.get_field_index("question"), "question", broken)
    pq.write_table(table, folder / "queries.parquet")
    with pytest.raises(ArmsError, match=r"queries\.parquet: expected a Parquet file with .*, could not read it.*UTF8"):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        ("queries", {"question": None}, "queries.parquet: column 'question' is missing; expected query_id, benchmark"),
        (
            "outcomes",
            {"vlm": None},
            "outcomes.parquet: column 'vlm' is missing; expected query_id, vlm, correct, got q",
        ),
        ("probabilities", {"probability": None}, "probabilities.parquet: column 'probability' is missing"),
        (
            "queries",
            {"query_id": 3},
            "queries.parquet, column 'query_id': expected text (a string column), got integer",
        ),
        ("queries", {"answer": 3.5}, "queries.parquet, column 'answer': expected text (a string column), got floating"),
        (
            "queries",
            {"images": None, "image": b"x"},
            "queries.parquet, column 'image': expected text (a string column), got bytes",
        ),
        ("queries", {"images": None}, "queries.parquet: column 'images' is missing; expected query_id, benchmark"),
        (
            "queries",
            {"images": "a.png"},
            "queries.parquet, column 'images': expected lists of texts (a list<string> column), got 'a.png' in row 0",
        ),
        (
            "outcomes",
            {"correct": "yes"},
            "column 'correct': expected true or false (a bool column, or integers 0 and 1)",
        ),
        ("outcomes", {"cost_usd": "3"}, "column 'cost_usd': expected numbers (a float column), got string (str)"),
        ("outcomes", {"latency_s": True}, "column 'latency_s': expected numbers (a float column), got boolean (bool)"),
        (
            "probabilities",
            {"probability": 1.5},
            "column 'probability': expected values in [0, 1], got 1.5 in row 0 (24 ",
        ),
        ("probabilities", {"probability": float("nan")}, "expected values in [0, 1], got nan in row 0 (24 such rows)"),
        (
            "probabilities",
            {"vlm": "small"},
            "expected one row per query_id and vlm, got several for 'q000', 'small' (16",
        ),
    ],
)
def test_column_errors(folder: Path, table: str, columns: dict[str, Any], message: str) -> None:
    rewrite(folder, table, **columns)
    with pytest.raises(ArmsError) as caught:
        read_dataset(folder)
    assert message in str(caught.value)


def test_writing_checks_too(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset()
    with pytest.raises(ArmsError, match="column 'question' is missing"):
        write_dataset(replace(dataset, queries=dataset.queries.drop(columns="question")), tmp_path / "out")
    with pytest.raises(ArmsError, match="expected one entry per VLM name, got several for 'small'"):
        write_dataset(replace(dataset, vlms=dataset.vlms * 2), tmp_path / "out")


def test_columns_without_any_value(folder: Path) -> None:
    rewrite(folder, "queries", answer=pd.Series([None] * 8, dtype=object))
    rewrite(folder, "outcomes", output=pd.Series([None] * 24, dtype=object), latency_s=float("nan"))
    dataset = read_dataset(folder)
    assert dataset.queries["answer"].dtype == "str"
    assert dataset.outcomes[["output", "latency_s"]].isna().all(axis=None)


def test_unknown_columns_are_left_out_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rewrite(folder, "outcomes", cost=1.0)
    with caplog.at_level(logging.WARNING, logger="arms"):
        assert "cost" not in read_dataset(folder).outcomes
    assert "outcomes.parquet: left out unknown columns cost; known: query_id, vlm, correct, output" in caplog.text


def test_folder_named_like_a_partition(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(folder="benchmark=other")
    write_dataset(dataset, dataset.folder)
    assert set(read_dataset(dataset.folder).queries["benchmark"]) == {"counting", "reading"}


def test_no_columns_at_all() -> None:
    with pytest.raises(ArmsError, match=r"here: column 'query_id' is missing; expected .*, got no columns"):
        conform(pd.DataFrame(), QUERIES, "here")


LISTS = [("a.png",), ("a.png", "b.png"), (), None, ("c.png",) * 3, (), ("a.png",), ("b.png", "")]


@pytest.mark.parametrize("lists", [LISTS, [()] * 8, [(), None] * 4, [None] * 8, [("a.png",)] * 8])
def test_lists_of_images_come_back_as_they_were(make_dataset: MakeDataset, tmp_path: Path, lists: list[Any]) -> None:
    dataset = make_dataset()
    dataset = replace(dataset, queries=dataset.queries.assign(images=pd.Series(lists, dtype=object)))
    write_dataset(dataset, tmp_path / "out")
    read = read_dataset(tmp_path / "out")
    assert [None if one is None else one for one in read.queries["images"]] == lists
    write_dataset(read, tmp_path / "again")
    assert bytes_of(tmp_path / "again") == bytes_of(tmp_path / "out")
    stored = pq.read_schema(tmp_path / "out/queries.parquet").field("images").type
    assert stored == (pa.null() if lists == [None] * 8 else pa.list_(pa.string()))


@pytest.mark.parametrize("kind", ["lists", "arrays", "categories"])
def test_lists_of_other_types(make_dataset: MakeDataset, folder: Path, kind: str) -> None:
    lists = [["a", "b"], ["c"]] * 4
    made = {
        "lists": lambda: pd.Series(lists),
        "arrays": lambda: pd.Series([np.array(one) for one in lists]),
        "categories": lambda: pd.Series([tuple(one) for one in lists]).astype("category"),
    }[kind]()
    frame = make_dataset(folder="other").queries.assign(images=made)
    assert conform(frame, QUERIES, "here")["images"].tolist() == [("a", "b"), ("c",)] * 4


def test_an_older_column_of_one_image_each_is_read_as_lists(folder: Path) -> None:
    """A null stays one: nobody knows whether there was an image."""
    expected = read_dataset(folder).queries
    texts = pd.Series(["a.png", None, "", *expected["images"].str[0][3:]], dtype="str")
    rewrite(folder, "queries", images=None, image=texts)
    read = read_dataset(folder).queries
    assert list(read) == list(expected)
    assert read["images"].tolist() == [("a.png",), None, ("",), *expected["images"][3:]]
    rewrite(folder, "queries", image=texts.astype("category"))
    assert_frame_equal(read_dataset(folder).queries, read)


def test_of_both_columns_the_lists_count(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = read_dataset(folder).queries["images"].tolist()
    rewrite(folder, "queries", image="other.png")
    with caplog.at_level(logging.WARNING, logger="arms"):
        assert read_dataset(folder).queries["images"].tolist() == expected
    assert "left out unknown columns image" in caplog.text


def test_a_null_in_a_list_is_a_path_that_is_missing(folder: Path) -> None:
    rewrite(folder, "queries", images=pd.Series([["a.png", None]] * 8))
    assert read_dataset(folder).queries["images"].tolist() == [("a.png", "")] * 8


@pytest.mark.parametrize("value", [[1, 2], [["a"]], 5, {"a": 1}])
def test_lists_that_hold_no_texts(make_dataset: MakeDataset, value: Any) -> None:
    frame = make_dataset().queries.assign(images=pd.Series([("a",), *([value] * 7)], dtype=object))
    with pytest.raises(ArmsError) as caught:
        conform(frame, QUERIES, "here")
    expected = "here, column 'images': expected lists of texts (a list<string> column), got "
    assert str(caught.value) == f"{expected}{value!r} in row 1"
