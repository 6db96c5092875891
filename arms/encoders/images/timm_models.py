"""Any image model of timm, with the preprocessing that timm evaluates it with."""

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn

from arms.encoders.images import timm_vits
from arms.encoders.images.base import Normalise, Tower, Whole, channels_first, tokens_of, widths_of
from arms.encoders.pretrained.timm_models import load_timm_model
from arms.encoders.torchvision_guard import import_torchvision
from arms.params.encoders import ImageEncoderParams

import_torchvision()

from timm.data import create_transform, resolve_data_config  # noqa: E402


def load_tower(params: ImageEncoderParams, seed: int, *, load_weights: bool, download: bool) -> Tower:
    """Load a timm model; see `arms.encoders.images.open_clip_towers.load_tower`."""
    assert params.model is not None
    model, config_sha256 = load_timm_model(params.model, download=download, sha256=params.hashes)
    data = resolve_data_config({}, model=model)
    resize = create_transform(**data, is_training=False).transforms[:-2]  # the last two make a tensor and normalise it

    def prepare(picture: Image.Image) -> np.ndarray:
        for step in resize:
            picture = step(picture)
        return channels_first(picture)

    name = f"{params.library}/{params.model}"
    whole = nn.Sequential(Normalise(data["mean"], data["std"]), Whole(model, encode))
    width, token_width = widths_of(whole, prepare(Image.new("RGB", (1, 1))), f"image encoder {name}")
    uncut = timm_vits.why_uncut(model)
    embed, blocks, finish = (whole, [], nn.Identity()) if uncut else timm_vits.take_apart(model, data["input_size"][1:])
    return Tower(
        name=name,
        prepare=prepare,
        embed=embed if uncut else nn.Sequential(whole[0], embed),
        blocks=blocks,
        finish=finish,
        width=width,
        token_width=token_width,
        uncut=uncut,
        read={
            "library": "timm",
            "size": list(data["input_size"][1:]),
            "resize": data["crop_mode"],
            "crop": data["crop_pct"],
            "interpolation": data["interpolation"],
        },
        computed={"mean": list(data["mean"]), "std": list(data["std"]), "config": config_sha256},
    )


def encode(model: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    """The embedding, and the last features before it is pooled as tokens."""
    features = model.forward_features(pixels)
    return model.forward_head(features), tokens_of(features, model.num_features)
