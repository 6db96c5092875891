"""The visual towers of open_clip: a ViT or a ModifiedResNet, or one of timm's.

What crosses the cut is uint8 ``pixels`` of shape (N, 3, H, W), float ``states`` of shape (N, T, D_v) or
(N, C, H', W'), or ``pooled`` of shape (N, D) and ``tokens`` of shape (N, T, D_v).
"""

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, nn

from arms.encoders.batch import Batch
from arms.encoders.bundled import BUNDLED
from arms.encoders.images import timm_vits
from arms.encoders.images.base import Normalise, Prepare, Tower, Whole, channels_first, tokens_of, widths_of
from arms.encoders.pretrained.clips import check_self_contained, load_open_clip, open_clip_config
from arms.encoders.pretrained.folders import digest_of
from arms.encoders.torchvision_guard import import_torchvision
from arms.encoders.without import without
from arms.errors import ArmsError
from arms.params.encoders import ImageEncoderParams

import_torchvision()

import open_clip  # noqa: E402
from open_clip.modified_resnet import ModifiedResNet  # noqa: E402
from open_clip.timm_model import TimmModel  # noqa: E402
from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402
from open_clip.transformer import VisionTransformer  # noqa: E402
from torchvision.transforms import Compose  # noqa: E402

# open_clip always builds both towers of a CLIP; we drop the text tower at once, so it is small.
_NO_TEXT = {"context_length": 4, "vocab_size": 4, "width": 8, "heads": 1, "layers": 1}


def load_tower(params: ImageEncoderParams, seed: int, *, load_weights: bool, download: bool) -> Tower:
    """Load or initialise an image model.

    Parameters
    ----------
    params : ImageEncoderParams
    seed : int
        Initialises what is not pretrained; the caller has seeded torch with it already.
    load_weights : bool
        False leaves pretrained weights out, for a checkpoint that brings its own.
    download : bool
        False where a saved router names the model: see `arms.encoders.origins`.

    Raises
    ------
    ArmsError
        If the model is unknown, its weights cannot be had, or it has no embedding.
    """
    visual, name = _build_visual(params, seed, load_weights, download)
    preprocess = _preprocess_config(visual, params)
    # The last two steps of open_clip's transform make a tensor and normalise it; the encoder does both.
    resize = Compose(image_transform_v2(preprocess, is_train=False).transforms[:-2])

    def prepare(picture: Image.Image) -> np.ndarray:
        return channels_first(resize(picture))

    normalise = Normalise(preprocess.mean, preprocess.std)
    read = {
        "size": list(_pair(preprocess.size)),
        "resize": preprocess.resize_mode,
        "interpolation": preprocess.interpolation,
    }
    computed: dict[str, Any] = {
        "architecture": params.architecture,  # the weights do not show the number of heads, for one
        "mean": list(preprocess.mean),
        "std": list(preprocess.std),
    }
    if isinstance(visual, TimmModel):
        if params.model is not None:
            config = open_clip_config(params.model, params.hashes, what="image encoder", download=download)
            computed["config"] = digest_of(config["vision_cfg"])
        return _timm_tower(visual, normalise, name=name, prepare=prepare, read=read, computed=computed)
    embed, blocks, finish, token_width = _take_apart(visual, name)
    return Tower(
        name=name,
        prepare=prepare,
        embed=nn.Sequential(normalise, embed),
        blocks=blocks,
        finish=finish,
        width=visual.output_dim,
        token_width=token_width,
        read=read,
        computed=computed,
    )


def _timm_tower(visual: Any, normalise: nn.Module, *, name: str, prepare: Prepare, **described: Any) -> Tower:
    """A tower of timm with the projection that open_clip puts above it."""
    whole = nn.Sequential(normalise, Whole(visual, _encode_timm))
    width, token_width = widths_of(whole, prepare(Image.new("RGB", (1, 1))), f"image encoder {name}")
    uncut = timm_vits.why_uncut(visual.trunk)
    if uncut:
        layers: dict[str, Any] = {"embed": whole}
    else:
        embed, blocks, finish = timm_vits.take_apart(visual.trunk, visual.image_size)
        layers = {"embed": nn.Sequential(normalise, embed), "blocks": blocks}
        layers["finish"] = nn.Sequential(finish, _Project(visual.head))
    return Tower(name=name, prepare=prepare, width=width, token_width=token_width, uncut=uncut, **layers, **described)


def _encode_timm(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    features = visual.trunk.forward_features(pixels)
    return visual.head(visual.trunk.forward_head(features)), tokens_of(features, visual.trunk.num_features)


class _Project(nn.Module):
    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, batch: Batch) -> Batch:
        return batch | {"pooled": self.head(batch["pooled"])}


def _build_visual(params: ImageEncoderParams, seed: int, load_weights: bool, download: bool) -> tuple[Any, str]:
    if params.architecture is not None:
        return _build_own_visual(params.architecture), f"own architecture, seed {seed}"
    assert params.model is not None
    clip = load_open_clip(
        params.model, params.pretrained, load_weights=load_weights, download=download, sha256=params.hashes
    )
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
    own = dict(getattr(visual, "preprocess_cfg", {})) | {"size": visual.image_size}
    return PreprocessCfg(**(own if params.resize == "own" else own | {"resize_mode": params.resize}))


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
        embed = without(visual, "transformer", "ln_post", "proj", "attn_pool", "attn_pool_contrastive")
        finish = without(visual, "transformer", "conv1", "class_embedding", "positional_embedding", "ln_pre")
        blocks: list[nn.Module] = [_Block(block) for block in visual.transformer.resblocks]
        return _VitEmbed(embed), blocks, _VitFinish(finish), visual.ln_post.normalized_shape[0]
    if isinstance(visual, ModifiedResNet):
        layers = ("layer1", "layer2", "layer3", "layer4")
        blocks = [_Block(getattr(visual, layer)) for layer in layers]
        token_width = visual.attnpool.c_proj.in_features
        return _ResNetStem(without(visual, *layers, "attnpool")), blocks, _ResNetFinish(visual.attnpool), token_width
    raise ArmsError(
        f"image encoder {name}: expected a visual tower of open_clip, got a {type(visual).__name__}; use a "
        "VisionTransformer, a ModifiedResNet or a model of timm"
    )


class _Block(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.block(batch["states"])}


class _VitEmbed(nn.Module):
    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.visual._embeds(batch["pixels"].to(self.visual.conv1.weight.dtype))}


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
