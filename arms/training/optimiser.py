"""AdamW with its groups of parameters, and the schedule of its learning rates."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from arms.params.training import TrainParams


def build_optimizer(
    head: Sequence[nn.Parameter], tails: Sequence[nn.Parameter], params: TrainParams
) -> torch.optim.AdamW:
    """AdamW for a router's net, with a learning rate for the head and one for the encoders' tails."""
    groups = [
        {**group, "lr": rate}
        for parameters, rate in ((head, params.learning_rate), (tails, params.tail_learning_rate))
        for group in decay_groups(parameters, params.weight_decay)
        if group["params"]
    ]
    return torch.optim.AdamW(groups, fused=True)


def decay_groups(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict]:
    """Weight decay for matrices and kernels; none for biases and norms, as is usual for AdamW on transformers."""
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def learning_rate_factor(step: int, num_steps: int, params: TrainParams) -> float:
    """Share of the learning rate at a step: a linear warm-up, then constant or a cosine down to zero."""
    warmup = round(params.warmup_share * num_steps)
    if step >= warmup and params.schedule == "constant":
        return 1.0
    return warmup_cosine(step, num_steps, warmup)


def warmup_cosine(step: int, num_steps: int, warmup: int) -> float:
    """Share of the learning rate: linear up over the first `warmup` steps, then a cosine down to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, num_steps - warmup)))
