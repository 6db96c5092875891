"""The one place that opens pictures, for import, prepare, encode and route alike.

A picture is a regular file, or bytes, of a format in `FORMATS`, of `MOST_PIXELS` at most; of an animation it is the
first frame. No other format is tried: some of Pillow's plugins start programs, as that for EPS does.
"""

import os
import stat
import warnings
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from arms.data.appearance import as_seen
from arms.data.remote_pictures import read_picture
from arms.data.storage.urls import file_path, is_bucket_url, tidy_url
from arms.errors import ArmsError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # as Pillow calls them
LARGEST_FILE = 256 * 2**20  # bytes of a picture's file; larger ones are not read
MOST_PIXELS = 2**30 // 12  # 89 million, where Pillow too begins to warn; known from a file's header

PictureSource = str | Path | BinaryIO | Image.Image

_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FROM_JPEG = "MPO"  # what Pillow calls a JPEG with further pictures behind the first
_EXPECTED = f"expected one of {', '.join(FORMATS)}"

# The filter of warnings is the process's: of threads that set it side by side, one would leave it set for good.
_opening = Lock()


def _renew_lock() -> None:
    global _opening
    _opening = Lock()  # a thread that held it does not come along into a forked process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class PictureError(ArmsError):
    """A picture that cannot be used.

    Parameters
    ----------
    problem : str
        A key of `arms.data.images.IMAGE_ADVICE`.
    detail : str
        Which picture it is, and what is wrong with it.
    """

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(problem, detail)  # both, as an error is made again on its way from a worker process
        self.problem, self.detail = problem, detail

    def __str__(self) -> str:
        return self.detail


def open_picture(source: PictureSource) -> Image.Image:
    """A picture as people see it; see `arms.data.appearance.as_seen`.

    Parameters
    ----------
    source : path, URL such as s3://bucket/picture.png, binary file or PIL image
        A binary file is read from its beginning. A PIL image stays as it is.

    Returns
    -------
    Image of mode RGB, decoded

    Raises
    ------
    PictureError
        If it is not there, no regular file, of another format, broken or too large.
    ArmsError
        If `source` is of another type.
    """
    if isinstance(source, Image.Image):
        return _from_image(source)
    if isinstance(source, str | Path):
        return decode_picture(read_file(source), str(source))
    if not hasattr(source, "read"):
        raise ArmsError(f"expected an image as a path, binary file or PIL image, got {type(source).__name__}")
    where = str(getattr(source, "name", "the image"))
    return decode_picture(read_stream(source, where), where)


def read_file(path: str | Path, where: str | None = None, *, sha256: str | None = None) -> bytes:
    """The bytes of a picture's file. Nothing but a regular file is opened: a pipe could keep the reader waiting.

    Parameters
    ----------
    path : str or Path
        Or a URL such as s3://bucket/picture.png (see `arms.data.remote_pictures`) or file:///home/me/picture.png.
    where : str, optional
        What an error calls the file, instead of `path`.
    sha256 : str, optional
        Of a URL: what the picture was when it was first read, which may be in the cache.

    Raises
    ------
    PictureError
        If it is not there, not a regular file, or too large.
    ArmsError
        If an object store denies or fails.
    """
    if is_bucket_url(path):
        return _read_object(tidy_url(path), sha256)
    where = str(path) if where is None else where
    path = file_path(path)
    try:
        _check_regular(os.stat(path), where)
        # It may have become a pipe meanwhile; then neither opening nor reading waits.
        with open(path, "rb", opener=lambda name, _: os.open(name, _READ_FLAGS)) as file:
            _check_regular(os.fstat(file.fileno()), where)
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise PictureError("missing image file", f"{where}: no such image") from error
    except (OSError, ValueError) as error:  # a ValueError: a NUL character in the path
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise PictureError("unreadable image", f"{where}: {reason}") from error
    _check_bytes(content, where)
    return content


def _read_object(url: str, sha256: str | None) -> bytes:
    content = read_picture(url, most_bytes=LARGEST_FILE, sha256=sha256)
    if content is None:
        raise PictureError("missing image file", f"{url}: no such image")
    _check_bytes(content, url)
    return content


def read_stream(source: BinaryIO, where: str) -> bytes:
    """The bytes of a binary file, from its beginning; a PictureError if it cannot be read."""
    try:
        if source.seekable():
            source.seek(0)
        content = source.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise PictureError("unreadable image", f"{where}: {error}") from error
    if not isinstance(content, bytes):
        raise ArmsError(f"{where}: expected a binary file, got one that reads {type(content).__name__}")
    return content


def format_of(content: bytes, where: str) -> str:
    """The format of a picture, as Pillow calls it, by its header only; a PictureError if it cannot be used."""
    with _open(content, where) as image:
        return image.format or ""


def size_of(content: bytes, where: str) -> tuple[int, int]:
    """Width and height of a picture in pixels, by its header only; a PictureError if it cannot be used."""
    with _open(content, where) as image:
        return image.size


def decode_picture(content: bytes, where: str) -> Image.Image:
    """The picture in some bytes, of mode RGB and as people see it; a PictureError if it cannot be used."""
    with _open(content, where) as image:
        return _seen(image, where)


def _open(content: bytes, where: str) -> Image.Image:
    """Read the header, and check all that it says."""
    _check_bytes(content, where)
    try:
        with _opening, warnings.catch_warnings(action="ignore"):  # Pillow warns of sizes, which are checked below
            image = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise PictureError("unreadable image", f"{where} is {_kind_of(content)}; {_EXPECTED}") from error
    except Image.DecompressionBombError as error:
        raise PictureError("oversized image", f"{where}: {error}") from error
    except Exception as error:  # broken files make decoders raise errors of many types
        raise _broken(where, error) from error
    _check_pixels(image, where)
    return image


def _from_image(image: Image.Image) -> Image.Image:
    where = str(getattr(image, "filename", "") or "the image")
    if image.format is not None and image.format not in (*FORMATS, _FROM_JPEG):
        raise PictureError("unreadable image", f"{where} is {image.format}; {_EXPECTED}")
    _check_pixels(image, where)
    return _seen(image, where)


def _seen(image: Image.Image, where: str) -> Image.Image:
    try:
        return as_seen(image)
    except Exception as error:
        raise _broken(where, error) from error


def _broken(where: str, error: Exception) -> PictureError:
    return PictureError("unreadable image", f"{where}: not a readable image: {type(error).__name__}: {error}")


def _check_regular(found: os.stat_result, where: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, a socket or a device"
        raise PictureError("unreadable image", f"{where}: expected a regular file, got {kind}")


def _check_bytes(content: bytes, where: str) -> None:
    if len(content) > LARGEST_FILE:
        raise PictureError("oversized image", f"{where}: more than {LARGEST_FILE:,} bytes")


def _check_pixels(image: Image.Image, where: str) -> None:
    if image.width * image.height > MOST_PIXELS:
        size = f"{image.width:,} x {image.height:,}"
        raise PictureError("oversized image", f"{where}: expected {MOST_PIXELS:,} pixels at most, got {size}")


def _kind_of(content: bytes) -> str:
    """What bytes are that were not opened, by how they begin; nothing of them is read further."""
    if b"<svg" in content[:1024]:
        return "SVG"
    Image.init()
    start = content[:16].ljust(16, b"\0")
    for name, (_, accepts) in Image.OPEN.items():
        found = accepts is not None and accepts(start)
        if isinstance(found, str):
            return f"{name}, which this installation of Pillow cannot read"
        if found:
            return f"a broken {name}" if name in FORMATS else name
    return "of no known format"
