"""What happens to a picture after it is drawn: blur, noise, low resolution, compression."""

import io
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from pretrain.drawing.conditions import Quality

_BLUR = (0.8, 1.7)  # radius, in 128ths of the picture's side
_COARSER = (1.7, 2.6)  # how many times fewer pixels a side
_NOISE = (10.0, 32.0)  # standard deviation, in levels of 255
_JPEG = (12, 36)  # Pillow's quality, of 95
_NOISE_BANK = 640  # side of the square from which noise is cut


def degrade(image: Image.Image, quality: Quality, rng: np.random.Generator) -> Image.Image:
    """Make the picture look as its condition says."""
    if quality == "blurred":
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR) * image.width / 128))
    if quality == "low-resolution":
        return _coarsen(image, rng)
    if quality == "noisy":
        return _add_noise(image, rng)
    if quality == "jpeg":
        return _compress(image, int(rng.integers(*_JPEG)))
    return image


def _coarsen(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Draw it small and scale it up again, in blocks or smoothly."""
    side = max(1, round(image.width / rng.uniform(*_COARSER)))
    way = Image.Resampling.NEAREST if rng.random() < 0.5 else Image.Resampling.BILINEAR
    return image.resize((side, side), Image.Resampling.BOX).resize(image.size, way)


@cache
def _noise_bank() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((_NOISE_BANK, _NOISE_BANK, 3), dtype=np.float32)


def _add_noise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Noise in each channel, cut from a bank at a place of its own."""
    left, top = rng.integers(_NOISE_BANK - image.width + 1, size=2).tolist()
    noise = _noise_bank()[top : top + image.height, left : left + image.width] * np.float32(rng.uniform(*_NOISE))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _compress(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as compressed:
        return compressed.convert("RGB")
