"""What is encoded: photos by ViT-B/32, or a smaller one, made from the seed in every process alike."""

import time
from pathlib import Path

import numpy as np

from arms.encoders.image import ImageEncoder, build_image_encoder
from arms.encoders.precision import Precision, in_precision
from arms.features.reading import Reader
from arms.params.encoders import ImageEncoderParams
from benchmarks.feature_parts.setup import SEED, make_keys

READY = "ready"  # the file that says when an actor had made its encoder


def open_source(
    folder: Path, model: str, precision: Precision, count: int, *, tells: bool = False
) -> tuple[ImageEncoder, list[str], Reader]:
    """So many images; the photos in the folder come again where these are more."""
    params = ImageEncoderParams(
        model=model,
        architecture=None,
        pretrained=None,
        resize="shortest",
        tunable_layers=1,
        precision="float32",
        store_tokens=False,
    )
    encoder = in_precision(build_image_encoder(params, seed=SEED), precision)
    photos, keys = sorted((folder / "photos").glob("*.jpg")), make_keys(count)
    photo_of = {key: photos[number % len(photos)] for number, key in enumerate(keys)}

    def read(key: str) -> np.ndarray:
        return encoder.read(str(photo_of[key]))

    if tells:
        (folder / READY).write_text(str(time.time()))
    return encoder, keys, read
