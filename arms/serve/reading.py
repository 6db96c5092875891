"""What a request asks, as the router takes it: the text, and the pictures decoded within the limits."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from arms.data.pictures import PictureError, decode_picture, size_of
from arms.routers.messages import read_messages
from arms.serve.problems import RequestError
from arms.serve.settings import LimitSettings

_PICTURES = ("image_url", "input_image")


@dataclass(frozen=True)
class Extent:
    """How much a whole conversation has: characters of text, and images."""

    characters: int
    images: int


@dataclass(frozen=True)
class Read:
    """What the router reads of a request.

    Attributes
    ----------
    text : str
    files : tuple of bytes
        The images asked about.
    pictures : list of Image
        These, decoded.
    text_sha256 : str
    files_sha256 : tuple of str
    """

    text: str
    files: tuple[bytes, ...]
    pictures: list[Image.Image]
    text_sha256: str
    files_sha256: tuple[str, ...]


def extent_of(messages: list[Any], limits: LimitSettings) -> Extent:
    """How much a conversation has; a RequestError if it has more images than the limit."""
    characters, images = 0, 0
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            characters += len(content)
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") in _PICTURES:
                images += 1
            elif isinstance(part, dict) and isinstance(part.get("text"), str):
                characters += len(part["text"])
    if images > limits.images:
        raise RequestError(
            400,
            f"messages: expected {limits.images} images at most, got {images}",
            code="too_many_images",
            param="messages",
        )
    return Extent(characters, images)


def read_asked(
    messages: list[Any], fetched: Mapping[str, bytes], context_tokens: int, limits: LimitSettings, *, decode: bool
) -> Read:
    """Read a conversation, and decode its pictures if asked to.

    Raises
    ------
    ArmsError
        If no router can read it.
    RequestError
        If a picture is larger than the limit.
    """
    asked = read_messages(messages, context_tokens=context_tokens, fetched=fetched)
    pictures = []
    for place, file in enumerate(asked.images if decode else ()):
        where = f"image {place + 1} of messages[{asked.images_turn}]"
        _check_size(file, where, limits)
        pictures.append(decode_picture(file, where))
    digests = tuple(hashlib.sha256(file).hexdigest() for file in asked.images)
    return Read(asked.text, asked.images, pictures, _sha256(asked.text), digests)


def unread(messages: list[Any]) -> Read:
    """What stands for a conversation that no router can read: the hash of its JSON."""
    return Read("", (), [], _sha256(json.dumps(messages)), ())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_size(file: bytes, where: str, limits: LimitSettings) -> None:
    try:
        width, height = size_of(file, where)
    except PictureError as error:
        if error.problem != "oversized image":
            raise
        raise RequestError(413, str(error), code="image_too_large", param="messages") from error
    if width * height > limits.pixels:
        raise RequestError(
            413,
            f"{where}: expected {limits.pixels:,} pixels at most, got {width:,} x {height:,}; send a smaller one",
            code="image_too_large",
            param="messages",
        )
