"""Pictures as people and VLMs see them: upright, 8 bits deep, on white.

An opaque 8-bit picture that says nothing of turning keeps its pixels, in RGB.
"""

from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image

APPEARANCE = "upright, 8 bits by range, on white"  # part of the fingerprint of features; a change here is told there

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MOST_OF_8_BITS = 255
_BAND_PIXELS = 2**22  # scaled or laid over white at a time: a file of some kilobytes may have 89 million


def as_seen(image: Image.Image) -> Image.Image:
    """Decode a picture, turn it as its EXIF says, scale its depth to 8 bits, and lay what is transparent over white.

    Values of 16 bits (12 in some TIFF files) are scaled by that range. Those of 32 bits have none that is known: their
    own smallest becomes black and their largest white. EXIF that cannot be read counts as none.

    Parameters
    ----------
    image : Image of any mode
        Stays as it is, but that it is decoded.

    Returns
    -------
    Image of mode RGB, without metadata
    """
    image.load()
    turn = _TURNS.get(_orientation(image))
    picture = _plain(image) if _is_deep(image) or image.has_transparency_data else image.convert("RGB")
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info = {}  # else a second reading would turn it again
    return picture


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # what cameras and editors write there makes Pillow raise errors of many types
        return 1


def _plain(image: Image.Image) -> Image.Image:
    """A deep or transparent picture in RGB, made band by band."""
    limits = _limits(image) if _is_deep(image) else None
    picture = Image.new("RGB", image.size)
    for top, band in _bands(image):
        if limits is not None:
            band = _eight_bits(band, *limits)
        picture.paste(_on_white(band) if band.has_transparency_data else band.convert("RGB"), (0, top))
    return picture


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture from top to bottom in parts of whole rows, each with its upper edge."""
    rows = max(1, _BAND_PIXELS // max(1, image.width))
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _limits(image: Image.Image) -> tuple[float, float]:
    """The values of a deep picture that become black and white."""
    if image.mode.startswith("I;16"):
        return 0.0, 2.0 ** _bits(image) - 1
    bands = (np.asarray(band) for _, band in _bands(image))
    known = (values[np.isfinite(values)] for values in bands)
    ends = [(float(values.min()), float(values.max())) for values in known if values.size]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0.0, 0.0)


def _eight_bits(image: Image.Image, low: float, high: float) -> Image.Image:
    """A picture of one deep channel as mode L, or LA if one of its values stands for transparency."""
    values = np.asarray(image)
    scaled = (np.nan_to_num(values.astype(np.float32), posinf=high, neginf=low) - low) * (255 / ((high - low) or 1))
    grey = Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def _bits(image: Image.Image) -> int:
    """Bits of a value: those that a TIFF file states, else 16."""
    tags = getattr(image, "tag_v2", {})
    return max(tags.get(ExifTags.Base.BitsPerSample, (16,)))


def _on_white(picture: Image.Image) -> Image.Image:
    clear = picture.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > _MOST_OF_8_BITS:  # a PNG of 16 bits a channel, of which Pillow keeps 8
        picture = picture.copy()
        picture.info["transparency"] = tuple(value >> 8 for value in clear)
    colours = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")
