"""The image encoder: an open_clip visual tower (a ViT or a ModifiedResNet), cut into trunk and tail.

What crosses the cut is uint8 ``pixels`` of shape (N, 3, H, W), float ``states`` of shape (N, T, D_v) or
(N, C, H', W'), or ``pooled`` of shape (N, D) and ``tokens`` of shape (N, T, D_v).
"""

import copy
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
from arms.encoders.bundled import BUNDLED
from arms.encoders.pretrained import check_self_contained, load_open_clip
from arms.encoders.torchvision_guard import import_torchvision
from arms.errors import ArmsError
from arms.params import ImageEncoderParams

import_torchvision()

import open_clip  # noqa: E402
from open_clip.modified_resnet import ModifiedResNet  # noqa: E402
from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402
from open_clip.transformer import VisionTransformer  # noqa: E402
from torchvision.transforms import Compose  # noqa: E402

# open_clip always builds both towers of a CLIP; we drop the text tower at once, so it is small.
_NO_TEXT = {"context_length": 4, "vocab_size": 4, "width": 8, "heads": 1, "layers": 1}


@dataclass(frozen=True, kw_only=True)
class ImageEncoder(Encoder):
    """An image encoder with the preprocessing that goes with it."""

    resize: Compose
    max_images: int  # of a query with more the first ones are read

    def read(self, image: PictureSource) -> np.ndarray:
        """Open an image, resize and crop it as open_clip does, without normalising it.

        Returns
        -------
        ndarray of shape (3, H, W), uint8

        Raises
        ------
        ArmsError
            If the image cannot be used; see `arms.data.pictures.open_picture`.
        """
        return np.ascontiguousarray(np.asarray(self.resize(open_picture(image))).transpose(2, 0, 1))

    def example(self, num: int) -> Batch:
        """A batch of black images."""
        return {"pixels": torch.from_numpy(np.stack([self.read(Image.new("RGB", (1, 1)))] * num))}


def build_image_encoder(
    params: ImageEncoderParams, *, seed: int, load_weights: bool = True, download: bool = True
) -> ImageEncoder:
    """Load or initialise the visual tower and cut it.

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
        If the architecture is unknown, its weights cannot be had, or the tower's family cannot be cut.
    """
    visual, name = _build_visual(params, seed, load_weights, download)
    preprocess = _preprocess_config(visual, params)
    embed, blocks, finish, token_width = _take_apart(visual, name)
    trunk, tail = cut_layers(
        nn.Sequential(_Normalise(preprocess), embed), blocks, finish, params.tunable_layers, f"image encoder {name}"
    )
    cut = describe_cut(trunk, tail)
    crossing = {"inputs": ("pixels",), "states": ("states",), "pooled": ("pooled", "tokens")[: 1 + params.store_tokens]}
    fingerprint: dict[str, Any] = {
        "modality": "image",
        "arrays": list(crossing[cut]),
        "pictures": APPEARANCE,
        "size": list(_pair(preprocess.size)),
        "resize": preprocess.resize_mode,
        "interpolation": preprocess.interpolation,
    }
    if cut != "inputs":
        fingerprint |= {
            "encoder": name,
            "architecture": params.architecture,  # the weights do not show the number of heads, for one
            "blocks_frozen": len(blocks) if cut == "pooled" else len(trunk) - 1,
            "mean": list(preprocess.mean),
            "std": list(preprocess.std),
            "weights": hash_weights(trunk),
            "precision": "float32",
        }
    # The last two steps of open_clip's transform make a tensor and normalise it; the encoder does both.
    resize = Compose(image_transform_v2(preprocess, is_train=False).transforms[:-2])
    return ImageEncoder(
        name=name,
        trunk=trunk,
        tail=tail,
        width=visual.output_dim,
        token_width=token_width,
        crossing=crossing[cut],
        fingerprint=fingerprint,
        resize=resize,
        max_images=params.max_images,
    )


def _build_visual(params: ImageEncoderParams, seed: int, load_weights: bool, download: bool) -> tuple[Any, str]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if params.architecture is not None:
            return _build_own_visual(params.architecture), f"own architecture, seed {seed}"
        assert params.model is not None
        clip = load_open_clip(params.model, params.pretrained, load_weights=load_weights, download=download)
    weights = params.pretrained or f"seed {seed}"
    return clip.visual, BUNDLED if weights == BUNDLED else f"{params.model}/{weights}"


def _build_own_visual(architecture: dict[str, Any]) -> nn.Module:
    check_self_contained(architecture, "image.architecture")
    try:
        return open_clip.CLIP(**{**architecture, "text_cfg": _NO_TEXT}).visual
    except (TypeError, ValueError, AssertionError) as error:
        raise ArmsError(
            "image.architecture: expected an open_clip model configuration (embed_dim, vision_cfg, quick_gelu), "
            f"got {architecture}: {error}"
        ) from error


def _preprocess_config(visual: nn.Module, params: ImageEncoderParams) -> PreprocessCfg:
    config = dict(getattr(visual, "preprocess_cfg", {}))
    return PreprocessCfg(**(config | {"size": visual.image_size, "resize_mode": params.resize}))


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _take_apart(visual: Any, name: str) -> tuple[nn.Module, list[nn.Module], nn.Module, int]:
    """Embedding, blocks, finish and the width of a token state of a tower."""
    if isinstance(visual, VisionTransformer):
        if visual.pool_type == "none":
            raise ArmsError(
                f"image encoder {name}: a tower without pooling (pool_type: none, attentional_pool: parallel or "
                "cascade) has no embedding; use pool_type: tok or avg, or attentional_pool: true"
            )
        embed = _without(visual, "transformer", "ln_post", "proj", "attn_pool", "attn_pool_contrastive")
        finish = _without(visual, "transformer", "conv1", "class_embedding", "positional_embedding", "ln_pre")
        blocks: list[nn.Module] = [_Block(block) for block in visual.transformer.resblocks]
        return _VitEmbed(embed), blocks, _VitFinish(finish), visual.ln_post.normalized_shape[0]
    if isinstance(visual, ModifiedResNet):
        layers = ("layer1", "layer2", "layer3", "layer4")
        blocks = [_Block(getattr(visual, layer)) for layer in layers]
        token_width = visual.attnpool.c_proj.in_features
        return _ResNetStem(_without(visual, *layers, "attnpool")), blocks, _ResNetFinish(visual.attnpool), token_width
    raise ArmsError(
        f"image encoder {name}: a {type(visual).__name__} cannot be cut; "
        "use an open_clip architecture with a VisionTransformer or ModifiedResNet visual tower"
    )


def _without(module: nn.Module, *names: str) -> Any:
    """A copy of a module that shares its parameters, without those named, which belong to other layers."""
    part = copy.copy(module)
    part._modules = {name: child for name, child in module._modules.items() if name not in names}
    part._parameters = {name: value for name, value in module._parameters.items() if name not in names}
    for name in names:
        part.__dict__.pop(name, None)
    return part


class _Normalise(nn.Module):
    """Shift and scale pixels of 0 to 255 as in the tower's training, in float32 whatever the weights are."""

    def __init__(self, config: PreprocessCfg) -> None:
        super().__init__()
        # Numbers, as buffers would be rounded with the weights.
        self.mean, self.std = config.mean, config.std

    def forward(self, batch: Batch) -> Batch:
        pixels = batch["pixels"].to(torch.float32, copy=True).div_(255)
        for channel, mean, std in zip(pixels.unbind(dim=1), self.mean, self.std, strict=True):
            channel.sub_(mean).div_(std)  # in place: new memory for each step takes longer than the step
        return {"pixels": pixels}


class _VitEmbed(nn.Module):
    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.visual._embeds(batch["pixels"].to(self.visual.conv1.weight.dtype))}


class _Block(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.block(batch["states"])}


class _VitFinish(nn.Module):
    """Final norm, pooling and projection; the token states come before the projection."""

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, batch: Batch) -> Batch:
        pooled, tokens = self.visual._pool(batch["states"])
        return {"pooled": pooled if self.visual.proj is None else pooled @ self.visual.proj, "tokens": tokens}


class _ResNetStem(nn.Module):
    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.visual.stem(batch["pixels"].to(self.visual.conv1.weight.dtype))}


class _ResNetFinish(nn.Module):
    """Attention pooling; the token states are the last feature map's positions."""

    def __init__(self, attnpool: nn.Module) -> None:
        super().__init__()
        self.attnpool = attnpool

    def forward(self, batch: Batch) -> Batch:
        states_NCHW = batch["states"]
        return {"pooled": self.attnpool(states_NCHW), "tokens": states_NCHW.flatten(2).transpose(1, 2)}
