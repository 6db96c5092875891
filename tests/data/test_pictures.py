"""The one door for pictures: what is let in, what is refused, and that nothing is started or waited for."""

import io
import os
import pickle
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from arms.data import pictures
from arms.data.pictures import FORMATS, MOST_PIXELS, PictureError, decode_picture, format_of, open_picture, read_file
from arms.errors import ArmsError
from tests.fakes import png_of_size

KINDS = [kind for kind in FORMATS if kind != "AVIF" or features.check("avif")]
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"


def drawn() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(np.kron(values, np.ones((8, 8, 1), np.uint8)))


def encoded(image: Image.Image, kind: str, **settings) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_formats(kind, tmp_path):
    content = encoded(drawn(), kind)
    assert format_of(content, "a") == kind
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    (tmp_path / "a").write_bytes(content)
    for source in (tmp_path / "a", str(tmp_path / "a"), io.BytesIO(content), Image.open(io.BytesIO(content))):
        picture = open_picture(source)
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), expected)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_its_first_frame(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(content)).n_frames == 3
    red, green, blue = decode_picture(content, "a").getpixel((4, 4))
    assert red > 250
    assert max(green, blue) < 5


def test_a_jpeg_with_further_pictures_is_a_jpeg():
    content = encoded(Image.new("RGB", (8, 8), "red"), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert Image.open(io.BytesIO(content)).format == "MPO"
    assert decode_picture(content, "a").getpixel((4, 4))[0] > 250
    assert open_picture(Image.open(io.BytesIO(content))).getpixel((4, 4))[0] > 250


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (EPS, "EPS"),
        (b"\xc5\xd0\xd3\xc6" + bytes(30), "EPS"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"P6 1 1 255 abc", "PPM"),
        (b"8BPS" + bytes(40), "PSD"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40), "JPEG2000"),
        (b"%PDF-1.4", "of no known format"),
        (b"\x89PNG\r\n\x1a\n", "a broken PNG"),
        (b"", "of no known format"),
        (b"no image", "of no known format"),
        (bytes(1000), "of no known format"),
    ],
)
def test_other_formats_are_refused_by_name(content, kind):
    for ask in (format_of, decode_picture):
        with pytest.raises(PictureError) as caught:
            ask(content, "here/a.png")
        assert str(caught.value) == f"here/a.png is {kind}; expected one of PNG, JPEG, WEBP, GIF, BMP, TIFF, AVIF"
        assert caught.value.problem == "unreadable image"


def test_avif_without_its_library(monkeypatch):
    monkeypatch.setattr("PIL.AvifImagePlugin.SUPPORTED", False)
    with pytest.raises(PictureError, match="a is AVIF, which this installation of Pillow cannot read; expected one of"):
        decode_picture(b"\x00\x00\x00\x1cftypavif" + bytes(40), "a")


def test_no_program_is_started(tmp_path):
    """Pillow would run `gs` for an EPS; this one leaves a trace."""
    program, trace, picture = tmp_path / "bin" / "gs", tmp_path / "trace", tmp_path / "vector.png"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho ran >> {trace}\n")
    program.chmod(0o755)
    picture.write_bytes(EPS)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def python(code):
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)

    python(f"from PIL import Image; Image.open({str(picture)!r}).load()")
    assert trace.exists(), "what this test is against"
    trace.unlink()
    start = "from PIL import Image; from arms.data.pictures import open_picture; "
    opened = python(f"{start} open_picture({str(picture)!r})")
    given = python(f"{start} open_picture(Image.open({str(picture)!r}))")
    for ended in (opened, given):
        assert "PictureError" in ended.stderr
        assert "is EPS; expected one of PNG" in ended.stderr
    assert not trace.exists()


@pytest.mark.timeout(20)
def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a pipe, a socket or a device"), (tmp_path, "a folder")):
        with pytest.raises(PictureError, match=f"{path.name}: expected a regular file, got {kind}"):
            open_picture(path)
    with pytest.raises(PictureError, match="/dev/zero: expected a regular file, got a pipe, a socket or a device"):
        open_picture("/dev/zero")


@pytest.mark.timeout(20)
def test_a_file_that_becomes_a_pipe_does_not_keep_us_waiting(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"")
    before = os.stat(tmp_path / "file")
    monkeypatch.setattr(pictures.os, "stat", lambda path: before)
    with pytest.raises(PictureError, match="pipe: expected a regular file, got a pipe"):
        read_file(tmp_path / "pipe")


def test_a_url_of_a_file(tmp_path):
    path = tmp_path / "a picture.png"
    Image.new("RGB", (3, 2)).save(path)
    assert read_file(path.as_uri()) == path.read_bytes()
    assert read_file(Path(path.as_uri())) == path.read_bytes()  # a path library makes one slash of three
    with pytest.raises(PictureError, match=r"gone.png: no such image"):
        read_file(f"file://{tmp_path}/gone.png")


def test_what_is_not_there(tmp_path):
    with pytest.raises(PictureError, match=r"gone.png: no such image") as caught:
        open_picture(tmp_path / "gone.png")
    assert caught.value.problem == "missing image file"
    for name in ("a\0b", "n" * 300):
        with pytest.raises(PictureError):
            open_picture(name)
    with pytest.raises(ArmsError, match="expected an image as a path, binary file or PIL image, got int"):
        open_picture(3)
    with pytest.raises(ArmsError, match="expected a binary file, got one that reads str"):
        open_picture(io.StringIO("text"))


def test_the_limit_on_pixels_is_known_by_the_header():
    assert MOST_PIXELS == 89_478_485
    for side in (10_000, 50_000):  # of the smaller Pillow warns, the larger it refuses
        for ask in (format_of, decode_picture):
            with pytest.raises(PictureError) as caught:
                ask(png_of_size(side, side), "a")
            assert caught.value.problem == "oversized image"
    with pytest.raises(PictureError, match="a: expected 89,478,485 pixels at most, got 10,000 x 10,000"):
        decode_picture(png_of_size(10_000, 10_000), "a")
    format_of(png_of_size(MOST_PIXELS // 5, 5), "a")
    with pytest.raises(PictureError, match="the image: expected 89,478,485 pixels at most, got 89,478,486 x 1"):
        open_picture(Image.new("1", (MOST_PIXELS + 1, 1)))


def test_large_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "LARGEST_FILE", 10)
    (tmp_path / "a.png").write_bytes(bytes(11))
    for source in (tmp_path / "a.png", io.BytesIO(bytes(11))):
        with pytest.raises(PictureError, match=r"(a.png|the image): more than 10 bytes"):
            open_picture(source)


def test_broken_pictures(tmp_path):
    cut = encoded(drawn(), "JPEG")[:-20]
    assert format_of(cut, "a") == "JPEG"
    with pytest.raises(PictureError, match="a: not a readable image: OSError: image file is truncated"):
        decode_picture(cut, "a")
    content = bytearray(encoded(drawn(), "PNG"))
    content[60:80] = bytes(20)
    with pytest.raises(PictureError):
        decode_picture(bytes(content), "a")


def test_the_error_comes_through_from_another_process():
    error = pickle.loads(pickle.dumps(PictureError("unreadable image", "a is EPS")))
    assert (error.problem, str(error)) == ("unreadable image", "a is EPS")


def test_nothing_else_in_the_library_opens_pictures():
    root = Path(pictures.__file__).parents[1]
    users = [
        file.name for folder in (root, root.parent / "stages") for file in folder.rglob("*.py")
        if "Image.open(" in file.read_text()
    ]  # fmt: skip
    assert users == ["pictures.py"]


def test_threads_leave_the_filter_of_warnings_as_it_was(monkeypatch):
    content, opened = encoded(drawn(), "PNG"), Image.open

    def slowly(*arguments, **settings):
        time.sleep(0.001 * np.random.default_rng().random())
        return opened(*arguments, **settings)

    monkeypatch.setattr(Image, "open", slowly)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: decode_picture(content, str(number)), range(200)))
    assert warnings.filters == before
