"""Images from VLMEvalKit's benchmark files, {benchmark}.tsv: streamed, as such a file may have many gigabytes."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arms.errors import ArmsError
from arms.importers.image_intake import ImageIntake
from arms.importers.rows.delimited import Dialect, open_delimited
from arms.importers.set_aside import SetAside

DIALECT = Dialect(delimiter="\t", errors="surrogateescape", max_cell=2**29)  # a cell may hold some 400 MB of images
_SHARED = 64  # an image cell of so many characters or fewer is the index of the row whose image it shares
_LIST = re.compile(r"\s*\[(.*)\]\s*", re.DOTALL)
_ITEM = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)")\s*(,|$)""")
_ZEROS = re.compile(r"-?\d+\.0+")

Problem = tuple[str, str]  # a key of `arms.data.images.IMAGE_ADVICE`, and what happened
NONE = "no image in the log"


@dataclass
class TsvImages:
    """What a benchmark's file holds for the rows asked for: each is either found or has a problem."""

    found: dict[str, tuple[str, ...]] = field(default_factory=dict)  # index to references, see `ImageIntake`
    problems: dict[str, Problem] = field(default_factory=dict)


def as_index(cell: Any) -> str | None:
    """A row's index as text, the same for 3, 3.0, "3" and "3.0"; null where there is none."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    text = str(cell).strip()
    return (text.partition(".")[0] if _ZEROS.fullmatch(text) else text) or None


def as_list(cell: str) -> list[str]:
    """The parts of a cell that may be a list written out, such as "['a', 'b']"; an ArmsError if it is a broken one."""
    listed = _LIST.fullmatch(cell)
    if not listed:
        return [cell]
    parts, position, body = [], 0, listed[1].strip()
    while position < len(body):
        item = _ITEM.match(body, position)
        if not item:
            raise ArmsError(f"expected a list of quoted texts, got {cell[:40]!r}...")
        parts.append(item[1] if item[1] is not None else item[2])
        position = item.end()
    return parts


def read_images(path: Path, wanted: Collection[str], images: ImageIntake, aside: SetAside) -> TsvImages:
    """Take in the images of some rows of a benchmark's file.

    The file is read once, and once more if rows asked for share the image of rows that are not; one row is in memory
    at a time. An image is base64; where there is none, `image_path` names it. Either cell may be a list of several.

    Parameters
    ----------
    path : Path
    wanted : collection of str
        Indices of rows, as `as_index` gives them.
    images : ImageIntake
    aside : SetAside
        Receives rows that cannot be read, and if the file cannot be read to its end.

    Raises
    ------
    ArmsError
        If the file's beginning cannot be read, or it has no column `index` or neither `image` nor `image_path`.
    """
    first = _Scan(path, frozenset(wanted), images)
    first.run(aside)
    result = TsvImages(problems={index: first.problems[index] for index in wanted if index in first.problems})
    targets = {}
    for index in wanted:
        if index in first.found:
            result.found[index] = first.found[index]
        elif index not in result.problems:
            target = _follow(index, first)
            if isinstance(target, str):
                targets[index] = target
            else:
                result.problems[index] = target
    _share(targets, first, result, path, images)
    return result


def _share(targets: dict[str, str], first: "_Scan", result: TsvImages, path: Path, images: ImageIntake) -> None:
    """Give rows the images of the rows that they lead to, with a second scan for those not asked for the first time."""
    unread = frozenset(target for target in targets.values() if target not in first.found)
    second = _Scan(path, unread, images)
    if unread:
        second.run(SetAside())  # what cannot be read is known from the first scan
    for index, target in targets.items():
        found = first.found.get(target) or second.found.get(target)
        if found:
            result.found[index] = found
        else:
            result.problems[index] = second.problems.get(target) or (NONE, f"{target}, whose image it shares, is lost")


def _follow(index: str, scan: "_Scan") -> str | Problem:
    """The row whose image a row shares at the end of the chain, or why there is none."""
    seen = [index]
    while seen[-1] in scan.shared:
        target = scan.shared[seen[-1]]
        if target in seen:
            return NONE, f"rows that share each other's images: {', '.join([*seen, target])}"
        seen.append(target)
    last = seen[-1]
    if last in scan.problems:
        return scan.problems[last]
    if last in scan.with_image and last != index:
        return last
    if last == index:
        return NONE, f"{scan.path} has no row {index}"
    return NONE, f"{scan.path} has no row {last}, whose image row {index} shares"


class _Scan:
    """One pass through a file: the images of the rows asked for, and of all others whose image they share."""

    def __init__(self, path: Path, wanted: Collection[str], images: ImageIntake) -> None:
        self.path = path
        self.found: dict[str, tuple[str, ...]] = {}
        self.problems: dict[str, Problem] = {}
        self.shared: dict[str, str] = {}
        self.with_image: set[str] = set()
        self._wanted = wanted
        self._images = images

    def run(self, aside: SetAside) -> None:
        """Read the file to its end, or to where it breaks."""
        with open_delimited(self.path, aside, DIALECT) as table:
            columns = [name for name in ("index", "image", "image_path") if name in (table.columns or ())]
            if "index" not in columns or len(columns) == 1:
                found = ", ".join(table.columns or ())
                raise ArmsError(f"{self.path}: expected columns index and image or image_path, got {found}")
            rows = table.rows(columns)
            try:
                for _, cells in rows:
                    if key := as_index(cells["index"]):
                        self._add(key, cells.get("image") or "", cells.get("image_path") or "")
            except ArmsError as error:
                aside.add(
                    "benchmark file that breaks off", str(self.path), "download the file again", detail=str(error)
                )

    def _add(self, index: str, image: str, image_path: str) -> None:
        """What one row says of its image; of rows of one index the first problem counts."""
        if index in self.problems:
            return
        if len(image) > _SHARED and index not in self._wanted:
            self.with_image.add(index)
        elif image.strip():
            self._add_cell(index, image, self._images.add_base64)
        elif image_path.strip() and index in self._wanted:
            self._add_cell(index, image_path, self._images.add_recorded, is_path=True)
        elif image_path.strip():
            self.with_image.add(index)
        elif index not in self.found:
            self.problems[index] = (NONE, f"row {index} of {self.path} has no image")

    def _add_cell(self, index: str, cell: str, take: Callable[[str], str], *, is_path: bool = False) -> None:
        """A cell with images, or the index of another row; rows of one index must agree."""
        try:
            parts = as_list(cell)
        except ArmsError as error:
            self.problems[index] = (NONE, f"row {index} of {self.path}: {error}")
            return
        if not parts:
            self.problems[index] = (NONE, f"row {index} of {self.path} has 0 images")
        elif not is_path and len(parts) == 1 and len(parts[0]) <= _SHARED:
            target = as_index(parts[0]) or ""
            if self.shared.setdefault(index, target) != target or index in self.found:
                self._disagree(index)
        else:
            self.with_image.add(index)
            if index in self._wanted:
                images = tuple(map(take, parts))
                if self.found.setdefault(index, images) != images or index in self.shared:
                    self._disagree(index)

    def _disagree(self, index: str) -> None:
        """Note that rows of one index say different things."""
        self.found.pop(index, None)
        self.shared.pop(index, None)
        self.problems[index] = (NONE, f"{self.path} has several rows {index} with different images")
