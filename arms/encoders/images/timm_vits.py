"""timm's plain ViTs taken apart: VisionTransformer (SigLIP, SigLIP 2, DINOv2) and Eva (EVA, DINOv3).

Any other timm model, and one of these with an option whose states do not go straight from block to block, stays whole.
"""

from typing import Any

import torch
from torch import nn

from arms.encoders.batch import Batch
from arms.encoders.torchvision_guard import import_torchvision
from arms.encoders.without import without

import_torchvision()

from timm.models.eva import Eva  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

_ABOVE = ("norm", "attn_pool", "fc_norm", "head_drop", "head")
_BELOW = ("patch_embed", "cls_token", "reg_token", "pos_embed", "pos_drop", "patch_drop", "norm_pre")


def why_uncut(model: nn.Module) -> str:
    """Why a timm model can only be frozen whole; empty where it can be cut."""
    kind = f"timm's {type(model).__name__}"
    if type(model) not in (VisionTransformer, Eva):
        return f"{kind} cannot be cut"
    if isinstance(model, Eva) and model.patch_drop is not None:
        return f"{kind} cannot be cut where it leaves out patches"
    if getattr(model, "rope_mixed", False):
        return f"{kind} cannot be cut where each block has rotary positions of its own"
    return ""


def take_apart(model: Any, size: tuple[int, int]) -> tuple[nn.Module, list[nn.Module], nn.Module]:
    """Embedding, blocks and finish of a ViT without its classifier, for pictures of one size."""
    embed = without(model, "blocks", *_ABOVE)
    if not isinstance(model, Eva):
        finish = without(model, "blocks", *_BELOW)
        return _Embed(embed), [_Block(block) for block in model.blocks], _Finish(finish)
    finish, rope = without(model, "blocks", "rope", *_BELOW), _Rope(model, size)
    return _Embed(embed), [_RotaryBlock(block, rope) for block in model.blocks], _Finish(finish)


class _Embed(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Batch:
        patches = self.model.patch_embed(batch["pixels"].to(next(self.model.parameters()).dtype))
        states = self.model._pos_embed(patches)
        # An Eva's come with the rotary positions, which its blocks make themselves.
        states = states[0] if isinstance(states, tuple) else self.model.patch_drop(states)
        return {"states": self.model.norm_pre(states)}


class _Block(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.block(batch["states"])}


class _Rope(nn.Module):
    """The rotary positions of the patches, which nothing trains; None if the model has none."""

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.rope, self.grid = model.rope, None
        if model.dynamic_img_size or not hasattr(model.rope, "feat_shape"):
            self.grid = model.patch_embed.dynamic_feat_size(size)

    def forward(self) -> torch.Tensor | None:
        if self.rope is None:
            return None
        positions: torch.Tensor = self.rope.get_embed() if self.grid is None else self.rope.get_embed(shape=self.grid)
        return positions


class _RotaryBlock(nn.Module):
    def __init__(self, block: nn.Module, rope: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.rope = rope

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.block(batch["states"], rope=self.rope())}


class _Finish(nn.Module):
    """Final norm, pooling and projection; the token states come before the pooling."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Batch:
        tokens = self.model.norm(batch["states"])
        return {"pooled": self.model.forward_head(tokens), "tokens": tokens}
