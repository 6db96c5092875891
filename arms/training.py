"""The training loop: masked binary cross-entropy over all known outcomes (Eq. 1 of arXiv:2606.08970)."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from arms.batch import Batch, QueryBatch, move_batch
from arms.errors import ArmsError
from arms.features.loader import Queries, read_batches
from arms.nn.router_net import RouterNet
from arms.params import TrainParams


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """What one pass over the training queries came to; losses in nats per outcome."""

    epoch: int
    train_loss: float
    train_em: float | None
    val_loss: float | None
    val_em: float | None
    queries_per_s: float


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Queries with their outcomes.

    Attributes
    ----------
    queries : Queries
    outcomes : ndarray of shape (N, S), float32
        1 right, 0 wrong, NaN unknown.
    """

    queries: Queries
    outcomes: np.ndarray


def masked_loss(logits_NS: Tensor, outcomes_NS: Tensor) -> Tensor:
    """Mean binary cross-entropy over the known outcomes; a missing one (NaN) counts for nothing.

    Parameters
    ----------
    logits_NS, outcomes_NS : Tensor of shape (N, S)

    Returns
    -------
    Tensor, scalar, in nats; 0 where no outcome is known
    """
    known_NS = ~outcomes_NS.isnan()
    loss_NS = F.binary_cross_entropy_with_logits(logits_NS, outcomes_NS.nan_to_num(), reduction="none")
    return (loss_NS * known_NS).sum() / known_NS.sum().clamp(min=1)


def train_net(
    net: RouterNet,
    profiles: Batch,
    data: Labelled,
    val: Labelled | None,
    *,
    params: TrainParams,
    epochs: int,
    seed: int,
    device: torch.device,
    trained: list[nn.Parameter],
    on_epoch: Callable[[EpochLog], None],
    progress: Callable[[int, int], None],
) -> None:
    """Train some of a net's parameters by AdamW, in place.

    Parameters
    ----------
    profiles : dict of str to Tensor
        What crosses the text encoder's cut for the S profile sentences.
    trained : list of Parameter
        The rest stays as it is.
    on_epoch, progress : callable
        Told the log of each epoch, and the steps done and planned.

    Raises
    ------
    ArmsError
        If there are no training queries, or the loss is not a number.
    """
    if not len(data.queries):
        raise ArmsError("expected training queries, got none; see the shares and held-out parts under conf/data/")
    net.to(device)
    net.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(decay_groups(trained, params.weight_decay), lr=params.learning_rate, fused=True)
    windows = data.queries.windows(params.shuffle_window_mb * 2**20)
    num_steps = epochs * sum(math.ceil(len(window) / params.batch_size) for window in windows)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, num_steps, params))
    profiles = move_batch(profiles, device)
    shuffle = np.random.default_rng(seed)
    step = 0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # dropout
        for epoch in range(1, epochs + 1):
            _set_training(net)
            log = _RunningLog()
            orders = _shuffled(data.queries, windows, shuffle, group_by_image=params.group_by_image)
            for index, batch in read_batches(data.queries, orders, params.batch_size):
                outcomes_NS = data.outcomes[index]
                loss, logits_NS = _step(net, profiles, batch, outcomes_NS, optimizer, params.clip_norm, device)
                schedule.step()
                step += 1
                log.add(loss, logits_NS, outcomes_NS)
                if not math.isfinite(loss):
                    raise ArmsError(
                        f"the training loss is not a number at epoch {epoch}, step {step}; lower train.learning_rate "
                        f"({params.learning_rate:g}) or set train.clip_norm"
                    )
                progress(step, num_steps)
            elapsed_s = time.perf_counter() - log.started_s
            val_loss, val_em = _evaluate(net, profiles, val, params, device)
            on_epoch(log.close(epoch, val_loss, val_em, elapsed_s))
    net.eval()


def _step(
    net: RouterNet,
    profiles: Batch,
    batch: QueryBatch,
    outcomes_NS: np.ndarray,
    optimizer: torch.optim.Optimizer,
    clip_norm: float | None,
    device: torch.device,
) -> tuple[float, np.ndarray]:
    """One optimizer step on a batch of queries; its loss and their logits."""
    logits_NS = net(batch.to(device), profiles)
    loss = masked_loss(logits_NS, torch.from_numpy(outcomes_NS).to(device))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip_norm is not None:
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip_norm)
    optimizer.step()
    return loss.item(), logits_NS.detach().cpu().numpy()


@torch.inference_mode()
def predict_logits(
    net: RouterNet, profiles: Batch, queries: Queries, *, batch_size: int, window_mb: int, device: torch.device
) -> np.ndarray:
    """Logits of shape (N, S), float32, in evaluation mode.

    Queries are taken in the order of their images, so that an image which several queries share is encoded once.

    Parameters
    ----------
    window_mb : int
        Features that are brought into memory at a time, where they are on disk.
    """
    net.to(device).eval()
    profile_SD = net.encode_profiles(move_batch(profiles, device))
    logits_NS = np.empty((len(queries), len(profile_SD)), dtype=np.float32)
    windows = queries.windows(window_mb * 2**20)
    orders = [window[np.argsort(queries.image_rows[window], kind="stable")] for window in windows]
    for index, batch in read_batches(queries, orders, batch_size):
        logits_NS[index] = net.score(net.encode_queries(batch.to(device)), profile_SD).cpu().numpy()
    return logits_NS


def learning_rate_factor(step: int, num_steps: int, params: TrainParams) -> float:
    """Share of the learning rate at a step: a linear warm-up, then constant or a cosine down to zero."""
    warmup = round(params.warmup_share * num_steps)
    if step >= warmup and params.schedule == "constant":
        return 1.0
    return warmup_cosine(step, num_steps, warmup)


def warmup_cosine(step: int, num_steps: int, warmup: int) -> float:
    """Up in a line over the first `warmup` steps, then down to zero as a cosine."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, num_steps - warmup)))


def masked_em(logits_NS: np.ndarray, outcomes_NS: np.ndarray) -> float | None:
    """Share of the answerable queries whose highest-scored known VLM was right; None without such queries."""
    answerable = (outcomes_NS == 1).any(axis=1)
    choice = np.where(np.isnan(outcomes_NS), -np.inf, logits_NS).argmax(axis=1)
    right = outcomes_NS[np.arange(len(choice)), choice] == 1
    return float(right[answerable].mean()) if answerable.any() else None


def _set_training(net: RouterNet) -> None:
    """Put what trains into training mode; a frozen tail drops nothing out and keeps its norms' statistics."""
    net.train()
    for tail in (net.image_tail, net.text_tail):
        if not any(parameter.requires_grad for parameter in tail.parameters()):
            tail.eval()


class _RunningLog:
    """What the steps of one epoch came to."""

    def __init__(self) -> None:
        self.loss_sum = 0.0
        self.logits: list[np.ndarray] = []
        self.outcomes: list[np.ndarray] = []
        self.started_s = time.perf_counter()

    def add(self, loss: float, logits_NS: np.ndarray, outcomes_NS: np.ndarray) -> None:
        self.loss_sum += loss
        self.logits.append(logits_NS)
        self.outcomes.append(outcomes_NS)

    def close(self, epoch: int, val_loss: float | None, val_em: float | None, elapsed_s: float) -> EpochLog:
        return EpochLog(
            epoch=epoch,
            train_loss=self.loss_sum / len(self.logits),
            train_em=masked_em(np.concatenate(self.logits), np.concatenate(self.outcomes)),
            val_loss=val_loss,
            val_em=val_em,
            queries_per_s=sum(map(len, self.logits)) / elapsed_s,
        )


def decay_groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict]:
    """Weight decay for matrices and kernels; none for biases and norms, as is usual for AdamW on transformers."""
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def _shuffled(
    queries: Queries, windows: Sequence[np.ndarray], shuffle: np.random.Generator, *, group_by_image: bool
) -> Iterator[np.ndarray]:
    """Positions of each window's queries in random order, the windows in random order too."""
    for place in shuffle.permutation(len(windows)):
        order = shuffle.permutation(windows[place])
        if group_by_image:
            # Queries that share an image go into one batch, where the image is encoded once.
            order = order[np.argsort(_first_seen(queries.image_rows[order]), kind="stable")]
        yield order


def _first_seen(values: np.ndarray) -> np.ndarray:
    """For each value the position where it comes first."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return first[inverse]


def _evaluate(
    net: RouterNet, profiles: Batch, val: Labelled | None, params: TrainParams, device: torch.device
) -> tuple[float | None, float | None]:
    """Loss and EM on val, or None where there is no val."""
    if val is None or not len(val.queries):
        return None, None
    logits = predict_logits(
        net, profiles, val.queries, batch_size=params.batch_size, window_mb=params.shuffle_window_mb, device=device
    )
    loss = masked_loss(torch.from_numpy(logits), torch.from_numpy(val.outcomes)).item()
    return loss, masked_em(logits, val.outcomes)
