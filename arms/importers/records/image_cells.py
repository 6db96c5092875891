"""What a row holds where its image should be: a path, base64, bytes, or what Hugging Face's datasets make of these."""

import re
from dataclasses import dataclass, field
from typing import Any

from arms.errors import ArmsError
from arms.importers.image_intake import ImageIntake
from arms.importers.texts import shown

_REMEMBERED = 2**26  # characters of images whose references are remembered, as rows of one query share an image
_LONGEST_PATH = 4096  # no system has longer ones
_BASE64 = re.compile(r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|Qk|SUkq|TU0AK)[A-Za-z0-9+/\s]*")  # PNG, JPEG, GIF, ...
_SHORTEST_BASE64 = 64


@dataclass
class ImageCells:
    """Gives the references of images in cells, and remembers some."""

    images: ImageIntake
    _known: dict[str, str] = field(default_factory=dict)
    _size: int = 0

    def of(self, value: Any) -> str | None:
        """The reference of an image: a path, a data URI, base64, bytes, or a mapping with `bytes` and `path`.

        Raises
        ------
        ArmsError
            If it is something else.
        """
        if isinstance(value, str):
            return self._known.get(value) or self._of_text(value)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
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
        raise ArmsError(f"expected one image, a path, base64 or bytes, got {shown(value)}")

    def _of_text(self, text: str) -> str:
        self._size += len(text)
        if self._size > _REMEMBERED:
            self._known, self._size = {}, len(text)
        take = self.images.add_base64 if _is_base64(text) else self.images.add_recorded
        return self._known.setdefault(text, take(text))


def _is_base64(text: str) -> bool:
    """Whether a text is an image in base64: it begins like one, or is longer than a path can be."""
    if text[:5].lower() == "data:" or len(text) < _SHORTEST_BASE64:
        return False
    return len(text) > _LONGEST_PATH or bool(_BASE64.fullmatch(text, 0, _SHORTEST_BASE64))
