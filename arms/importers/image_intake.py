"""The images of a log on their way into a dataset: found under the given roots or decoded, checked, kept by content."""

import hashlib
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from arms.data.data_uris import decode_text, is_data_uri
from arms.data.images import ImageCheck, check_content, check_images, read_image
from arms.data.pictures import LARGEST_FILE
from arms.errors import ArmsError
from arms.importers.image_paths import ImageRoots
from arms.importers.texts import encodable

_KEPT = "sha256:"  # opens the reference of an image that came with the log itself
_BROKEN = "broken:"


class ImageIntake:
    """Takes images in, each under a reference that is kept in the `images` column until the dataset is written.

    A reference is the path of a file as the log records it, or what `add` and `add_base64` gave for bytes that came
    with the log. Whatever is wrong with an image comes out in `check`, under its reference; nothing is raised.

    Parameters
    ----------
    folder : Path
        The folder of the dataset to be.
    roots : sequence of Path
        The folders in which files are looked for, the first that has one wins; no path leads out of them.
    prefixes : sequence of str
        Parts of recorded paths that the roots replace, such as a folder on the machine of the evaluation.
    decode : bool
        Decode every image; otherwise only their headers are read.
    workers : int, at least 1
        Threads that read files.
    keep_names : bool
        Keep the files under their recorded paths, instead of one for each content.
    """

    def __init__(
        self,
        folder: Path,
        roots: Sequence[Path],
        *,
        prefixes: Sequence[str] = (),
        decode: bool = False,
        workers: int = 4,
        keep_names: bool = False,
    ) -> None:
        self._folder = folder
        self._roots = ImageRoots(roots, prefixes=prefixes, own_names=keep_names)
        self._decode = decode
        self._workers = workers
        self._keep_names = keep_names
        self._checks: dict[str, ImageCheck] = {}  # by reference
        self._names: dict[str, str] = {}  # by reference: the path in the dataset's folder
        self._made: set[str] = set()  # folders in it

    def add(self, content: bytes) -> str:
        """Take in the bytes of an image file; returns its reference."""
        reference = _KEPT + hashlib.sha256(content).hexdigest()
        if reference in self._checks:
            return reference
        check = check_content(content, "the image", decode=self._decode)
        if not check.problem:
            self._names[reference] = self._write(content, _name_of(check))
        self._checks[reference] = check
        return reference

    def add_base64(self, text: str) -> str:
        """Take in an image as base64, with or without a data URI's head; returns its reference."""
        if len(text) > 3 * LARGEST_FILE:  # in base64 4/3 of that, and all of it may be escaped
            return self._add_broken(text, "oversized image", f"the image: {len(text):,} characters of base64")
        try:
            content = decode_text(text)
        except ValueError as error:
            return self._add_broken(text, "unreadable image", f"expected base64, got {text[:40]!r}...: {error}")
        return self.add(content)

    def add_recorded(self, text: str) -> str:
        """A reference to an image that a log names by a path, or holds as a data URI."""
        return self.add_base64(text) if is_data_uri(text) else text

    def add_missing(self, problem: str, detail: str) -> str:
        """A reference to an image that the log does not hold, for a problem of `arms.data.images.IMAGE_ADVICE`."""
        return self._add_broken(f"{problem}: {detail}", problem, encodable(detail))

    def has_file(self, recorded: str) -> bool:
        """Whether a recorded path leads to a file in one of the roots."""
        return not isinstance(self._roots.find(recorded), ImageCheck)

    def check(self, references: Sequence[str]) -> dict[str, ImageCheck]:
        """Find, check and keep the images behind some references; see `arms.data.images.ImageChecker`."""
        return check_images(self._take, references, self._workers)

    @property
    def num_found(self) -> int:
        """How many of the references that were added or checked led to an image."""
        return len(self._names)

    @property
    def num_lost(self) -> int:
        """How many of them led to none."""
        return sum(bool(check.problem) for check in self._checks.values())

    def name(self, reference: str) -> str:
        """The path, in the dataset's folder, of an image that was found."""
        return self._names[reference]

    def discard_except(self, references: Collection[str]) -> None:
        """Remove the files that these references do not need, and the folders that are empty then."""
        wanted = {self._names[reference] for reference in references}
        for name in sorted({*self._names.values()} - wanted):
            (self._folder / name).unlink()
            for parent in (self._folder / name).parents:
                if parent == self._folder or any(parent.iterdir()):
                    break
                parent.rmdir()

    def _take(self, reference: str) -> ImageCheck:
        """What is behind one reference, its file kept."""
        if reference not in self._checks:
            self._checks[reference] = self._take_file(reference)
        return self._checks[reference]

    def _take_file(self, reference: str) -> ImageCheck:
        """What is behind a recorded path, its file kept."""
        found = self._roots.find(reference)
        if isinstance(found, ImageCheck):
            return found
        check, content = read_image(found.file, reference, decode=self._decode)
        if not check.problem:
            self._names[reference] = self._write(content, found.name if self._keep_names else _name_of(check))
        return check

    def _write(self, content: bytes, name: str) -> str:
        """Keep an image's bytes under this path in the dataset's folder; returns the path."""
        target = os.path.join(self._folder, name)
        folder = os.path.dirname(target)
        try:
            if folder not in self._made:
                os.makedirs(folder, exist_ok=True)
                self._made.add(folder)
            if not os.path.lexists(target):
                with open(target, "wb") as file:
                    file.write(content)
        except OSError as error:
            raise ArmsError(f"image {name}: could not be written into the dataset: {error.strerror}") from error
        return name

    def _add_broken(self, text: str, problem: str, detail: str) -> str:
        reference = _BROKEN + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        self._checks[reference] = ImageCheck(problem=problem, detail=detail)
        return reference


def _name_of(check: ImageCheck) -> str:
    """The path of an image that is named by its content."""
    return f"images/{check.sha256[:20]}.{check.format.lower()}"
