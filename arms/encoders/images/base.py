"""What a library's file hands over: an image model as layers, and how pictures become its pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from arms.encoders.batch import Batch
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError

import_torchvision()  # a process that is handed an encoder imports its library by the names of its classes

Prepare = Callable[[Image.Image], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Tower:
    """An image model, as layers that `arms.encoders.base.cut_layers` can cut, or as one layer where it cannot.

    Attributes
    ----------
    name : str
        For messages and fingerprints.
    prepare : callable
        From a picture in RGB to pixels of shape (3, H, W): uint8, or float32 where the library's own preprocessing
        gives no whole numbers.
    embed : Module
        From pixels to states; with no blocks, from pixels to all that `finish` gives.
    blocks : list of Module
        Empty where the model can only be frozen whole.
    finish : Module
        From states to ``pooled`` of shape (N, D) and, where it hands them out, ``tokens`` of shape (N, T, D_v).
    width, token_width : int
        D, and D_v; a token width of 0 says that it hands out no tokens.
    uncut : str
        Why it can only be frozen whole; empty where it can be cut.
    read : dict
        What its pixels depend on, for the fingerprint.
    computed : dict
        What else its states depend on, but for the weights.
    """

    name: str
    prepare: Prepare
    embed: nn.Module
    blocks: list[nn.Module] = field(default_factory=list)
    finish: nn.Module = field(default_factory=nn.Identity)
    width: int
    token_width: int
    uncut: str = ""
    read: Mapping[str, Any]
    computed: Mapping[str, Any]


def channels_first(picture: Image.Image) -> np.ndarray:
    """The pixels of a picture in RGB, shape (3, H, W), uint8."""
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


class Normalise(nn.Module):
    """Shift and scale pixels of 0 to 255 as in the tower's training, in float32 whatever the weights are."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        # Numbers, as buffers would be rounded with the weights.
        self.mean, self.std = mean, std

    def forward(self, batch: Batch) -> Batch:
        pixels = batch["pixels"].to(torch.float32, copy=True).div_(255)
        for channel, mean, std in zip(pixels.unbind(dim=1), self.mean, self.std, strict=True):
            channel.sub_(mean).div_(std)  # in place: new memory for each step takes longer than the step
        return {"pixels": pixels}


class Whole(nn.Module):
    """A model that is frozen whole.

    Parameters
    ----------
    model : Module
    encode : callable
        From the model and its pixels to the pooled embedding of shape (N, D), and the token states of shape (N, T, D_v)
        or None.
    """

    def __init__(self, model: nn.Module, encode: Callable[[Any, Tensor], tuple[Tensor, Tensor | None]]) -> None:
        super().__init__()
        self.model = model
        self.encode = encode

    def forward(self, batch: Batch) -> Batch:
        pooled, tokens = self.encode(self.model, batch["pixels"].to(next(self.model.parameters()).dtype))
        return {"pooled": pooled} if tokens is None else {"pooled": pooled, "tokens": tokens}


def widths_of(whole: nn.Module, pixels: np.ndarray, what: str) -> tuple[int, int]:
    """The widths of the embedding and of a token state, 0 without tokens, by running the model once.

    Raises
    ------
    ArmsError
        If the model cannot be run on pixels alone, or gives no vector for each picture.
    """
    try:
        with torch.inference_mode():
            output = whole.eval()({"pixels": torch.from_numpy(pixels[None])})
    except ArmsError:
        raise
    except Exception as error:  # whatever a model needs beside its pixels
        raise ArmsError(f"{what} cannot be run on a picture: {type(error).__name__}: {error}") from error
    pooled, tokens = output["pooled"], output.get("tokens")
    if pooled.ndim != 2 or (tokens is not None and tokens.ndim != 3):
        raise ArmsError(f"{what}: expected one vector for a picture, got numbers of shape {tuple(pooled.shape)}")
    return pooled.shape[1], 0 if tokens is None else tokens.shape[2]


def tokens_of(features: Tensor, width: int) -> Tensor | None:
    """Token states of shape (N, T, D_v) from a ViT's last features, or a map of D_v channels; None of anything else."""
    if features.ndim == 3:
        return features
    if features.ndim != 4:
        return None
    if features.shape[1] == width:
        return features.flatten(2).transpose(1, 2)
    return features.flatten(1, 2) if features.shape[3] == width else None
