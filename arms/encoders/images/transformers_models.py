"""Any image model that transformers' AutoModel loads, frozen whole, with its own image processor.

The processor's pixels are kept as they come, float32: some processors resize fractions of a colour value.
"""

from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from arms.encoders.images.base import Tower, Whole, tokens_of, widths_of
from arms.encoders.pretrained.folders import digest_of
from arms.encoders.pretrained.transformers_models import Loaded, load_image_model
from arms.errors import ArmsError
from arms.params.encoders import ImageEncoderParams

_TURNED = (6, 9)  # pictures on which a processor has to give as many pixels as on any
_ABOUT_FILES = ("_", "transformers_version", "processor_class", "image_processor_type")


def load_tower(params: ImageEncoderParams, seed: int, *, load_weights: bool, download: bool) -> Tower:
    """Load a transformers model; see `arms.encoders.images.open_clip_towers.load_tower`."""
    assert params.model is not None
    loaded, processor = load_image_model(params.model, download=download, sha256=params.hashes)
    name = f"{params.library}/{params.model}"
    what = f"image encoder {name}"
    _check_weights(loaded, params.pooling, what)

    def prepare(picture: Image.Image) -> np.ndarray:
        pixels: np.ndarray = processor(images=picture, return_tensors="pt")["pixel_values"][0].numpy()
        return pixels

    example = _check_pixels(prepare, what)
    whole = Whole(loaded.model, partial(_encode, pooling=params.pooling, what=what))
    width, token_width = widths_of(whole, example, what)
    return Tower(
        name=name,
        prepare=prepare,
        embed=whole,
        width=width,
        token_width=token_width,
        uncut=f"transformers' {type(loaded.model).__name__} cannot be cut",
        read={"library": "transformers", "processor": type(processor).__name__, "settings": settings_digest(processor)},
        computed={"config": loaded.config_sha256, "pooling": params.pooling},
    )


def settings_digest(processor: Any) -> str:
    """A digest of what an image processor does, whichever version of the library wrote it."""
    content = {key: value for key, value in processor.to_dict().items() if not key.startswith(_ABOUT_FILES)}
    return digest_of(content)


def _check_weights(loaded: Loaded, pooling: Literal["own", "cls", "mean"], what: str) -> None:
    lacking = [name for name in loaded.missing if pooling == "own" or not name.startswith("pooler.")]
    if loaded.missing and not lacking:
        loaded.model.register_module("pooler", None)  # made up, and not asked for
    if lacking:
        raise ArmsError(
            f"{what}: its files hold no weights for {', '.join(lacking[:3])}; set image.pooling: cls or mean where "
            "these are of its pooling, else use another model"
        )


def _check_pixels(prepare: Any, what: str) -> np.ndarray:
    """The pixels of a black picture, after checking that one of another shape has as many."""
    try:
        pixels, turned = (prepare(Image.new("RGB", size)) for size in (_TURNED, _TURNED[::-1]))
    except Exception as error:  # processors of other inputs raise errors of many types
        raise ArmsError(f"{what}: its image processor gives no pixels: {type(error).__name__}: {error}") from error
    if pixels.shape != turned.shape or pixels.ndim != 3:
        raise ArmsError(
            f"{what}: its image processor gives pixels of shape {pixels.shape} and {turned.shape} for two pictures; "
            "use a model whose pictures are all of one size"
        )
    return pixels


def _encode(
    model: Any, pixels: Tensor, *, pooling: Literal["own", "cls", "mean"], what: str
) -> tuple[Tensor, Tensor | None]:
    """The embedding and the token states; of a model with a text tower, those of its pictures."""
    paired = hasattr(model, "get_image_features")
    output = (model.vision_model if paired else model)(pixel_values=pixels)
    states = output.last_hidden_state
    tokens = tokens_of(states, states.shape[1] if states.ndim == 4 else states.shape[-1])
    if pooling != "own" and tokens is not None:
        return tokens[:, 0] if pooling == "cls" else tokens.mean(dim=1), tokens
    if paired:
        pooled = model.get_image_features(pixel_values=pixels)
        pooled = pooled if isinstance(pooled, torch.Tensor) else pooled.pooler_output
    else:
        pooled = getattr(output, "pooler_output", None)
    if pooled is None:
        raise ArmsError(f"{what} has no vector of its own for a picture; set image.pooling: cls or mean")
    return pooled.flatten(1), tokens
