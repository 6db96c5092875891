import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.set_aside import SetAside
from arms.importers.vlmevalkit.spreadsheets import open_table, text_rows


def read(path: Path, aside: SetAside | None = None) -> tuple[tuple[str, ...], list[tuple[str, dict[str, Any]]]]:
    with open_table(path, aside or SetAside()) as table:
        return table.columns, list(table.rows)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.tsv", "\t"), ("t.TSV", "\t")])
def test_text_files(tmp_path: Path, name: str, delimiter: str) -> None:
    lines = ["\ufeffindex,prediction,", '1,"two\nlines",x', ',,""', "", '2,"a ""quote""",', "3,,"]
    path = write(tmp_path / name, "\n".join(lines).replace(",", delimiter))
    columns, rows = read(path)
    assert columns == ("index", "prediction")
    assert rows == [
        (f"{path}, row 2", {"index": "1", "prediction": "two\nlines"}),
        (f"{path}, row 5", {"index": "2", "prediction": 'a "quote"'}),
        (f"{path}, row 6", {"index": "3", "prediction": None}),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_no_last_one(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "t.csv", end.join(["a,b", "1,2", "3,4"]))
    assert [cells for _, cells in read(path)[1]] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_rows_of_another_width_are_set_aside(tmp_path: Path) -> None:
    aside = SetAside()
    path = write(tmp_path / "t.csv", "a,b\n1\n1,2\n1,2,3\n")
    assert read(path, aside)[1] == [(f"{path}, row 3", {"a": "1", "b": "2"})]
    (finding,) = aside.findings()
    assert finding.kind == "row with another number of cells than the header"
    assert [row["detail"] for row in finding.rows] == ["1 cells, 2 columns", "3 cells, 2 columns"]
    assert finding.rows[1]["where"] == f"{path}, row 4"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a header in the first row, got nothing there"),
        (b"\n\n", "expected a header in the first row"),
        (b"a,a\n1,2\n", "expected columns of different names, got several 'a'"),
        (b"a,b\n1,\xff\n", "after row 0: expected text in UTF-8: invalid start byte; save it so"),
        (b'a,b\n1,"2\n3,4\n', "row 2: expected a quote that closes, got one left open to the end"),
    ],
)
def test_broken_text_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path / "t.csv", content)
    with pytest.raises(ArmsError, match=re.escape(str(path)) + ".*" + re.escape(message)):
        read(path)


def test_cells_of_any_size_up_to_a_limit(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    path = write(tmp_path / "t.tsv", "a\tb\n1\t" + "x" * 200_000 + "\n")
    assert len(read(path)[1][0][1]["b"]) == 200_000  # more than the csv module itself allows
    assert csv.field_size_limit() == before
    with pytest.raises(ArmsError, match=r"after row 1: .*field larger than field limit \(1000\)"):
        list(text_rows(path, "\t", max_cell=1000))
    assert csv.field_size_limit() == before


def test_missing_file_and_other_endings(tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match="expected a text file, could not read it: No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(ArmsError, match=r"t\.pkl: expected a table in \.xlsx, \.csv, \.tsv, \.json, got \.pkl"):
        read(tmp_path / "t.pkl")
    with pytest.raises(ArmsError, match="got no ending"):
        read(tmp_path / "t")


@pytest.mark.parametrize(
    "content",
    [
        [{"index": 1, "hit": True}, {"index": 2, "hit": None, "log": ""}],
        {"columns": ["index", "hit", "log"], "data": [[1, True, float("nan")], [2, None, ""]]},
        {"index": [1, 2], "hit": [True, float("nan")], "log": [None, ""]},
    ],
)
def test_json(tmp_path: Path, content: Any) -> None:
    path = write(tmp_path / "t.json", json.dumps(content))
    columns, rows = read(path)
    assert columns == ("index", "hit", "log")
    assert [(where, cells["index"], cells["hit"], cells.get("log")) for where, cells in rows] == [
        (f"{path}, record 1", 1, True, None),
        (f"{path}, record 2", 2, None, None),
    ]


def test_json_records_that_are_none(tmp_path: Path) -> None:
    aside = SetAside()
    records = write(tmp_path / "a.json", json.dumps([{"a": 1}, [2], None]))
    assert [cells for _, cells in read(records, aside)[1]] == [{"a": 1}]
    rows = write(tmp_path / "b.json", json.dumps({"columns": ["a"], "data": [[1], [1, 2], "x"]}))
    assert [cells for _, cells in read(rows, aside)[1]] == [{"a": 1}]
    (finding,) = aside.findings()
    assert (finding.kind, finding.count) == ("record that is no object", 4)
    assert [row["detail"] for row in finding.rows] == ["list", "NoneType", "list", "str"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "expected JSON"),
        ("3", "expected a JSON"),
        ("[]", r"expected a table in JSON \(records, or lists by column\), got no record"),
        ("[3, null]", "got no record"),
        ("{}", "got another object"),
        ('{"Overall": 0.5}', "got another object"),
        ('{"a": [1, 2], "b": [3]}', "expected columns of one length, got lengths from 1 to 2"),
        ('{"columns": ["a", "a"], "data": []}', "got several 'a'"),
    ],
)
def test_broken_json(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        read(write(tmp_path / "t.json", text))
