"""The image encoder: an image model of any library, cut into trunk and tail, or frozen whole."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from arms.data.appearance import APPEARANCE
from arms.data.pictures import PictureSource, open_picture
from arms.encoders.base import Encoder, cut_layers, describe_cut, hash_weights
from arms.encoders.batch import Batch
from arms.encoders.images.base import Tower
from arms.encoders.images.registry import tower_loader
from arms.encoders.images.with_text import with_text
from arms.errors import ArmsError
from arms.params.encoders import ImageEncoderParams


@dataclass(frozen=True, kw_only=True)
class ImageEncoder(Encoder):
    """An image encoder with the preprocessing that goes with it."""

    prepare: Callable[[Image.Image], np.ndarray]
    max_images: int  # of a query with more the first ones are read

    def read(self, image: PictureSource) -> np.ndarray:
        """Open an image, resize and crop it as the model's library does.

        Returns
        -------
        ndarray of shape (3, H, W), uint8, or of some models float32 and normalised

        Raises
        ------
        ArmsError
            If the image cannot be used; see `arms.data.pictures.open_picture`.
        """
        return self.prepare(open_picture(image))

    def example(self, num: int) -> Batch:
        """A batch of black images."""
        return {"pixels": torch.from_numpy(np.stack([self.read(Image.new("RGB", (1, 1)))] * num))}


def build_image_encoder(
    params: ImageEncoderParams, *, seed: int, load_weights: bool = True, download: bool = True
) -> ImageEncoder:
    """Load or initialise the image model and cut it.

    Parameters
    ----------
    seed : int
        Initialises what is not pretrained.
    load_weights : bool
        False leaves pretrained weights out, for a checkpoint that brings its own.
    download : bool
        False where a saved router names the model: see `arms.encoders.origins`.

    Raises
    ------
    ArmsError
        If the model is unknown, its weights cannot be had, or it cannot be cut and layers of it are to train, or hands
        out no tokens and these are to be stored, or text is to be read and rapidocr is not there.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tower = tower_loader(params.library)(params, seed, load_weights=load_weights, download=download)
    if params.ocr:
        tower = with_text(tower)
    trunk, tail = _cut(tower, params)
    cut = describe_cut(trunk, tail)
    crossing = {"inputs": ("pixels",), "states": ("states",), "pooled": ("pooled", "tokens")[: 1 + params.store_tokens]}
    fingerprint: dict[str, Any] = {
        "modality": "image",
        "arrays": list(crossing[cut]),
        "pictures": APPEARANCE,
        **tower.read,
    }
    if cut != "inputs":
        fingerprint |= {
            "encoder": tower.name,
            "blocks_frozen": len(tower.blocks) if cut == "pooled" else len(trunk) - 1,
            **tower.computed,
            "weights": hash_weights(trunk),
            "precision": "float32",
        }
    return ImageEncoder(
        name=tower.name,
        trunk=trunk,
        tail=tail,
        width=tower.width,
        token_width=tower.token_width,
        crossing=crossing[cut],
        fingerprint=fingerprint,
        prepare=tower.prepare,
        max_images=params.max_images,
    )


def _cut(tower: Tower, params: ImageEncoderParams) -> tuple[nn.Sequential, nn.Sequential]:
    what = f"image encoder {tower.name}"
    if params.store_tokens and params.tunable_layers == 0 and not tower.token_width:
        raise ArmsError(f"{what} hands out no token states; set image.store_tokens: false")
    return cut_layers(tower.embed, tower.blocks, tower.finish, params.tunable_layers, what, uncut=tower.uncut)
