"""Turned, deep and transparent pictures have the features of their plain twins, and never those of a store before."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from arms.encoders.image import build_image_encoder
from arms.features.extract import extract
from arms.features.store import FeatureStore
from arms.features.trunk import run_trunk
from arms.params.encoders import read_encoders_params
from tests.data.test_appearance import STORED
from tests.fakes import CPU
from tests.pipeline import ROOT
from tests.stores import keys

GROUND = 255


@pytest.fixture(scope="module")
def encoder():
    """The bundled one, as most datasets are encoded by it."""
    return build_image_encoder(read_encoders_params("bundled", ROOT).image, seed=1)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    """A drawing on white, with something black."""
    image = Image.new("RGB", (160, 96), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 10, 50, 84), fill="red")
    draw.ellipse((90, 20, 150, 60), fill="blue")
    draw.line((60, 90, 150, 80), fill="black", width=4)
    return np.asarray(image)


@pytest.fixture(scope="module")
def grey(plain) -> np.ndarray:
    """The same in grey, from black to white."""
    return np.asarray(Image.fromarray(plain).convert("L"))


def embedded(encoder, *sources) -> list[np.ndarray]:
    """What the frozen blocks give for each picture, all arrays in one."""
    found = [run_trunk(encoder, [encoder.read(source)], CPU) for source in sources]
    return [np.concatenate([np.asarray(values).reshape(-1) for values in arrays.values()]) for arrays in found]


def check_alike(encoder, file, twin) -> None:
    got, expected = embedded(encoder, file, Image.fromarray(twin))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("orientation", STORED)
def test_turned(encoder, plain, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](plain)))
    for name in ("a.png", "a.tiff"):
        stored.save(tmp_path / name, exif=exif)
        check_alike(encoder, tmp_path / name, plain)


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_turned_photographs(encoder, plain, tmp_path, orientation):
    """JPEG's own error, which is another one for each way in which a picture lies, is far below that of lying."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = Image.fromarray(np.ascontiguousarray(STORED[orientation](plain)))
    lying.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    Image.fromarray(plain).save(tmp_path / "upright.jpg", quality=95)
    got, expected, unturned = embedded(encoder, tmp_path / "turned.jpg", tmp_path / "upright.jpg", lying)
    assert np.linalg.norm(got - expected) < 0.1 * np.linalg.norm(unturned - expected)


def as_16_bits(values: np.ndarray) -> np.ndarray:
    """Black to white over the whole range of 16 bits."""
    return values.astype(np.uint16) * 257


@pytest.mark.parametrize("kind", ["a.png", "a.tiff"])
@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_sixteen_bits_of_grey(encoder, grey, tmp_path, kind, mode):
    deep = as_16_bits(grey).astype("<u2" if mode == "I;16" else ">u2")
    image = Image.frombytes(mode, grey.shape[::-1], deep.tobytes())
    image.save(tmp_path / kind)
    check_alike(encoder, tmp_path / kind, grey)
    check_alike(encoder, image, grey)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_thirty_two_bits(encoder, grey, tmp_path, dtype):
    Image.fromarray((grey.astype(np.float64) * 1000 - 90_000).astype(dtype)).save(tmp_path / "a.tiff")
    check_alike(encoder, tmp_path / "a.tiff", grey)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_a_channel(encoder, plain, grey, tmp_path, channels):
    colour = plain if channels > 2 else grey[..., None]
    clear = (plain == GROUND).all(axis=-1)
    values = as_16_bits(colour)
    if channels in (2, 4):
        values = np.concatenate([np.where(clear[..., None], 0, values), np.where(clear, 0, 65_535)[..., None]], axis=-1)
    (tmp_path / "a.png").write_bytes(png_of_16_bits(values))
    check_alike(encoder, tmp_path / "a.png", colour.squeeze())


def png_of_16_bits(values: np.ndarray) -> bytes:
    """A PNG of shape (height, width, channels), which Pillow itself writes only for grey."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width, channels = values.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "mode"),
    [*(("a.png", mode) for mode in ("RGBA", "LA", "P", "L", "RGB", "I;16")), ("a.webp", "RGBA"), ("a.gif", "P")],
)
def test_a_clear_ground(encoder, plain, grey, tmp_path, mode, kind):
    twin = plain if mode in ("RGBA", "RGB") else grey
    clear = (plain == GROUND).all(axis=-1)
    settings = {"lossless": True, "exact": True} if kind == "a.webp" else {}
    if mode in ("RGBA", "LA"):
        colours = np.where(clear[..., None], 0, twin.reshape(*clear.shape, -1))
        alpha = np.where(clear, 0, 255)[..., None]
        image = Image.fromarray(np.concatenate([colours, alpha], axis=-1).astype(np.uint8))
    else:
        # One value stands for the clear ground; nothing else has it.
        unused = {"RGB": (1, 2, 3), "I;16": 5}.get(mode, 1)
        assert not (twin.reshape(*clear.shape, -1) == np.array(unused)).all(axis=-1).any()
        values = as_16_bits(twin) if mode == "I;16" else twin.copy()
        values[clear] = unused
        image = Image.fromarray(values)
        if mode == "P":
            image = Image.frombytes("P", image.size, image.tobytes())
            image.putpalette([value for grey_value in range(256) for value in (grey_value,) * 3])
        settings["transparency"] = unused
    image.save(tmp_path / kind, **settings)
    check_alike(encoder, tmp_path / kind, twin)


def test_a_store_from_before_is_not_read(encoder, plain, tmp_path):
    """Its fingerprint said nothing of how pictures were read."""
    picture, (key,) = encoder.read(Image.fromarray(plain)), keys(0)
    expected = run_trunk(encoder, [picture], CPU)
    before = FeatureStore(
        tmp_path / "image.zarr", {name: value for name, value in encoder.fingerprint.items() if name != "pictures"}
    )
    with before.writing():
        before.write_shard([key], {name: np.zeros_like(values) for name, values in expected.items()})
        before.finish()
    store = FeatureStore(tmp_path / "image.zarr", encoder.fingerprint)
    assert not store.exists()
    with store.writing():
        encoded = extract(
            store, [key], lambda _: picture, encoder,
            label="image", batch_size=1, shard_bytes=2**20, workers=0, device=CPU,
        )  # fmt: skip
        store.finish()
    assert encoded == 1
    for name, values in expected.items():
        np.testing.assert_array_equal(store.load().arrays[name], values)
