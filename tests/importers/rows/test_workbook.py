import datetime
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.formula import ArrayFormula

from arms.errors import ArmsError
from arms.importers.rows import workbook as workbook_module
from arms.importers.rows.reader import open_table
from arms.importers.rows.table import ErrorCell, Formula, cell_text
from arms.importers.set_aside import SetAside


def save(path: Path, *rows: list[Any], as_text: tuple[str, ...] = ()) -> Path:
    """A workbook of these rows; cells named in `as_text` hold text whatever it looks like."""
    book = Workbook()
    for row in rows:
        book.active.append(row)
    for name in as_text:
        book.active[name].data_type = "s"
    book.save(path)
    return path


def read(path: Path) -> tuple[tuple[str, ...], list[tuple[str, dict[str, Any]]]]:
    with open_table(path, SetAside()) as table:
        return table.columns, list(table.rows())


def cells_of(path: Path) -> list[dict[str, Any]]:
    return [cells for _, cells in read(path)[1]]


def change_part(path: Path, part: str, old: str, new: str) -> Path:
    """Change the XML of one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_cells_of_every_kind(tmp_path: Path) -> None:
    moment = datetime.datetime(2025, 3, 1, 12, 30)
    path = save(
        tmp_path / "t.xlsx",
        ["text", "int", "float", "bool", "date", "moment", "empty"],
        ["14", 14, 0.5, True, datetime.date(2025, 3, 1), moment, None],
    )
    columns, rows = read(path)
    assert columns == ("text", "int", "float", "bool", "date", "moment", "empty")
    assert rows == [
        (
            f"{path}, row 2",
            {
                "text": "14",
                "int": 14,
                "float": 0.5,
                "bool": True,
                "date": datetime.datetime(2025, 3, 1),
                "moment": moment,
                "empty": None,
            },
        )
    ]
    texts = {name: cell_text(cell) for name, cell in rows[0][1].items()}
    assert texts == {
        "text": "14",
        "int": "14",
        "float": "0.5",
        "bool": "True",
        "date": "2025-03-01",
        "moment": "2025-03-01 12:30:00",
        "empty": None,
    }


def test_formulas_keep_their_own_text(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["prediction"], ["=A1+1"], ["=A1+1"], ["- a list"], as_text=("A3",))
    found = [cells["prediction"] for cells in cells_of(path)]
    assert [type(cell) for cell in found] == [Formula, str, str]
    assert [cell_text(cell) for cell in found] == ["=A1+1", "=A1+1", "- a list"]


def test_formula_over_several_cells(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["prediction"])
    book.active["A2"] = ArrayFormula("A2:A3", "=SUM(B2:B3)")
    book.save(tmp_path / "t.xlsx")
    (cells,) = cells_of(tmp_path / "t.xlsx")
    assert isinstance(cells["prediction"], Formula)
    assert cell_text(cells["prediction"]) == "=SUM(B2:B3)"


def test_error_cells_have_no_text(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["a"], ["#N/A"], ["#N/A"], as_text=("A3",))
    found = [cells["a"] for cells in cells_of(path)]
    assert found == ["#N/A", "#N/A"]
    assert [type(cell) for cell in found] == [ErrorCell, str]
    assert [cell_text(cell) for cell in found] == [None, "#N/A"]


def test_dates_out_of_range_are_errors(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["a"], [datetime.date(2025, 3, 1)])
    change_part(path, "xl/worksheets/sheet1.xml", "<v>45717</v>", "<v>99999999999</v>")
    (cells,) = cells_of(path)
    assert isinstance(cells["a"], ErrorCell)


def test_escaped_characters(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["a"], ["one_x000D_\ntwo_x0007_ _x00_"])
    assert cells_of(path) == [{"a": "one\r\ntwo\x07 _x00_"}]


def test_empty_rows_and_columns_without_a_name(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["a", None, "b"], [1, "lost", 2], [None, None, None], [3], [None], ["", None, ""])
    columns, rows = read(path)
    assert columns == ("a", "b")
    assert rows == [(f"{path}, row 2", {"a": 1, "b": 2}), (f"{path}, row 4", {"a": 3, "b": None})]


def test_only_the_first_sheet(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["a"])
    book.active.append([1])
    book.create_sheet("other").append(["b"])
    book.save(tmp_path / "t.xlsx")
    assert cells_of(tmp_path / "t.xlsx") == [{"a": 1}]


def test_size_that_the_file_claims_is_not_believed(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["a", "b"], [1, 2])
    change_part(path, "xl/worksheets/sheet1.xml", 'ref="A1:B2"', 'ref="A1:A1"')
    assert cells_of(path) == [{"a": 1, "b": 2}]


def test_a_sheets_last_row_and_one_beyond(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["a"], [1], [2])
    change_part(path, "xl/worksheets/sheet1.xml", '<row r="3"', '<row r="1048576"')
    assert read(path)[1][1] == (f"{path}, row 1048576", {"a": 2})
    change_part(path, "xl/worksheets/sheet1.xml", '<row r="1048576"', '<row r="99999999999"')
    with pytest.raises(ArmsError, match="expected at most 1,048,576 rows, got one beyond"):
        read(path)


def test_no_header(tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match=r"t\.xlsx: expected a header in the first row, got nothing there"):
        read(save(tmp_path / "t.xlsx", [], [1, 2]))
    with pytest.raises(ArmsError, match="expected a header in the first row"):
        read(save(tmp_path / "t.xlsx"))


def test_columns_that_share_a_name(tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match="expected one column 'hit', got 2"):
        read(save(tmp_path / "t.xlsx", ["hit", "a", " hit "], [1, 2, 3]))


def test_no_sheet(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["a"], [1])
    with zipfile.ZipFile(path) as archive:
        content = archive.read("xl/workbook.xml").decode()
    sheet = content[content.index("<sheet ") : content.index("</sheets>")]
    change_part(path, "xl/workbook.xml", sheet, "")
    with pytest.raises(ArmsError, match="expected a sheet with a table, got a workbook without sheets"):
        read(path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: b"index,prediction\n1,a\n",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-30],
        lambda content: content.replace(b"PK\x03\x04", b"PK\x03\x00"),
    ],
)
def test_broken_files(tmp_path: Path, spoil: Any) -> None:
    path = save(tmp_path / "t.xlsx", ["a"], [1])
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ArmsError, match=re.escape(f"{path}: expected a spreadsheet in .xlsx, could not read it")):
        read(path)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("xl/worksheets/sheet1.xml", "</sheetData>", "<row>"),
        ("xl/worksheets/sheet1.xml", 't="n"', 't="s"'),
        ("xl/worksheets/sheet1.xml", 'r="A2"', 'r="2A"'),
        ("xl/worksheets/sheet1.xml", "<v>7</v>", "<v>seven</v>"),
        ("xl/workbook.xml", "<sheets>", "<sheets><sheets>"),
        ("[Content_Types].xml", "workbook", "nothing"),
    ],
)
def test_broken_parts(tmp_path: Path, part: str, old: str, new: str) -> None:
    path = change_part(save(tmp_path / "t.xlsx", ["a"], [7]), part, old, new)
    with pytest.raises(ArmsError, match=r"expected a spreadsheet in \.xlsx, could not read it"):
        read(path)


def test_rows_before_a_break_come_first(tmp_path: Path) -> None:
    """A reader that wants a file whole has to read it whole before it uses a row."""
    path = save(tmp_path / "t.xlsx", ["a"], *([number] for number in range(3000)))
    change_part(path, "xl/worksheets/sheet1.xml", "</sheetData>", "<row>")
    with open_table(path, SetAside()) as table:
        rows = table.rows()
        assert next(rows) == (f"{path}, row 2", {"a": 0})
        with pytest.raises(ArmsError, match="could not read it: ParseError"):
            list(rows)


def test_password(tmp_path: Path) -> None:
    (tmp_path / "old.xlsx").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600)
    with pytest.raises(ArmsError, match=r"got an older format or one with a password; save it as \.xlsx without"):
        read(tmp_path / "old.xlsx")
    path = save(tmp_path / "t.xlsx", ["a"], [1])
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1  # the flag of an encrypted member
    path.write_bytes(content)
    with pytest.raises(ArmsError, match="expected a spreadsheet without a password, got an encrypted archive"):
        read(path)


def test_zip_bombs(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", ["a"], [1])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros", b"\0" * (2**26 + 1))
    with pytest.raises(ArmsError, match=r"of at most 1,073,741,824 bytes unpacked and 200 times its size, got 67,1"):
        read(path)


def test_what_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "t.xlsx", ["a"], [1])
    monkeypatch.setattr(workbook_module, "MAX_UNPACKED", 5000)
    with pytest.raises(ArmsError, match="expected a spreadsheet of at most 5,000 bytes unpacked"):
        read(path)
    monkeypatch.setattr(workbook_module, "MAX_UNPACKED", 50_000)
    assert cells_of(path) == [{"a": 1}]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match="expected a spreadsheet, could not read the file: No such file"):
        read(tmp_path / "none.xlsx")
