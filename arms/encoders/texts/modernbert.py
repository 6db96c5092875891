"""ModernBERT: each block makes its rotary positions and its mask, of all tokens or of a window, from the states."""

from typing import Any

import torch
from torch import nn

from arms.encoders.batch import Batch
from arms.encoders.torchvision_guard import import_torchvision

import_torchvision()

from transformers.masking_utils import (  # noqa: E402
    create_bidirectional_mask,
    create_bidirectional_sliding_window_mask,
)

FAMILY = "modernbert"
_MASKS = {
    "full_attention": create_bidirectional_mask,
    "sliding_attention": create_bidirectional_sliding_window_mask,
}


def take_apart(model: Any) -> tuple[nn.Module, list[nn.Module]]:
    """Embedding and blocks, the last with the norm above it; its states are the model's."""
    *lower, last = (_Block(layer, model) for layer in model.layers)
    return _Embed(model.embeddings), [*lower, nn.Sequential(last, _Norm(model.final_norm))]


class _Embed(nn.Module):
    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, batch: Batch) -> Batch:
        return {"states": self.embeddings(input_ids=batch["token_ids"].long()), "mask": batch["mask"]}


class _Block(nn.Module):
    def __init__(self, layer: Any, model: Any) -> None:
        super().__init__()
        self.layer, self.rotary = layer, model.rotary_emb
        self.config = model.config

    def forward(self, batch: Batch) -> Batch:
        states, mask = batch["states"], batch["mask"]
        kind = self.layer.attention_type
        places = torch.arange(states.shape[1], device=states.device).unsqueeze(0)
        states = self.layer(
            states,
            attention_mask=_MASKS[kind](config=self.config, inputs_embeds=states, attention_mask=mask.long()),
            position_embeddings=self.rotary(states, places, kind),
        )
        return {"states": states, "mask": mask}


class _Norm(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, batch: Batch) -> Batch:
        return batch | {"states": self.norm(batch["states"])}
