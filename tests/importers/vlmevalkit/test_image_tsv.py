import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from arms.errors import ArmsError
from arms.importers.image_intake import ImageIntake
from arms.importers.set_aside import SetAside
from arms.importers.vlmevalkit.image_tsv import TsvImages, as_index, as_list, read_images
from tests.importers.logs.vlmevalkit import image, write_tsv

GONE = "no image in the log"


class Reader:
    """Reads a TSV's images into a folder of its own."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "B.tsv"
        self.folder = tmp_path / "out"
        self.intake = ImageIntake(self.folder, [tmp_path])
        self.aside = SetAside()

    def read(self, rows: list[dict[str, Any]], wanted: list[str]) -> TsvImages:
        if rows:
            write_tsv(self.path, rows)
        return read_images(self.path, wanted, self.intake, self.aside)

    def pixels(self, references: tuple[str, ...]) -> list[int]:
        """The numbers of the images that references lead to."""
        self.intake.check(references)
        numbers = []
        for reference in references:
            with Image.open(self.folder / self.intake.name(reference)) as found:
                numbers.append(found.getpixel((0, 0))[0])
        return numbers

    def pixel(self, references: tuple[str, ...]) -> int:
        """The number of the one image."""
        (number,) = self.pixels(references)
        return number

    def files(self) -> int:
        """How many images were written."""
        return len([*self.folder.rglob("*.png")])


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def row(index: Any, cell: str, **more: Any) -> dict[str, Any]:
    return {"index": index, "image": cell, "question": "What?", **more}


@pytest.mark.parametrize(
    ("cell", "index"),
    [
        *((cell, "3") for cell in (3, 3.0, "3", " 3 ", "3.0")),
        *((cell, None) for cell in (True, None, "", " ", [3])),
        *(("3.10", "3.10"), (3.5, "3.5"), ("a-1", "a-1"), ("007", "007"), ("-1.0", "-1")),
    ],
)
def test_as_index(cell: Any, index: str | None) -> None:
    assert as_index(cell) == index


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("a", ["a"]),
        ("['a']", ["a"]),
        ("""["it's", 'b c']""", ["it's", "b c"]),
        ("[ 'a' ,'b','c', ]", ["a", "b", "c"]),
        ("['data:image/png;base64,AA', 'x']", ["data:image/png;base64,AA", "x"]),
        ("[]", []),
        ("[1].jpg", ["[1].jpg"]),
    ],
)
def test_as_list(cell: str, parts: list[str]) -> None:
    assert as_list(cell) == parts


@pytest.mark.parametrize("cell", ["[a]", "['a' 'b']", "['a]", "[['a']]", "[" * 100_000 + "]"])
def test_broken_list(cell: str) -> None:
    with pytest.raises(ArmsError, match=r"expected a list of quoted texts, got ['\"]\["):
        as_list(cell)


def test_only_the_rows_asked_for_are_decoded(reader: Reader) -> None:
    result = reader.read([row(number, image(number)) for number in range(5)], ["1", "3"])
    assert {index: reader.pixel(found) for index, found in result.found.items()} == {"1": 1, "3": 3}
    assert reader.files() == 2
    assert (result.problems, reader.aside.findings()) == ({}, ())


def test_forms_of_an_image(reader: Reader) -> None:
    cells = [image(0), f"['{image(1)}']", f"data:image/png;base64,{image(2)}", f'["data:image/png;base64,{image(3)}"]']
    result = reader.read([row(number, cell) for number, cell in enumerate(cells)], ["0", "1", "2", "3"])
    assert [reader.pixel(result.found[str(number)]) for number in range(4)] == [0, 1, 2, 3]


def test_rows_that_share_an_image(reader: Reader) -> None:
    rows = [row(1, "2"), row(2, image(2)), row(3, "1"), row(4, "3.0"), row(5, "['2']")]
    result = reader.read(rows, ["1", "3", "4", "5"])
    assert {index: reader.pixel(found) for index, found in result.found.items()} == {"1": 2, "3": 2, "4": 2, "5": 2}
    assert result.problems == {}


def test_one_pass_where_one_is_enough(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real_open = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *args, **more: opened.append(path) or real_open(path, *args, **more))
    rows = [row(1, image(1)), row(2, "1"), row(3, "1"), row(4, image(4))]
    reader.read(rows, ["1", "2"])
    assert opened.count(reader.path) == 2  # one to write it
    reader.read([], ["2", "3"])
    assert opened.count(reader.path) == 4


def test_shares_that_lead_nowhere(reader: Reader) -> None:
    rows = [row(1, "9"), row(2, "3"), row(3, "2"), row(4, "4"), row(5, "6"), row(6, ""), row(7, "8")]
    rows.append(row(8, "[]"))
    result = reader.read(rows, ["1", "2", "4", "5", "6", "7", "10"])
    assert result.found == {}
    kinds = {index: kind for index, (kind, _) in result.problems.items()}
    assert kinds == dict.fromkeys(["1", "2", "4", "5", "6", "7", "10"], GONE)
    details = {index: detail for index, (_, detail) in result.problems.items()}
    assert details["1"] == f"{reader.path} has no row 9, whose image row 1 shares"
    assert details["2"] == "rows that share each other's images: 2, 3, 2"
    assert details["4"] == "rows that share each other's images: 4, 4"
    assert details["5"] == details["6"] == f"row 6 of {reader.path} has no image"
    assert details["7"] == f"row 8 of {reader.path} has 0 images"
    assert details["10"] == f"{reader.path} has no row 10"


def test_several_images_come_in_their_order(reader: Reader) -> None:
    lists = {1: [1, 2], 2: [2, 1, 2], 3: [3], 4: [5, 4, 3, 2, 1, 0]}
    rows = [row(index, str([image(number) for number in numbers])) for index, numbers in lists.items()]
    rows += [row(5, "4"), row(6, "['5']"), row(7, f"data:image/png;base64,{image(7)}")]
    result = reader.read(rows, ["1", "2", "3", "4", "5", "6"])
    assert result.problems == {}
    found = {index: reader.pixels(images) for index, images in result.found.items()}
    assert found == {**{str(index): numbers for index, numbers in lists.items()}, "5": lists[4], "6": lists[4]}
    assert reader.files() == 6


def test_several_images_of_a_row_that_was_not_asked_for(reader: Reader) -> None:
    result = reader.read([row(1, str([image(3), image(4)])), row(2, "1")], ["2"])
    assert reader.pixels(result.found["2"]) == [3, 4]


def test_broken_lists(reader: Reader) -> None:
    result = reader.read([row(2, "[]"), row(3, f"[{image(3)}]")], ["2", "3"])
    assert {index: kind for index, (kind, _) in result.problems.items()} == {"2": GONE, "3": GONE}
    assert "expected a list of quoted texts, got" in result.problems["3"][1]
    assert reader.files() == 0


def test_rows_of_one_index_with_several_images(reader: Reader) -> None:
    one, turned = str([image(1), image(2)]), str([image(2), image(1)])
    rows = [row(1, one), row(1, one), row(2, one), row(2, turned), row(3, one), row(3, "1")]
    result = reader.read(rows, ["1", "2", "3"])
    assert {index: reader.pixels(images) for index, images in result.found.items()} == {"1": [1, 2]}
    assert set(result.problems) == {"2", "3"}


def test_rows_of_one_index(reader: Reader) -> None:
    rows = [row(1, image(1)), row(1, image(1)), row(2, image(2)), row(2, image(3)), row(2, image(2))]
    rows += [row(3, "1"), row(3, "2"), row(4, image(4)), row(4, "1"), row(5, ""), row(5, image(5))]
    result = reader.read(rows, ["1", "2", "3", "4", "5"])
    assert [reader.pixel(result.found[index]) for index in result.found] == [1]
    different = f"{reader.path} has several rows {{}} with different images"
    assert {index: detail for index, (_, detail) in result.problems.items()} == {
        "2": different.format(2),
        "3": different.format(3),
        "4": different.format(4),
        "5": f"row 5 of {reader.path} has no image",
    }


def test_images_that_do_not_open_come_out_in_their_check(reader: Reader) -> None:
    short = base64.b64encode(b"no image at all, however long this is " * 3).decode()
    result = reader.read([row(1, short), row(2, "%" * 80)], ["1", "2"])
    checks = reader.intake.check([image for images in result.found.values() for image in images])
    assert [check.problem for check in checks.values()] == ["unreadable image", "unreadable image"]


def test_paths_where_there_are_no_images(reader: Reader, tmp_path: Path) -> None:
    content = BytesIO()
    Image.new("RGB", (4, 4), (7, 0, 0)).save(content, "PNG")
    (tmp_path / "seven.png").write_bytes(content.getvalue())
    paths = ["seven.png", "['seven.png']", "['seven.png', 'b.png']", "", "seven.png"]
    rows = [{"image_path": path, "index": number} for number, path in enumerate(paths)]
    result = reader.read(rows, ["0", "1", "2", "3"])
    assert [reader.pixel(result.found[index]) for index in ("0", "1")] == [7, 7]
    assert result.found["2"] == ("seven.png", "b.png")
    assert {index: kind for index, (kind, _) in result.problems.items()} == {"3": GONE}


def test_images_go_before_paths(reader: Reader) -> None:
    rows = [row(1, image(1), image_path="a.png"), row(2, "", image_path="b.png"), row(3, "1", image_path="c.png")]
    result = reader.read(rows, ["1", "2", "3"])
    assert (reader.pixel(result.found["1"]), result.found["2"]) == (1, ("b.png",))
    assert result.found["3"] == result.found["1"]


def test_bytes_that_are_no_utf_8_do_no_harm_elsewhere(reader: Reader) -> None:
    reader.path.write_bytes(f"index\timage\tquestion\n1\t{image(1)}\t".encode() + b"caf\xe9\n")
    result = reader.read([], ["1"])
    assert reader.pixel(result.found["1"]) == 1


def test_file_that_breaks_off(reader: Reader) -> None:
    write_tsv(reader.path, [row(number, image(number)) for number in range(4)])
    text = reader.path.read_text()
    reader.path.write_text(text[: text.index(image(2)) + 30])
    result = reader.read([], ["0", "1", "2", "3"])
    assert [reader.pixel(found) for found in result.found.values()] == [0, 1]
    assert {kind for kind, _ in result.problems.values()} == {GONE}
    (finding,) = reader.aside.findings()
    assert finding.kind == "benchmark file that breaks off"
    assert "row 4: expected every quote to be closed" in finding.rows[0]["detail"]


def test_rows_that_are_cut(reader: Reader) -> None:
    reader.path.write_text(f"index\timage\n1\t{image(1)}\n2\n3\t{image(3)}\textra\n")
    result = reader.read([], ["1", "2", "3"])
    assert list(result.found) == ["1"]
    (finding,) = reader.aside.findings()
    assert (finding.kind, finding.count) == ("row with another number of cells than the header", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header and rows, got an empty file"),
        ("index\tquestion\n1\tx\n", "expected columns index and image or image_path, got index, question"),
        ("image\tquestion\n1\tx\n", "expected columns index and image or image_path, got image, question"),
        ("index\timage\timage\n", "expected one column 'image', got 2"),
    ],
)
def test_file_of_another_kind(reader: Reader, text: str, message: str) -> None:
    reader.path.write_text(text)
    with pytest.raises(ArmsError, match=message):
        reader.read([], ["1"])


def test_utf_16(reader: Reader) -> None:
    reader.path.write_text("index\timage\n1\tx\n", encoding="utf-16")
    with pytest.raises(ArmsError, match="expected columns index and image or image_path"):
        reader.read([], ["1"])
