"""Turned, deep and transparent pictures equal their plain twins."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image, features

from arms.data.appearance import _BAND_PIXELS, as_seen
from arms.data.pictures import decode_picture, open_picture

WHITE = (255, 255, 255)
# How each value of EXIF's orientation is stored, from the upright picture; as the standard's table has it.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.fixture
def plain() -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 256, (4, 7, 3), dtype=np.uint8)
    return np.kron(values, np.ones((8, 8, 1), np.uint8))


def saved(image: Image.Image, kind: str, **settings) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def read(image: Image.Image, kind: str = "PNG", **settings) -> np.ndarray:
    """The picture after a round through a file."""
    return np.asarray(decode_picture(saved(image, kind, **settings), "a"))


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_exif_turns_pictures(plain, kind, orientation):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](plain)))
    got = read(stored, kind, exif=exif, **settings.get(kind, {}))
    assert got.shape == plain.shape
    assert np.abs(got.astype(int) - plain).mean() < (3 if kind in ("JPEG", "AVIF") else 1e-9)


def test_a_picture_is_not_turned_twice(plain):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(Image.fromarray(np.ascontiguousarray(np.rot90(plain))), "PNG", exif=exif)
    given = Image.open(io.BytesIO(content))
    once = open_picture(given)
    np.testing.assert_array_equal(np.asarray(open_picture(once)), plain)
    assert given.size == plain.shape[:2], "the caller's picture stays as it is"
    assert given.getexif()[0x0112] == 6


@pytest.mark.parametrize("exif", [b"nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*"])
def test_exif_that_cannot_be_read_counts_as_none(plain, exif):
    np.testing.assert_array_equal(read(Image.fromarray(plain), exif=exif), plain)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey(plain, kind):
    grey = plain[..., 0]
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert Image.open(io.BytesIO(saved(deep, kind))).mode == "I;16"
    np.testing.assert_array_equal(read(deep, kind), np.stack([grey] * 3, axis=-1))
    # As the twin of 8 bits is read.
    np.testing.assert_array_equal(read(deep, kind), read(Image.fromarray(grey), kind))


def test_twelve_bits_of_grey():
    deep = Image.fromarray(np.array([[0, 2048, 4095]], dtype=np.uint16))
    deep.tag_v2 = {258: (12,)}
    assert np.asarray(as_seen(deep))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_thirty_two_bits_go_from_their_smallest_to_their_largest(dtype):
    deep = Image.fromarray(np.array([[-100, 0, 100, 300]], dtype=dtype))
    expected = [0, 64, 128, 255]
    assert np.asarray(as_seen(deep))[0, :, 1].tolist() == expected
    assert read(deep, "TIFF")[0, :, 2].tolist() == expected


def test_values_that_are_no_numbers():
    deep = Image.fromarray(np.array([[np.nan, 1, 3, np.inf, -np.inf]], dtype=np.float32))
    assert np.asarray(as_seen(deep))[0, 1:, 0].tolist() == [0, 255, 255, 0]
    assert np.asarray(as_seen(Image.fromarray(np.full((1, 2), 7, dtype=np.float32)))).max() == 0


def clear_ground(plain: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture with transparent black where alpha is 0, and how it looks on white."""
    rgba = np.concatenate([np.where(alpha[..., None], plain, 0), alpha[..., None]], axis=-1).astype(np.uint8)
    on_white = np.where(alpha[..., None], plain, 255).astype(np.uint8)
    return rgba, on_white


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_laid_over_white(plain, kind):
    alpha = np.where(np.arange(plain.shape[1]) < 30, 255, 0) * np.ones((plain.shape[0], 1), dtype=int)
    rgba, on_white = clear_ground(plain, alpha)
    settings = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(read(Image.fromarray(rgba), kind, **settings), on_white)


def test_half_transparent_is_half_white():
    assert as_seen(Image.new("RGBA", (1, 1), (0, 100, 200, 51))).getpixel((0, 0)) == (204, 224, 244)
    assert as_seen(Image.new("LA", (1, 1), (0, 51))).getpixel((0, 0)) == (204, 204, 204)


def test_transparent_values_of_pictures_without_alpha():
    for mode, value, clear in (("L", 7, 7), ("RGB", (7, 8, 9), (7, 8, 9)), ("1", 0, 0), ("P", 3, 3)):
        image = Image.new(mode, (2, 1), 255 if mode != "RGB" else (1, 1, 1))
        if mode == "P":
            image.putpalette(list(range(256)) * 3)
        image.putpixel((0, 0), value)
        got = read(image, transparency=clear)
        assert tuple(got[0, 0]) == WHITE, mode
    deep = Image.fromarray(np.array([[0, 65535, 256]], dtype=np.uint16))
    assert read(deep, transparency=0)[0, :, 0].tolist() == [255, 255, 1]


def test_a_transparent_colour_of_sixteen_bits_a_channel():
    image = Image.new("RGB", (2, 1), (200, 10, 10))
    image.putpixel((0, 0), (18, 52, 86))
    image.info["transparency"] = (0x1234, 0x3456, 0x5678)
    assert [as_seen(image).getpixel((x, 0)) for x in range(2)] == [WHITE, (200, 10, 10)]


def test_a_gif_with_a_clear_ground():
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    got = read(image, "GIF", transparency=0)
    assert [tuple(pixel) for pixel in got[0].tolist()] == [WHITE, (200, 100, 50)]


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "HSV"])
def test_opaque_pictures_keep_their_pixels(plain, mode):
    image = Image.fromarray(plain).convert(mode)
    np.testing.assert_array_equal(np.asarray(as_seen(image)), np.asarray(image.convert("RGB")))


def test_an_alpha_channel_that_hides_nothing_changes_nothing(plain):
    opaque = Image.fromarray(plain).convert("RGBA")
    np.testing.assert_array_equal(np.asarray(as_seen(opaque)), plain)
    np.testing.assert_array_equal(read(opaque, "WEBP", lossless=True), plain)


@pytest.mark.parametrize("mode", ["RGBA", "P", "I;16", "F"])
def test_bands_leave_no_trace(plain, monkeypatch, mode):
    """A large picture is made band by band; so is this one."""
    values = plain[..., 0].astype(np.uint16) * 257
    image = Image.fromarray(plain).convert("RGBA" if mode == "RGBA" else "L")
    if mode == "RGBA":
        image.putalpha(Image.fromarray(plain[..., 1]))
    elif mode == "P":
        image = image.quantize(8)
        image.info["transparency"] = 3
    else:
        image = Image.fromarray(values if mode == "I;16" else values.astype(np.float32))
    whole = np.asarray(as_seen(image))
    monkeypatch.setattr("arms.data.appearance._BAND_PIXELS", 3 * image.width)
    np.testing.assert_array_equal(np.asarray(as_seen(image)), whole)


def test_a_large_deep_picture_is_never_held_in_floats():
    deep = Image.fromarray(np.zeros((3000, 3000), dtype=np.float32))
    tracemalloc.start()
    try:
        as_seen(deep)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 25 * _BAND_PIXELS < 3 * 4 * 3000**2
