"""What a row holds where its images should be: paths, base64, bytes, or what Hugging Face's datasets make of these."""

import json
import re
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from arms.errors import ArmsError
from arms.importers.image_intake import ImageIntake
from arms.importers.texts import shown

_REMEMBERED = 2**26  # characters of images whose references are remembered, as rows of one query share an image
_LONGEST_PATH = 4096  # no system has longer ones
_BASE64 = re.compile(r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|Qk|SUkq|TU0AK)[A-Za-z0-9+/\s]*")  # PNG, JPEG, GIF, ...
_SHORTEST_BASE64 = 64
_LIST = re.compile(r"\s*\[.*\]\s*", re.DOTALL)
_SEVERAL = "images:"  # opens the references of several images or none, written as one text


def _join_images(references: list[str]) -> str:
    """One text for some references; that of one image is its reference, unless that looks like several."""
    if len(references) == 1 and not references[0].startswith(_SEVERAL):
        return references[0]
    return _SEVERAL + json.dumps(references)


def split_images(text: str) -> tuple[str, ...]:
    """The references in a text that `ImageCells.of` made."""
    return tuple(json.loads(text.removeprefix(_SEVERAL))) if text.startswith(_SEVERAL) else (text,)


@dataclass
class ImageCells:
    """Gives the references of images in cells, and remembers some."""

    images: ImageIntake
    _known: dict[str, str] = field(default_factory=dict)
    _size: int = 0

    def of(self, value: Any) -> str | None:
        """The reference of an image, or of the images in a list as one text, see `split_images`.

        An image is a path, a data URI, base64, bytes, or a mapping with `bytes` and `path`. A list may be written out.

        Raises
        ------
        ArmsError
            If the value, or an item of a list, is no image.
        """
        value = listed(value)
        if isinstance(value, list):
            return self._of_all(value)
        reference = self._of_one(value)
        return None if reference is None else _join_images([reference])

    def of_columns(self, values: Sequence[Any]) -> str | None:
        """The same for the images in several columns, one after the other; what is empty is passed over."""
        lists = [value if isinstance(value, list) else [value] for value in map(listed, values)]
        images = [image for of_column in lists for image in of_column if image not in (None, "")]
        return self._of_all(images) if images else None

    def _of_all(self, images: list[Any]) -> str:
        references = [one for one in map(self._of_one, images) if one is not None]
        if len(references) < len(images):
            raise ArmsError(f"expected a list of images, got {shown(images)}")
        return _join_images(references)

    def _of_one(self, value: Any) -> str | None:
        if isinstance(value, str):
            return self._known.get(value) or self._of_text(value)
        if isinstance(value, dict) and {"bytes", "path"} & value.keys():
            content = value.get("bytes")
            if isinstance(content, str) and content:
                return self.images.add_base64(content)
            value = content if isinstance(content, bytes) and content else value.get("path")
        if isinstance(value, str):
            return self._of_text(value)
        if value is None:
            return None
        if isinstance(value, bytes):
            return self.images.add(value)
        raise ArmsError(f"expected an image, a path, base64 or bytes, got {shown(value)}")

    def _of_text(self, text: str) -> str:
        self._size += len(text)
        if self._size > _REMEMBERED:
            self._known, self._size = {}, len(text)
        take = self.images.add_base64 if _is_base64(text) else self.images.add_recorded
        return self._known.setdefault(text, take(text))


def listed(value: Any) -> Any:
    """A list that a text writes out, as JSON or as Python does; anything else as it is."""
    if not isinstance(value, str) or not _LIST.fullmatch(value):
        return value
    for read in (json.loads, literal_eval):
        try:
            found = read(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list):
            return found
    return value  # a path in brackets


def _is_base64(text: str) -> bool:
    """Whether a text is an image in base64: it begins like one, or is longer than a path can be."""
    if text[:5].lower() == "data:" or len(text) < _SHORTEST_BASE64:
        return False
    return len(text) > _LONGEST_PATH or bool(_BASE64.fullmatch(text, 0, _SHORTEST_BASE64))
