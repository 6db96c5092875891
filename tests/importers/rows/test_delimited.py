import codecs
import csv
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.rows.delimited import PLAIN, Dialect
from arms.importers.rows.reader import open_table
from arms.importers.set_aside import SetAside

ASKED = Dialect(has_flags=True)


def read(path: Path, aside: SetAside | None = None, dialect: Dialect = PLAIN, columns: Any = None) -> tuple[Any, ...]:
    with open_table(path, aside or SetAside(), dialect=dialect, suffix=".csv") as table:
        return table.columns, [(where.removeprefix(f"{path}, "), cells) for where, cells in table.rows(columns)]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.txt", ";"), ("t.csv", "|"), ("t.TSV", "\t")])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows(tmp_path: Path, name: str, delimiter: str, end: str) -> None:
    """Blank lines do not count, rows of empty cells do and are left out; the last line needs no end."""
    lines = ["\ufeff", " index ,prediction,", '1,"two\nlines",x', ',,""', "", '2,"a ""quote"" %",', "3,,"]
    columns, rows = read(write(tmp_path / name, end.join(lines).replace(",", delimiter).replace("%", ",")))
    assert columns == ("index", "prediction")
    assert rows == [
        ("row 2", {"index": "1", "prediction": "two\nlines"}),
        ("row 4", {"index": "2", "prediction": 'a "quote" ,'}),
        ("row 5", {"index": "3", "prediction": None}),
    ]


def test_columns_that_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b,b,c\n1,2,3,=4\n")
    assert read(path, columns=["c", "a"])[1] == [("row 2", {"c": "=4", "a": "1"})]
    with pytest.raises(ArmsError, match=r"t\.csv: expected one column 'b', got 2; rename all but one"):
        read(path, columns=["b"])


def test_rows_of_another_width_are_set_aside(tmp_path: Path) -> None:
    aside = SetAside()
    path = write(tmp_path / "t.csv", "a,b\n1\n1,2\n1,2," + "x" * 500 + "\n")
    assert read(path, aside)[1] == [("row 3", {"a": "1", "b": "2"})]
    (finding,) = aside.findings()
    assert finding.kind == "row with another number of cells than the header"
    assert [row["where"] for row in finding.rows] == [f"{path}, row 2", f"{path}, row 4"]
    assert finding.rows[0]["detail"] == "1 cells, the header has 2: '1'"
    assert len(finding.rows[1]["detail"]) < 150


@pytest.mark.parametrize(
    ("content", "dialect"),
    [
        ("a^b\n'é^'^2\n", {"delimiter": "^", "quote": "'"}),
        ("a\tb\né^\t2\n", {}),
        ("a,b\né^,2\n", {"encoding": "utf-16"}),
        ("a,b\né^,2\n", {"encoding": "cp1252"}),
        ("a,b\né^,2\n", {"encoding": "utf-8-sig"}),
    ],
)
def test_dialects(tmp_path: Path, content: str, dialect: dict[str, Any]) -> None:
    path = write(tmp_path / "t.csv", content.encode(dialect.get("encoding", "utf-8")))
    assert read(path, dialect=Dialect(**dialect))[1] == [("row 2", {"a": "é^", "b": "2"})]


def test_quotes_that_are_text(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", 'a\tb\n"Stop" he said\t1\n"\t2\n')
    assert [cells["a"] for _, cells in read(path, dialect=Dialect(quote=""))[1]] == ['"Stop" he said', '"']
    with pytest.raises(ArmsError, match=r"t\.tsv, row 3: expected every quote to be closed, .*; close it$"):
        read(path)
    with pytest.raises(ArmsError, match=r"row 3: expected every quote to be closed, .*text: --quote none"):
        read(path, dialect=ASKED)


OPEN = "expected every quote to be closed, got one that is open to the end"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.csv: expected a header and rows, got an empty file"),
        (b"\xef\xbb\xbf\n\n", "t.csv: expected a header and rows, got an empty file"),
        (b",\n1,2\n", "t.csv: expected a header in the first row, got nothing there"),
        (b"a\n1\n", "t.csv: expected a header of several columns, split by ',' or '\\t' or ';' or '|', got 'a'"),
        (b'a,b\n1,"2\n3,4\n', f"t.csv, row 2: {OPEN}"),
        (b'a,b\n1,"2', f"t.csv, row 2: {OPEN}"),
        (b'a,b\n1,"2\n' * 3, f"t.csv, row 4: {OPEN}"),
        (b'a,"b\n1,2\n', "t.csv, row 1: expected every quote of the header to be closed"),
        (b"a,b\n1,2\n3,\xff4\n", "t.csv, line 3: expected text in utf-8, got the byte 0xff: invalid start byte"),
        (b"a,b\n" + b"1,2\n" * 9000 + b'"\n\n",\xff\n', "t.csv, line 9004: expected text in utf-8, got the byte 0xff"),
        (b"a,\xe9\n", "t.csv, line 1: expected text in utf-8, got the byte 0xe9"),
        (b"a,b\n\xe9", "line 2: expected text in utf-8, got the byte 0xe9: unexpected end of data; name the encoding"),
        (codecs.BOM_UTF16_LE + "a,b".encode("utf-16-le"), "it looks like UTF-16: --encoding"),
        (b"PK\x03\x04\xff\xff", "it looks like a spreadsheet or an archive: export it as CSV"),
        (b"\x1f\x8b\x08\x00", "it looks compressed: unpack it"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ArmsError) as caught:
        read(write(tmp_path / "t.csv", content), dialect=ASKED)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("dialect", "message"),
    [
        ({"delimiter": "ab"}, "^--delimiter: expected one ASCII character, got 'ab'"),
        ({"delimiter": "\n"}, "^--delimiter: expected one ASCII character"),
        ({"quote": "\u201d"}, "^--quote: expected one ASCII character"),
        ({"delimiter": '"'}, "^--delimiter and --quote: expected two characters"),
        ({"encoding": "latin-99"}, "^--encoding: expected the name of a text encoding, .* got 'latin-99'"),
        ({"encoding": "hex"}, "^--encoding: expected the name of a text encoding"),
        ({"encoding": "utf\0"}, "^--encoding: expected the name of a text encoding"),
    ],
)
def test_dialects_that_are_none(dialect: dict[str, Any], message: str) -> None:
    with pytest.raises(ArmsError, match=message):
        Dialect(**dialect)


def test_cells_of_any_size_up_to_a_limit(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    path = write(tmp_path / "t.tsv", "a\tb\n1\t" + "x" * 200_000 + "\n")
    assert len(read(path)[1][0][1]["b"]) == 200_000  # more than the csv module itself allows
    with pytest.raises(
        ArmsError, match=r"row 2: expected cells of at most 1,000 characters, .*if a quote is left open"
    ):
        read(path, dialect=Dialect(max_cell=1000))
    assert csv.field_size_limit() == before


def test_what_is_no_file_of_rows(tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match="expected a CSV file, could not read it: No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(ArmsError, match="expected a CSV file, could not read it: expected a file, got a folder"):
        read(tmp_path)
    for name, ending in (("t.pkl", r"\.pkl"), ("t", "no ending")):
        with pytest.raises(ArmsError, match=rf"{name}: expected a file of rows \(\.csv, .*\.parquet\), got {ending}"):
            open_table(tmp_path / name, SetAside())
