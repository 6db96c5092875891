import hashlib
import io
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from PIL import Image

from arms.data import pictures
from arms.data.images import (
    IMAGE_ADVICE,
    ImageCheck,
    check_content,
    check_file,
    check_images,
    folder_checker,
    read_image,
)


def picture(kind: str = "PNG", size: tuple[int, int] = (4, 4)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_the_formats_of_pillow(kind: str) -> None:
    content = picture(kind)
    assert check_content(content, "a") == ImageCheck(hashlib.sha256(content).hexdigest(), kind)
    assert check_content(content, "a", decode=False) == check_content(content, "a")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", bytes(1000)])
def test_what_is_no_image(content: bytes) -> None:
    check = check_content(content, "here/a.png", decode=False)
    assert (check.problem, check.sha256) == ("unreadable image", "")
    assert check.detail.startswith("here/a.png")
    assert "0x" not in check.detail


def test_a_truncated_image_is_found_by_decoding_alone() -> None:
    content = picture("JPEG", (64, 64))[:-20]
    assert not check_content(content, "a", decode=False).problem
    check = check_content(content, "a")
    assert check.problem == "unreadable image"
    assert "OSError: image file is truncated" in check.detail


def test_a_program_is_no_picture() -> None:
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "EPS")
    check = check_content(stream.getvalue(), "a.eps")
    assert check.problem == "unreadable image"
    assert check.detail.startswith("a.eps is EPS; expected one of PNG, JPEG,")


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    monkeypatch.setattr(pictures, "LARGEST_FILE", 10)
    expected = ImageCheck(problem="oversized image", detail="a.png: more than 10 bytes")
    assert read_image(tmp_path / "a.png", "a.png") == (expected, b"")
    assert check_file(tmp_path, "a.png") == expected


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    check, content = read_image(tmp_path / "gone.png", "gone.png")
    assert (check.problem, check.detail, content) == ("missing image file", "gone.png: no such image", b"")


@pytest.mark.parametrize(
    ("name", "problem", "detail"),
    [
        ("a.png", "", ""),
        ("./a.png", "", ""),
        ("inner.png", "", ""),
        ("gone.png", "missing image file", "gone.png is not there"),
        (".", "missing image file", ". is no file"),
        ("a.png/b.png", "missing image file", "a.png/b.png is not there"),
        ("pipe", "missing image file", "pipe is no file"),
        ("loop", "missing image file", "loop is not there"),
        ("a\0.png", "missing image file", "embedded null byte"),
        ("n" * 300, "missing image file", "n: File name too long"),
        ("n/" * 3000, "missing image file", "n/: File name too long"),
        ("../folder/a.png", "image path with '..'", "../folder/a.png"),
        ("x/../a.png", "image path with '..'", "x/../a.png"),
        ("/etc/hostname", "absolute image path", "/etc/hostname"),
        ("file:///etc/hostname", "absolute image path", "file:///etc/hostname"),
        ("C:\\a.png", "absolute image path", "C:"),
        ("\\\\server\\share\\a.png", "absolute image path", "server"),
        ("out.png", "image outside the folder", "out.png leads out of it through a link"),
        ("out/secret.png", "image outside the folder", "out/secret.png leads out of it through a link"),
    ],
)
def test_paths(tmp_path: Path, name: str, problem: str, detail: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for file in (folder / "a.png", tmp_path / "secret.png"):
        file.write_bytes(picture())
    os.mkfifo(folder / "pipe")
    for link, target in (("inner.png", "a.png"), ("loop", "loop"), ("out.png", "../secret.png"), ("out", tmp_path)):
        (folder / link).symlink_to(target)
    check = check_file(folder, name)
    assert check.problem == problem
    assert detail in check.detail
    assert len(check.detail) < len(name) + 100, "a long name appears once"


@pytest.mark.parametrize("workers", [1, 3])
def test_many_images(tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number}.png" for number in range(20)]
    for name in names[1:]:
        (tmp_path / name).write_bytes(picture())
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr("arms.progress._show", lambda *label: nullcontext(lambda *done: seen.append(done)))
    checks = folder_checker(tmp_path, decode=True, workers=workers)(names)
    assert list(checks) == names
    assert [name for name, check in checks.items() if check.problem] == ["0.png"]
    assert seen[-1] == (20, 20)
    assert check_images(lambda name: ImageCheck(), [], workers) == {}


def test_every_problem_comes_with_advice(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("text")
    found = {check_file(tmp_path, name).problem for name in ("text.png", "gone", "..", "/a")}
    assert found == {"unreadable image", "missing image file", "image path with '..'", "absolute image path"}
    assert found < set(IMAGE_ADVICE)
