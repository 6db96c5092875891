"""From an image's path as a log records it to a file under one of the given roots, and never out of them."""

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from urllib.parse import unquote

from arms.data.images import IMAGE_ADVICE, ImageCheck
from arms.data.tables import OUTCOMES, PROBABILITIES, QUERIES, VLMS_FILE
from arms.importers.set_aside import REPORT_FILE, SET_ASIDE_FOLDER

_RESERVED = {QUERIES.file, OUTCOMES.file, PROBABILITIES.file, VLMS_FILE, REPORT_FILE, SET_ASIDE_FOLDER}
_MOVED = (
    "if the images are elsewhere here, name their folder: --images FOLDER; if the log has the paths of another "
    "machine, name also what they begin with there: --image-prefix PATH"
)
# What to do about an image that a log names.
LOG_IMAGE_ADVICE = {
    **IMAGE_ADVICE,
    "missing image file": f"{_MOVED}; else add the file",
    "image outside the roots": _MOVED,
}
_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # C:// is a drive
_FILE_ADDRESS = re.compile(r"file://[^/]*(?=/)", re.IGNORECASE)


class Found(NamedTuple):
    """A file that a recorded path leads to."""

    file: Path  # its real path, links followed
    name: str  # the path as recorded, without what the roots replace


class ImageRoots:
    """The folders in which images are looked for.

    Parameters
    ----------
    roots : sequence of Path
        The first that has an image wins; no path leads out of them.
    prefixes : sequence of str
        Parts of recorded paths that the roots replace; of several that fit the longest.
    own_names : bool
        Images are to keep their recorded paths, which must then be relative and leave the dataset's tables their names.
    """

    def __init__(self, roots: Sequence[Path], *, prefixes: Sequence[str] = (), own_names: bool = False) -> None:
        self._roots = [os.path.realpath(root) for root in roots]
        self._folders: dict[str, str] = {}  # their real paths, by the paths that led there
        paths = [PurePosixPath(prefix.replace("\\", "/")) for prefix in prefixes if prefix]
        self._prefixes = sorted(paths, key=lambda path: len(path.parts), reverse=True)
        self._own_names = own_names

    def find(self, recorded: str) -> Found | ImageCheck:
        """The file that a recorded path leads to, inside one of the roots; or what is wrong."""
        if _ADDRESS.match(recorded):
            return ImageCheck(problem="image on the web", detail=recorded)
        readings = self._read(recorded)
        problem = next(filter(None, map(self._forbid, readings)), "")
        if problem:
            return ImageCheck(problem=problem, detail=recorded)
        try:
            return self._look_for(readings, recorded)
        except (OSError, ValueError) as error:  # a name too long, or with a NUL character
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return ImageCheck(problem="missing image file", detail=f"{recorded}: {reason}")

    def _read(self, recorded: str) -> list[PurePosixPath]:
        """What a recorded path may mean here: with backslashes a file's name, or a path on Windows."""
        address = _FILE_ADDRESS.match(recorded)
        path = unquote(recorded[address.end() :]) if address else recorded
        readings = [PurePosixPath(path)]
        if "\\" in path:
            readings.append(PurePosixPath(path.replace("\\", "/")))
        return list(map(self._without_prefix, readings))

    def _without_prefix(self, path: PurePosixPath) -> PurePosixPath:
        """A path without the part that the roots replace."""
        prefix = next(filter(path.is_relative_to, self._prefixes), None)
        return path if prefix is None else path.relative_to(prefix)

    def _forbid(self, path: PurePosixPath) -> str:
        """What is wrong with a path wherever it leads."""
        if ".." in path.parts:
            return "image path with '..'"
        if self._own_names and (path.is_absolute() or PureWindowsPath(path).anchor):
            return "absolute image path"
        if self._own_names and path.parts and path.parts[0].lower() in _RESERVED:
            return "image under a table's name"
        return ""

    def _look_for(self, readings: Sequence[PurePosixPath], recorded: str) -> Found | ImageCheck:
        """The first file that a reading of a path leads to, or where it leads else."""
        problem = None
        roots = ", ".join(self._roots)
        for path in readings:
            for root in self._roots:
                real = self._follow(os.path.join(root, path))
                file = Path(real)
                if real != root and not real.startswith(os.path.join(root, "")):
                    kind = "image outside the folder" if self._own_names else "image outside the roots"
                    problem = problem or ImageCheck(problem=kind, detail=f"{recorded} leads out of {roots}")
                elif file.is_file():
                    return Found(file, str(path))
                elif file.exists():
                    problem = problem or ImageCheck(problem="missing image file", detail=f"{recorded} is not a file")
        return problem or ImageCheck(problem="missing image file", detail=f"{recorded} is not in {roots}")

    def _follow(self, path: str) -> str:
        """As `os.path.realpath`, but the links on the way to a folder are followed once."""
        folder, name = os.path.split(path)
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = os.path.realpath(folder)
        file = os.path.join(real, name)
        try:
            is_link = stat.S_ISLNK(os.lstat(file).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return file
        return os.path.realpath(file) if is_link else file
