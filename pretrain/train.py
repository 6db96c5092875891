"""Contrastive training of both towers with masked-language training of the text tower beside it; resumable.

Run by `dvc repro pretrain/dvc.yaml`. Everything random is a function of seed and step, so a run that was killed goes on
from its last checkpoint to the same weights.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from arms.data.atomic import atomic_file
from arms.errors import ArmsError
from arms.training import decay_groups, warmup_cosine
from pretrain.batches import TrainBatch, TrainBatches
from pretrain.net import PairNet, contrastive_loss
from pretrain.settings import PretrainParams, TrainParams

logger = logging.getLogger(__name__)

PIXEL_MEAN = PIXEL_STD = 0.5


@dataclass(frozen=True, kw_only=True)
class StepLog:
    """What one step came to; losses in nats, accuracy as the share of pictures matched with their own text."""

    step: int
    contrastive_loss: float
    masked_loss: float
    accuracy: float
    samples_per_s: float


def train(
    settings: PretrainParams,
    tokenizer: Tokenizer,
    *,
    checkpoint: Path,
    device: torch.device,
    on_step: Callable[[StepLog], None],
) -> PairNet:
    """Train from the checkpoint, if there is one, to the last step.

    Parameters
    ----------
    checkpoint : Path
        File that holds all that is needed to go on; written every `checkpoint_every` steps.

    Raises
    ------
    ArmsError
        If the checkpoint was made by other settings, or the loss is not a number.
    """
    params = settings.train
    torch.manual_seed(settings.seed)
    net = PairNet(settings.image.model_dump(), settings.text, tokenizer.get_vocab_size()).to(device).train()
    optimizer = torch.optim.AdamW(decay_groups(net.trained_parameters(), params.weight_decay), lr=params.learning_rate)
    first = _resume(checkpoint, net, optimizer, settings, tokenizer)
    for step, batch in zip(range(first, params.num_steps), _load(settings, tokenizer, first, device), strict=True):
        started_s = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = params.learning_rate * warmup_cosine(step, params.num_steps, params.warmup_steps)
        torch.manual_seed(settings.seed * params.num_steps + step)  # dropout
        losses = _step(net, batch.to(device), optimizer, params)
        if not math.isfinite(losses["contrastive_loss"] + losses["masked_loss"]):
            raise ArmsError(f"the loss is not a number at step {step}; lower train.learning_rate")
        elapsed_s = time.perf_counter() - started_s
        on_step(StepLog(step=step + 1, samples_per_s=params.batch_size / elapsed_s, **losses))
        if (step + 1) % params.checkpoint_every == 0 or step + 1 == params.num_steps:
            _save(checkpoint, net, optimizer, settings, tokenizer, step + 1)
    return net.eval()


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels of 0 to 255 to numbers about 0."""
    return (pixels.float() / 255 - PIXEL_MEAN) / PIXEL_STD


def _step(net: PairNet, batch: TrainBatch, optimizer: torch.optim.Optimizer, params: TrainParams) -> dict[str, float]:
    with torch.autocast(batch.pixels.device.type, torch.bfloat16):
        image_ND = net.embed_images(normalise(batch.pixels))
        states = net.text_states(batch.token_ids, batch.mask)
        num = len(batch.pixels)
        text_ND = net.embed_states(states[:num], batch.mask[:num])
        hidden = batch.targets >= 0
        logits = net.fill_in(states[hidden])
    contrastive = contrastive_loss(image_ND.float(), text_ND.float(), net.log_scale)
    masked = F.cross_entropy(logits.float(), batch.targets[hidden])
    optimizer.zero_grad(set_to_none=True)
    (contrastive + params.mask_weight * masked).backward()
    nn.utils.clip_grad_norm_(net.trained_parameters(), params.clip_norm)
    optimizer.step()
    matches = (image_ND @ text_ND.T).argmax(dim=1) == torch.arange(num, device=image_ND.device)
    return {
        "contrastive_loss": contrastive.item(),
        "masked_loss": masked.item(),
        "accuracy": matches.float().mean().item(),
    }


def _load(settings: PretrainParams, tokenizer: Tokenizer, first: int, device: torch.device) -> Iterator[TrainBatch]:
    data = TrainBatches(settings, tokenizer)
    return iter(
        DataLoader(
            data,
            batch_size=None,
            sampler=range(first, len(data)),
            num_workers=settings.runtime.workers,
            multiprocessing_context="fork",
        )
    )


def _identity(settings: PretrainParams, tokenizer: Tokenizer) -> dict[str, Any]:
    """What a checkpoint has to agree on with the run that goes on from it."""
    content = settings.model_dump(exclude={"runtime": True, "train": {"checkpoint_every"}})
    return {**content, "tokenizer": tokenizer.to_str()}


def _resume(
    checkpoint: Path, net: PairNet, optimizer: torch.optim.Optimizer, settings: PretrainParams, tokenizer: Tokenizer
) -> int:
    if not checkpoint.exists():
        return 0
    content = torch.load(checkpoint, weights_only=True)
    if content["identity"] != _identity(settings, tokenizer):
        raise ArmsError(f"{checkpoint}: made by other settings than pretrain/params.yaml; delete it to start anew")
    net.load_state_dict(content["net"])
    optimizer.load_state_dict(content["optimizer"])
    logger.info("going on from step %d", content["step"])
    return content["step"]


def _save(
    checkpoint: Path,
    net: PairNet,
    optimizer: torch.optim.Optimizer,
    settings: PretrainParams,
    tokenizer: Tokenizer,
    step: int,
) -> None:
    content = {
        "step": step,
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "identity": _identity(settings, tokenizer),
    }
    with atomic_file(checkpoint) as draft:
        torch.save(content, draft)
