"""Training of both towers, resumable: first on texts only, then on pictures with texts.

Everything random is a function of seed and step, so a run that was killed goes on from its last checkpoint to the same
weights.
"""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.utils.data import DataLoader

from arms.data.atomic import atomic_file
from arms.errors import ArmsError
from arms.progress import progress_bar
from arms.training.optimiser import decay_groups, warmup_cosine
from pretrain.attributes import attributes
from pretrain.batches import TrainBatch, TrainBatches
from pretrain.losses import losses_of
from pretrain.net import PairNet
from pretrain.settings import PretrainParams, TrainParams

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StepLog:
    """One step that was done; losses in nats, by name."""

    step: int
    losses: dict[str, float]
    samples_per_s: float


def train(
    net: PairNet, settings: PretrainParams, tokenizer: Tokenizer, *, checkpoint: Path, device: torch.device
) -> Iterator[StepLog]:
    """Train from the checkpoint, if there is one, to the last step.

    Parameters
    ----------
    net : PairNet
        Untrained, of `build_net`; it is trained in place.
    checkpoint : Path
        File that holds all that is needed to go on; written every `checkpoint_every` steps.

    Yields
    ------
    StepLog
        After each step, before its checkpoint is written.

    Raises
    ------
    ArmsError
        If the checkpoint was made by other settings, or the loss is not a number.
    """
    params = settings.train
    net.to(device).train()
    optimizer = torch.optim.AdamW(decay_groups(net.trained_parameters(), params.weight_decay), lr=params.learning_rate)
    first = _resume(checkpoint, net, optimizer, settings, tokenizer)
    started_s = time.perf_counter()
    with progress_bar("pretraining", "steps") as progress:
        for step, batch in zip(range(first, params.total_steps), _load(settings, tokenizer, first), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = params.learning_rate * learning_rate_factor(step, params)
            torch.manual_seed(settings.seed * params.total_steps + step)  # for dropout, wherever the run was resumed
            losses = _step(net, batch.to(device), optimizer, params)
            if not math.isfinite(sum(losses.values())):
                raise ArmsError(f"the loss is not a number at step {step}; lower train.learning_rate")
            now_s = time.perf_counter()
            num = len((batch.pictures.matched if batch.pictures else batch.texts).mask)
            yield StepLog(step=step + 1, losses=losses, samples_per_s=num / (now_s - started_s))
            started_s = now_s
            if (step + 1) % params.checkpoint_every == 0 or step + 1 == params.total_steps:
                _save(checkpoint, net, optimizer, settings, tokenizer, step + 1)
            progress(step + 1, params.total_steps)
    net.eval()


def build_net(settings: PretrainParams, tokenizer: Tokenizer) -> PairNet:
    """The untrained net; its weights are drawn by the settings' seed."""
    torch.manual_seed(settings.seed)
    num_values = [len(values) for values in attributes().values()]
    return PairNet(settings.image.model_dump(), settings.text, tokenizer.get_vocab_size(), num_values)


def learning_rate_factor(step: int, params: TrainParams) -> float:
    """Share of the learning rate: constant on texts only, falling on pictures, rising at the beginning of either."""
    if step < params.text_steps:
        return min(1.0, (step + 1) / params.warmup_steps)
    return warmup_cosine(step - params.text_steps, params.num_steps, params.warmup_steps)


def _step(net: PairNet, batch: TrainBatch, optimizer: torch.optim.Optimizer, params: TrainParams) -> dict[str, float]:
    losses = losses_of(net, batch)
    optimizer.zero_grad(set_to_none=True)
    weighted = [getattr(params.loss_weights, name) * loss for name, loss in losses.items()]
    torch.stack(weighted).sum().backward()
    nn.utils.clip_grad_norm_(net.trained_parameters(), params.clip_norm)
    optimizer.step()
    return {name: loss.item() for name, loss in losses.items()}


def _load(settings: PretrainParams, tokenizer: Tokenizer, first: int) -> Iterator[TrainBatch]:
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
