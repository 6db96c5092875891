"""Check image files: that a path stays in its folder, and that what it leads to is a picture that opens."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from arms.data.pictures import PictureError, decode_picture, format_of, read_file
from arms.data.storage.urls import is_bucket_url, is_file_url
from arms.data.thumbnails import thumbnail_of
from arms.progress import progress_bar

_BATCH = 32  # images that a thread takes at a time: handing over costs as much as reading a small one

# What can be wrong with an image, and what to do about it.
IMAGE_ADVICE = {
    "absolute image path": "write the path relative to the dataset's folder",
    "image path with '..'": "write the path from the dataset's folder down",
    "image outside the folder": "copy the image into the dataset's folder instead of linking to it",
    "image outside the roots": "name the folder that holds it as a root, and the part of the recorded paths before it",
    "image on the web": "download it, and write the file's path instead of the address",
    "image under a table's name": "give the image file another name",
    "missing image file": "add the file, or correct the path in the images column",
    "unreadable image": "replace the file by one that opens, or remove its queries",
    "oversized image": "scale the image down, or remove its queries",
    "no image in the log": "add the source of the benchmark's images, complete and of the version that was evaluated",
}


class ImageCheck(NamedTuple):
    """What was found where an image should be: the hash of its bytes, or a problem (a key of `IMAGE_ADVICE`)."""

    sha256: str = ""
    format: str = ""  # as Pillow calls it, such as PNG
    thumbnail: bytes = b""  # where one was asked for
    problem: str = ""
    detail: str = ""


# Checks the images that a dataset's queries name, by their names.
ImageChecker = Callable[[Sequence[str]], dict[str, ImageCheck]]


def check_images(check: Callable[[str], ImageCheck], names: Sequence[str], workers: int) -> dict[str, ImageCheck]:
    """Check every image, in threads: the decoders release the interpreter's lock.

    Parameters
    ----------
    check : callable
        What is done for one name.
    names : sequence of str
    workers : int, at least 1
    """
    checks = {}
    size = max(1, min(_BATCH, len(names) // (4 * workers)))
    batches = [names[start : start + size] for start in range(0, len(names), size)]
    with progress_bar("check images", "images") as progress, ThreadPoolExecutor(workers) as pool:
        for batch, found in zip(batches, pool.map(lambda batch: list(map(check, batch)), batches), strict=True):
            for name, one in zip(batch, found, strict=True):
                checks[name] = one
            progress(len(checks), len(names))
    return checks


def check_file(root: Path, relative: str, *, decode: bool = True, thumbnail_side: int = 0) -> ImageCheck:
    """Check that a path stays in the folder `root`, a real path, and leads to an image; hash the checked bytes.

    A URL such as s3://bucket/picture.png is read from there.
    """
    if is_bucket_url(relative):
        return read_image(relative, relative, decode=decode, thumbnail_side=thumbnail_side)[0]
    if is_file_url(relative) or PurePosixPath(relative).is_absolute() or PureWindowsPath(relative).anchor:
        return ImageCheck(problem="absolute image path", detail=relative)
    if ".." in PurePosixPath(relative).parts:
        return ImageCheck(problem="image path with '..'", detail=relative)
    try:
        path = Path(os.path.realpath(root / relative))
        if not path.is_relative_to(root):
            return ImageCheck(problem="image outside the folder", detail=f"{relative} leads out of it through a link")
        if not path.is_file():
            return ImageCheck(
                problem="missing image file", detail=f"{relative} is {'no file' if path.exists() else 'not there'}"
            )
    except (OSError, ValueError) as error:  # a name too long, or with a NUL character
        return ImageCheck(problem="missing image file", detail=f"{relative}: {_reason(error)}")
    return read_image(path, relative, decode=decode, thumbnail_side=thumbnail_side)[0]


def read_image(
    path: str | Path, where: str, *, decode: bool = True, thumbnail_side: int = 0
) -> tuple[ImageCheck, bytes]:
    """Read a file that exists, or a URL, and check it as `check_content` does; returns its bytes too."""
    try:
        content = read_file(path, where)
    except PictureError as error:
        return ImageCheck(problem=error.problem, detail=error.detail), b""
    return check_content(content, where, decode=decode, thumbnail_side=thumbnail_side), content


def check_content(content: bytes, where: str, *, decode: bool = True, thumbnail_side: int = 0) -> ImageCheck:
    """Check the bytes of an image file, or only its header if not `decode`.

    With `thumbnail_side` above 0 the check brings a thumbnail: the picture is decoded anyway.
    """
    thumbnail = b""
    try:
        found = format_of(content, where)
        if decode or thumbnail_side:
            picture = decode_picture(content, where)
            if thumbnail_side:
                thumbnail = thumbnail_of(picture, thumbnail_side)
    except PictureError as error:
        return ImageCheck(problem=error.problem, detail=error.detail)
    return ImageCheck(hashlib.sha256(content).hexdigest(), found, thumbnail)


def folder_checker(folder: Path, *, decode: bool, workers: int, thumbnail_side: int = 0) -> ImageChecker:
    """A checker of images named by their paths in a dataset's folder."""
    root = Path(os.path.realpath(folder))

    def check(names: Iterable[str]) -> dict[str, ImageCheck]:
        def check_one(name: str) -> ImageCheck:
            return check_file(root, name, decode=decode, thumbnail_side=thumbnail_side)

        return check_images(check_one, list(names), workers)

    return check


def _reason(error: OSError | ValueError) -> str:
    """What went wrong, without the path, which may be very long."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
