"""Pictures of some bytes that say to be very large, and one that is small and holds much else."""

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image, PngImagePlugin

from tests.fakes import png_of_size

_SIDE = 50_000


def bomb_tiff() -> bytes:
    """One strip of grey, deflated."""
    tags = ((256, _SIDE), (257, _SIDE), (258, 8), (259, 8), (262, 1), (273, 8), (277, 1), (278, _SIDE), (279, 4))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def bomb_bmp() -> bytes:
    """24 bits a pixel."""
    header = struct.pack("<IiiHHIIiiII", 40, _SIDE, _SIDE, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


def bomb_gif(screen: int, frame: int) -> bytes:
    """A frame on a screen, either of which may be the large one."""
    head = b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0x80, 0, 0) + bytes(6)
    return head + b"," + struct.pack("<HHHHB", 0, 0, frame, frame, 0) + b"\x02\x02\x44\x01\x00;"


def bomb_webp() -> bytes:
    """Of the largest size that the format knows; 14 bits each have width and height, less one."""
    content = bytearray(_small("WEBP", lossless=True))
    at = content.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", content, at)
    struct.pack_into("<I", content, at, (bits >> 28 << 28) | (16382 << 14) | 16382)
    return bytes(content)


def bomb_jpeg() -> bytes:
    """Of the largest size that its library takes."""
    content = bytearray(_small("JPEG"))
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 65_500, 65_500)
    return bytes(content)


def png_with_long_text() -> bytes:
    """A text chunk of 256 MiB, deflated to 256 KiB."""
    texts = PngImagePlugin.PngInfo()
    texts.add(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**28), 9))
    return _small("PNG", pnginfo=texts)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png": lambda: png_of_size(_SIDE, _SIDE),
    "tiff": bomb_tiff,
    "bmp": bomb_bmp,
    "gif": lambda: bomb_gif(65_535, 65_535),
    "frame.gif": lambda: bomb_gif(10, 65_535),
    "webp": bomb_webp,
    "jpeg": bomb_jpeg,
}


def _small(kind: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, kind, **settings)
    return stream.getvalue()
