"""The values of M2's records as texts; an image is taken in, and stands as its reference."""

import re
from typing import Any

import pyarrow as pa

from arms.errors import ArmsError
from arms.importers.csv.file import TEXT
from arms.importers.images import ImageIntake
from arms.importers.texts import as_text, shown

TEXTS_ONLY = ("question", "vlm")

_LONGEST_PATH = 4096  # no system has longer ones
_BASE64 = re.compile(r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|Qk|SUkq|TU0AK)[A-Za-z0-9+/\s]*")  # PNG, JPEG, GIF, ...
_SHORTEST_BASE64 = 64


def value_text(held: str, value: Any) -> str | None:
    """A value as text; an ArmsError if it has to be text and is not.

    Parameters
    ----------
    held : str
        What it is, a key of `fields.FIELDS`.
    value : any
    """
    if held in TEXTS_ONLY and not (value is None or isinstance(value, str)):
        raise ArmsError(f"expected the {held} as text, got {shown(value)}")
    return as_text(value)


def image_reference(value: Any, images: ImageIntake) -> str | None:
    """The reference of an image; an ArmsError if the value is none.

    Parameters
    ----------
    value : any
        A path, a data URI, base64, bytes, or a mapping with `bytes` and `path`, of which one may be null; null.
    images : ImageIntake
        Takes it in.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and {"bytes", "path"} & value.keys():
        content = value.get("bytes")
        if isinstance(content, str) and content:
            return images.add_base64(content)
        value = content if isinstance(content, bytes) and content else value.get("path")
    if value is None:
        return None
    if isinstance(value, bytes):
        return images.add(value)
    if isinstance(value, str):
        return images.add_base64(value) if _is_base64(value) else images.add_recorded(value)
    raise ArmsError(f"expected one image, a path, base64 or bytes, got {shown(value)}")


def encode(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Texts as `csv.file.TEXT`."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    return texts.cast(pa.large_string()).dictionary_encode().cast(TEXT)


def _is_base64(text: str) -> bool:
    """Whether a text is an image in base64: it begins like one, or is longer than a path can be."""
    if text[:5].lower() == "data:" or len(text) < _SHORTEST_BASE64:
        return False
    return len(text) > _LONGEST_PATH or bool(_BASE64.fullmatch(text, 0, _SHORTEST_BASE64))
