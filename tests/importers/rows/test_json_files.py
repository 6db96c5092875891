import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.rows.json_files import parse_json, read_json
from arms.importers.rows.reader import open_table
from arms.importers.rows.table import open_file
from arms.importers.set_aside import SetAside


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_rows(path: Path, aside: SetAside) -> list[Any]:
    with open_table(path, aside, suffix=path.suffix or ".jsonl") as table:
        return list(table.rows())


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, null]}', {"a": [1, None]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),  # with a byte order mark
        ('["Bär", "\\u00e9"]'.encode(), ["Bär", "é"]),
        (b'"\\ud83d\\ude00"', "😀"),
        (b"[1e400, -0.0]", [math.inf, -0.0]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_json(tmp_path: Path, content: bytes, value: Any) -> None:
    assert read_json(write(tmp_path / "a.json", content)) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "could not read it: Expecting value: line 1 column 1"),
        (b'{"a": [1, 2', r"could not read it: Expecting ',' delimiter"),
        (b"{'a': 1}", "could not read it: Expecting property name"),
        (b'["caf\xe9"]', "could not read it: 'utf-8' codec can't decode byte 0xe9 in position 5"),
        (b"\xff\xfe[\0]\0", "could not read it: 'utf-8' codec can't decode byte 0xff"),
        (b"[1] [2]", "could not read it: Extra data"),
        (b"[" * 100_000, "could not read it: lists and objects are nested too deep"),
        (b'{"a":' * 990 + b"1" + b"}" * 990, "could not read it: lists and objects are nested too deep"),
        (b"9" * 5000, "could not read it: Exceeds the limit"),
    ],
)
def test_broken_json(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ArmsError, match=rf"a\.json: expected JSON in UTF-8, {message}"):
        read_json(write(tmp_path / "a.json", content))


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"[]", dict, r"a\.json: expected a JSON object, got array"),
        (b"{}", list, "expected a JSON array, got object"),
        (b"null", (dict, list), "expected a JSON object or array, got null"),
        (b"true", dict, "expected a JSON object, got boolean"),
        (b"0.5", list, "expected a JSON array, got number"),
        (b'"a"', list, "expected a JSON array, got string"),
    ],
)
def test_another_kind_of_json(tmp_path: Path, content: bytes, kind: Any, message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        read_json(write(tmp_path / "a.json", content), kind)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    for path, reason in (
        (tmp_path, "expected a file, got a folder"),
        (tmp_path / "pipe", "expected a file, got a pipe or device"),
        (Path("/dev/zero"), "expected a file, got a pipe or device"),
        (tmp_path / "dangling", "No such file or directory"),
        (tmp_path / "gone", "No such file or directory"),
        (tmp_path / "gone" / "a", "No such file or directory"),
        (tmp_path / ("n" * 300), "File name too long"),
    ):
        with pytest.raises(OSError, match=reason):
            open_file(path)
        with pytest.raises(ArmsError, match=f"expected JSON in UTF-8, could not read it: {reason}$"):
            read_json(path)
        with pytest.raises(ArmsError, match=f"expected JSON Lines, could not read the file: {reason}$"):
            read_rows(path.with_suffix(""), SetAside())


def test_a_file_through_a_link(tmp_path: Path) -> None:
    write(tmp_path / "a.json", b"[1]")
    (tmp_path / "link").symlink_to("a.json")
    assert read_json(tmp_path / "link") == [1]


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"a": 1}\r',
        b"",
        b'{"a": 2',
        b"  ",
        b"[3]",
        b'{"a": "caf\xe9"}',
        b'{"a": "\\ud800\xe2\x80\xa8"}',  # half a character, and a line separator that ends no line here
        b"[" * 100_000,
        b'\xef\xbb\xbf{"a": 5}',
        b"null",
        b'{"a": 6}',  # without a line's end
    ]
    path = write(tmp_path / "a.jsonl", b"\n".join(lines))
    aside = SetAside()
    read = read_rows(path, aside)
    assert read == [
        (f"{path}, line 1", {"a": 1}),
        (f"{path}, line 7", {"a": "\ufffd\u2028"}),
        (f"{path}, line 11", {"a": 6}),
    ]
    table = aside.table()
    assert table["where"].tolist() == [f"{path}, line {number}" for number in (3, 5, 6, 8, 9, 10)]
    kinds = ["line that is not JSON"] * 6
    kinds[1] = kinds[5] = "line that is not a JSON object"
    assert table["reason"].tolist() == kinds
    assert table["detail"].tolist()[1::4] == ["array", "null"]
    assert "lists and objects are nested too deep" in table["detail"].tolist()[3]


@pytest.mark.parametrize("content", [b'[{"a": 1}]', b" [\n  {", b"[\n"])
def test_lines_that_are_one_list(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(
        ArmsError, match=r"a\.jsonl: expected JSON Lines, a record on each line, got one list of records"
    ):
        read_rows(write(tmp_path / "a.jsonl", content), SetAside())


@pytest.mark.parametrize("content", ['{\n  "a": 1\n}', '{"q1": {\n"a": 1}}', '{"results": [\n[1,\n2]]}'])
def test_lines_that_are_one_document(tmp_path: Path, content: str) -> None:
    """One line says so, instead of one for each line of the file."""
    aside = SetAside()
    with pytest.raises(
        ArmsError,
        match=r"a\.jsonl: expected JSON Lines, a record on each line, got one JSON document over many lines; end its "
        r"name in \.json, and import it with: arms import records",
    ):
        read_rows(write(tmp_path / "a.jsonl", content), aside)
    assert aside.count == 0


@pytest.mark.parametrize("content", ['{"a": 1\n{"a": 2}\n', '{"a": 1}\n"b"\n{"a": 2}\n', '\n\n{"a": 2}'])
def test_lines_some_of_which_are_broken_are_lines(tmp_path: Path, content: str) -> None:
    assert read_rows(write(tmp_path / "a.jsonl", content), SetAside())[-1][1] == {"a": 2}


def test_a_document_that_is_lines(tmp_path: Path) -> None:
    with pytest.raises(
        ArmsError, match=r"a\.json: expected one JSON document, got JSON Lines, .*; end its name in \.jsonl$"
    ):
        read_rows(write(tmp_path / "a.json", '{"a": 1}\n{"a": 2}\n'), SetAside())


def test_a_document_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arms.importers.rows.json_files._LONGEST", 9)
    assert read_json(write(tmp_path / "a.json", '{"a": 12}')) == {"a": 12}
    with pytest.raises(ArmsError, match=r"a\.json: expected at most 9 bytes of JSON, got more; split it"):
        read_json(write(tmp_path / "a.json", '{"a": 123}'))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ({"q1": {"a": 1}, "q2": {"a": 2, "b": 3}}, [{"key": "q1", "a": 1, "b": None}, {"key": "q2", "a": 2, "b": 3}]),
        ({"q1": {"key": "own", "a": 1}}, [{"key": "own", "a": 1}]),
        ({"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": None}}, [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        ({"model": "m", "seen": [1, 2], "results": [{"a": 1}, {"a": 2}]}, [{"a": 1}, {"a": 2}]),
        ({"results": [{"a": 1}]}, [{"a": 1}]),
    ],
)
def test_documents_that_hold_a_table(tmp_path: Path, content: Any, rows: list[dict[str, Any]]) -> None:
    found = read_rows(write(tmp_path / "t.json", json.dumps(content)), SetAside())
    assert [cells for _, cells in found] == rows


def test_documents_that_hold_several_tables(tmp_path: Path) -> None:
    content = {"train": [{"a": 1}], "test": [{"a": 2}], "n": 2}
    with pytest.raises(ArmsError, match="expected one list of records, got several: train, test; keep one of them"):
        read_rows(write(tmp_path / "t.json", json.dumps(content)), SetAside())


@pytest.mark.parametrize(
    "content",
    [
        [{"index": 1, "hit": True}, {"index": 2, "hit": None, "log": ""}],
        {"columns": ["index", "hit", "log"], "data": [[1, True, float("nan")], [2, None, ""]]},
        {"index": [1, 2], "hit": [True, float("nan")], "log": [None, ""]},
    ],
)
def test_tables(tmp_path: Path, content: Any) -> None:
    path = write(tmp_path / "t.json", json.dumps(content))
    with open_table(path, SetAside()) as table:
        assert table.columns == ("index", "hit", "log")
        assert list(table.rows()) == [
            (f"{path}, record 1", {"index": 1, "hit": True, "log": None}),
            (f"{path}, record 2", {"index": 2, "hit": None, "log": None}),
        ]


def test_records_that_are_none(tmp_path: Path) -> None:
    aside = SetAside()
    for content in ([{"a": 1}, [2], None], {"columns": ["a"], "data": [[1], [1, 2], "x"]}):
        assert [cells for _, cells in read_rows(write(tmp_path / "a.json", json.dumps(content)), aside)] == [{"a": 1}]
    (finding,) = aside.findings()
    assert (finding.kind, finding.count) == ("record that is not an object", 4)
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
def test_broken_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        read_rows(write(tmp_path / "t.json", text), SetAside())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d\ude00"', "😀"),
        (r'"\uD83D\uDE00\ud83d\ude00"', "😀😀"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ude00"', "\ufffd"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (r'"\ud83d\n\ude00"', "\ufffd\n\ufffd"),
        (r'"\\ud83d"', r"\ud83d"),  # an escaped backslash, and letters
        (r'"\\\ud83d"', "\\\ufffd"),
        (r'"\\\\ud83d\\\ude00"', "\\\\ud83d\\\ufffd"),
        (r'{"\udc00": 1}', {"\ufffd": 1}),
        (r'"\u00e9\ud7ff\ue000"', "é\ud7ff\ue000"),
    ],
)
def test_halves_of_surrogate_pairs(text: str, value: Any) -> None:
    assert parse_json(text) == value
    json.dumps(value, ensure_ascii=False).encode()


def test_what_can_be_read_can_be_written() -> None:
    """However deep: what is read down the stack is written from further up."""

    def further_up(frames: int, value: Any) -> None:
        if frames:
            further_up(frames - 1, value)
        else:
            assert json.dumps(value) == repr(value)

    refused = 0
    for depth in range(100, 1100, 5):
        try:
            value = parse_json("[" * depth + "]" * depth)
        except ValueError:
            refused += 1
        else:
            assert not refused
            further_up(50, value)
    assert refused


def test_many_brackets_are_not_deep() -> None:
    assert len(parse_json("[" + "[{}]," * 10_000 + "[]]")) == 10_001
