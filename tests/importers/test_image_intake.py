import base64
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from arms.data import pictures
from arms.errors import ArmsError
from arms.importers import image_intake as intake_module
from arms.importers.image_intake import ImageIntake


def png(red: int = 0, size: tuple[int, int] = (4, 4)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (red, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


# One whose base64 has each of the characters that are written in several ways.
PNG = next(content for content in map(png, range(256)) if {*"+/="} < {*to_base64(content)})
BASE64 = to_base64(PNG)


@pytest.fixture
def intake(tmp_path: Path) -> Callable[..., ImageIntake]:
    """Makes an intake from the folder `root`, which has two images, into the folder `out`."""
    (tmp_path / "root/images").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    for number in (1, 2):
        (tmp_path / f"root/images/{number}.png").write_bytes(png(number))
    return lambda **options: ImageIntake(tmp_path / "out", [tmp_path / "root"], **options)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_bytes_are_kept_once_under_the_name_of_their_content(
    intake: Callable[..., ImageIntake], tmp_path: Path
) -> None:
    images = intake()
    reference = images.add(png())
    assert images.add(png()) == reference
    sha256 = hashlib.sha256(png()).hexdigest()
    assert images.name(reference) == f"images/{sha256[:20]}.png"
    assert (tmp_path / "out" / images.name(reference)).read_bytes() == png()
    (check,) = images.check([reference]).values()
    assert (check.problem, check.sha256) == ("", sha256)
    assert (images.num_found, images.num_lost) == (1, 0)


def test_the_name_s_ending_is_the_format(intake: Callable[..., ImageIntake]) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "JPEG")
    images = intake()
    assert images.name(images.add(stream.getvalue())).endswith(".jpeg")


@pytest.mark.parametrize(
    "text",
    [
        BASE64,
        "\n".join(BASE64[start : start + 20] for start in range(0, len(BASE64), 20)),
        "\r\n ".join([BASE64[:10], BASE64[10:]]) + "\n",
        f"data:image/png;base64,{BASE64}",
        f"  data:image/png;base64,{BASE64}",
        f"DATA:IMAGE/PNG;BASE64,{BASE64}",
        f"data:;base64,{BASE64}",
        f"data:base64,{BASE64}",
        f"data:image/png;charset=utf-8;base64,{BASE64}",
        f"data:image/png; base64 ,\n{BASE64}",
        "data:image/png;base64," + BASE64.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
        BASE64.replace("+", "-").replace("/", "_"),
        "data:image/png," + "".join(f"%{byte:02X}" for byte in PNG),
    ],
)
def test_base64_and_data_uris(intake: Callable[..., ImageIntake], tmp_path: Path, text: str) -> None:
    images = intake()
    reference = images.add_base64(text)
    assert not images.check([reference])[reference].problem
    assert (tmp_path / "out" / images.name(reference)).read_bytes() == PNG


@pytest.mark.parametrize(
    ("text", "problem", "detail"),
    [
        (BASE64[:-3], "unreadable image", "expected base64, got 'iVBOR"),
        (BASE64[:40] + "!" + BASE64[40:], "unreadable image", "expected base64"),
        (BASE64 + BASE64, "unreadable image", "expected base64"),
        ("\u00e9" * 8, "unreadable image", "ASCII"),
        ("half \ud800", "unreadable image", "ASCII"),
        ("", "unreadable image", "the image is of no known format"),
        ("abcd", "unreadable image", "the image is of no known format"),
        ("data:image/png;base64", "unreadable image", "a data URI without a comma"),
        ("data:image/png;base64,", "unreadable image", "the image is of no known format"),
        (f"data:image/png,{BASE64}", "unreadable image", "the image is of no known format"),
        ("data:" + "a" * 1_000_000, "unreadable image", "a data URI without a comma"),
        ("data:" + ";a=b" * 250_000, "unreadable image", "a data URI without a comma"),
    ],
)
def test_what_is_no_base64(intake: Callable[..., ImageIntake], text: str, problem: str, detail: str) -> None:
    images = intake()
    reference = images.add_base64(text)
    assert images.add_base64(text) == reference, "the same text is the same image"
    (check,) = images.check([reference]).values()
    assert check.problem == problem
    assert detail in check.detail
    assert len(check.detail) < 300
    assert (images.num_found, images.num_lost) == (0, 1)


def test_images_that_are_too_large(intake: Callable[..., ImageIntake], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pictures, intake_module):
        monkeypatch.setattr(module, "LARGEST_FILE", 50)
    images = intake()
    references = [images.add(png()), images.add_base64("A" * 151), "images/1.png"]
    details = [(check.problem, check.detail) for check in images.check(references).values()]
    assert details == [
        ("oversized image", "the image: more than 50 bytes"),
        ("oversized image", "the image: 151 characters of base64"),
        ("oversized image", "images/1.png: more than 50 bytes"),
    ]


def test_recorded_images(intake: Callable[..., ImageIntake], tmp_path: Path) -> None:
    images = intake()
    uri = images.add_recorded(f"data:image/png;base64,{BASE64}")
    assert uri == images.add(PNG)
    assert images.add_recorded("images/1.png") == "images/1.png"
    assert images.add_recorded("database/1.png") == "database/1.png"
    checks = images.check([uri, "images/1.png", "images/2.png", "images/3.png"])
    assert [check.problem for check in checks.values()] == ["", "", "", "missing image file"]
    assert (images.num_found, images.num_lost) == (3, 1)
    assert (tmp_path / "out" / images.name("images/2.png")).read_bytes() == png(2)


def test_files_of_one_content_become_one(intake: Callable[..., ImageIntake], tmp_path: Path) -> None:
    (tmp_path / "root/copy.png").write_bytes(png(1))
    images = intake()
    images.check(["images/1.png", "copy.png"])
    assert images.name("images/1.png") == images.name("copy.png")
    assert len(list((tmp_path / "out/images").iterdir())) == 1


def test_what_no_query_uses_is_removed(intake: Callable[..., ImageIntake], tmp_path: Path) -> None:
    images = intake()
    kept, lost = images.add(png()), images.add(png(9))
    images.check([kept, lost, "images/1.png"])
    images.discard_except([kept])
    assert files(tmp_path / "out") == ["images", images.name(kept)]


def test_names_are_kept_where_asked_for(intake: Callable[..., ImageIntake], tmp_path: Path) -> None:
    (tmp_path / "root/deep/er").mkdir(parents=True)
    (tmp_path / "root/deep/er/1.png").write_bytes(png(1))
    images = intake(keep_names=True)
    images.check(["./images/1.png", "images/1.png", "images/2.png", "deep/er/1.png"])
    assert images.name("./images/1.png") == images.name("images/1.png") == "images/1.png"
    images.discard_except(["images/1.png"])  # ./images/1.png is the same file
    assert files(tmp_path / "out") == ["images", "images/1.png"]


def test_only_headers_are_read_unless_told(intake: Callable[..., ImageIntake], tmp_path: Path) -> None:
    (tmp_path / "root/half.png").write_bytes(png(1, (64, 64))[:-30])
    for decode, problem in ((False, ""), (True, "unreadable image")):
        images = intake(decode=decode)
        references = ["half.png", images.add(png(2, (64, 64))[:-30])]
        assert {check.problem for check in images.check(references).values()} == {problem}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read(intake: Callable[..., ImageIntake], tmp_path: Path) -> None:
    (tmp_path / "root/images/1.png").chmod(0)
    (check,) = intake().check(["images/1.png"]).values()
    assert (check.problem, check.detail) == ("unreadable image", "images/1.png: Permission denied")


def test_a_dataset_that_cannot_be_written(intake: Callable[..., ImageIntake], tmp_path: Path) -> None:
    (tmp_path / "out/images").write_text("in the way")
    images = intake()
    with pytest.raises(ArmsError, match=r"^image images/\w{20}\.png: could not be written into the dataset: "):
        images.check(["images/1.png"])
