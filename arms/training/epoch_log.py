"""The log of an epoch of training."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from arms.features.labelled import masked_em
from arms.training.distributed import gathered


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """Losses, in nats per outcome, and EM of one pass over the training queries."""

    epoch: int
    train_loss: float
    train_em: float | None
    val_loss: float | None
    val_em: float | None
    queries_per_s: float


def best_epoch(logs: Sequence[EpochLog]) -> int | None:
    """The epoch with the best EM on val, then with the least loss; None without val."""
    judged = [log for log in logs if log.val_em is not None and log.val_loss is not None]
    if not judged:
        return None
    return max(judged, key=lambda log: (log.val_em, -(log.val_loss or 0.0), -log.epoch)).epoch


def kept_epoch(logs: Sequence[EpochLog], keep: Literal["best", "last"]) -> int:
    """The epoch whose weights a finished training has: the best one, or the last one if asked for or without val."""
    best = best_epoch(logs) if keep == "best" else None
    return logs[-1].epoch if best is None else best


class RunningLog:
    """Collects the steps of one epoch: their losses, and this process's part of what else there is."""

    def __init__(self) -> None:
        self.loss_sum = 0.0
        self.logits: list[np.ndarray] = []
        self.outcomes: list[np.ndarray] = []
        self.started_s = time.perf_counter()

    def add(self, loss: float, logits_NS: np.ndarray, outcomes_NS: np.ndarray) -> None:
        """Add one step: its mean loss, and the logits and outcomes of N queries of it, each of shape (N, S)."""
        self.loss_sum += loss
        self.logits.append(logits_NS)
        self.outcomes.append(outcomes_NS)

    def close(self, epoch: int, val_loss: float | None, val_em: float | None, elapsed_s: float) -> EpochLog:
        """The epoch's log: the mean loss of its steps, and the EM of the logits computed while training."""
        logits_NS, outcomes_NS = (
            np.concatenate(gathered(np.concatenate(parts))) for parts in (self.logits, self.outcomes)
        )
        return EpochLog(
            epoch=epoch,
            train_loss=self.loss_sum / len(self.logits),
            train_em=masked_em(logits_NS, outcomes_NS),
            val_loss=val_loss,
            val_em=val_em,
            queries_per_s=len(logits_NS) / elapsed_s,
        )
