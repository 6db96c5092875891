import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.records.records_importer import RecordsImporter
from tests.importers.helpers import Imported, load_log
from tests.importers.logs.csv import queries, write_images, write_log, write_rows, write_wide
from tests.importers.logs.m2 import write_lines, write_parquet
from tests.importers.logs.vlmevalkit import write_json, write_sheet

Import = Callable[..., Imported]
NESTED = {"question_column": "doc.question", "answer_column": "doc.gold.text", "image_column": "doc.image"}


@pytest.fixture
def load(tmp_path: Path) -> Import:
    return lambda *sources, **settings: load_log(tmp_path / "out", RecordsImporter(**settings), *sources)


def nested(number: int, **more: Any) -> dict[str, Any]:
    """A row whose question is in a document of its own."""
    document = {"question": f"Q{number}?", "image": f"images/{number}.png", "gold": {"text": "4"}}
    return {"query_id": number, "doc": document, "vlm": "a", "correct": 1, **more}


@pytest.mark.parametrize(
    ("write", "suffix"),
    [
        (write_rows, "csv"),
        (write_sheet, "xlsx"),
        (write_json, "json"),
        (write_lines, "jsonl"),
        (write_parquet, "parquet"),
    ],
)
def test_every_kind_of_file_gives_the_same_tables(load: Import, tmp_path: Path, write: Any, suffix: str) -> None:
    expected = load(*write_log(tmp_path))
    described = {row["query_id"]: row for row in queries()}
    rows = [{**described[row["query_id"]], **row} for row in expected.outcomes]
    found = load(write(tmp_path / f"t.{suffix}", [{**row, "correct": int(row["correct"])} for row in rows]))
    formula = "=1+1" if suffix != "xlsx" else found.queries[3]["question"]
    assert formula == "=1+1", "its own text, and no value"
    assert (found.queries, found.outcomes) == (expected.queries, expected.outcomes)


@pytest.mark.parametrize(
    ("write", "suffix"), [(write_json, "json"), (write_lines, "jsonl"), (write_parquet, "parquet")]
)
def test_paths_into_what_nests(load: Import, tmp_path: Path, write: Any, suffix: str) -> None:
    write_images(tmp_path)
    path = write(tmp_path / f"t.{suffix}", [nested(0), nested(1, vlm="b", extra=1) | {"correct": 0}])
    found = load(path, **NESTED)
    assert found.right == {("Q0?", "a"): True, ("Q1?", "b"): False}
    assert found.column("answer") == ["4", "4"]
    assert found.kinds == ({"fields that are not read": 1} if suffix != "parquet" else {})
    with pytest.raises(
        ArmsError,
        match=r"expected columns 'doc\.question', 'doc\.image', got 'doc', .* these are: --question-col",
    ):
        load(write_lines(tmp_path / "t.jsonl", [{"doc": 5, "question": "?", "vlm": "a", "correct": 1}]), **NESTED)
    plain = write_lines(
        tmp_path / "t.jsonl", [{"doc.question": "Plain?", "image": "images/0.png", "vlm": "a", "correct": 1}]
    )
    assert load(plain, question_column="doc.question").right == {("Plain?", "a"): True}, "a column may have such a name"


def test_a_sheets_cells_become_texts(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    row = {
        "query_id": 7,
        "question": 2024,
        "image": "images/0.png",
        "answer": date(2025, 3, 1),
        "vlm": 4,
        "correct": True,
    }
    others = [{**row, "query_id": 8, "answer": "#N/A"}, {**row, "query_id": 9, "answer": "half _xD800_"}]
    found = load(write_sheet(tmp_path / "t.xlsx", [row, *others]))
    assert [(query["query_id"], query["question"], query["answer"]) for query in found.queries] == [
        ("7", "2024", "2025-03-01"),
        ("8", "2024", None),
        ("9", "2024", "half ?"),
    ]
    assert found.right == {("2024", "4"): True}


def test_wide_json(load: Import, tmp_path: Path) -> None:
    write_images(tmp_path)
    rows = [{**row, "a": number % 2, "b": True} for number, row in enumerate(queries())]
    found = load(write_json(tmp_path / "t.json", rows), verdict=("a=a", "b=b"))
    assert len(found.outcomes) == 12
    assert sum(row["correct"] for row in found.outcomes) == 9
    assert load(write_wide(tmp_path), verdict=("x=gpt-4o ok",)).right.keys() >= {(queries()[0]["question"], "x")}


def test_folders(load: Import, tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    (tmp_path / "log/outcomes.csv").rename(tmp_path / "log/caf\udce9.csv")  # no UTF-8
    (tmp_path / "log/readme.md").write_text("left alone")
    (tmp_path / "log/z.json").write_text("{")
    (tmp_path / "log/z.xlsx").write_bytes(b"PK broken")
    found = load(tmp_path / "log")
    assert len(found.outcomes) == 17
    assert found.kinds == {"file that cannot be read": 2}
    with pytest.raises(ArmsError, match=r"z\.json: expected JSON in UTF-8, could not read it"):
        load(tmp_path / "log/z.json")
    with pytest.raises(ArmsError, match=r"readme\.md: expected a file of rows \(\.csv, .*, got \.md"):
        load(tmp_path / "log/readme.md")
    (tmp_path / "log/notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "log/summary.json").write_text(json.dumps({"gpt-4o": {"accuracy": 0.5}}))
    found = load(tmp_path / "log")
    assert found.kinds == {"file that cannot be read": 2, "file without the columns of queries or outcomes": 2}
    assert len(found.outcomes) == 17
    (tmp_path / "log/queries.csv").write_text(json.dumps({}))
    with pytest.raises(ArmsError, match=r"queries\.csv: expected a header of several columns"):
        load(tmp_path / "log/queries.csv")
