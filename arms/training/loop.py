"""The training loop: masked binary cross-entropy by AdamW, epoch by epoch."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from arms.device import choose_products
from arms.encoders.batch import Batch, QueryBatch, move_batch
from arms.errors import ArmsError
from arms.features.labelled import Labelled, masked_em
from arms.features.loader import read_batches
from arms.nn.router_net import RouterNet
from arms.params.training import FitParams
from arms.progress import Progress, progress_bar
from arms.training.augmentation import augment
from arms.training.distributed import from_first, gathered, global_sum, num_ranks, own_part, rank, share_gradients
from arms.training.epoch_log import EpochLog, RunningLog, best_epoch
from arms.training.losses import balanced_weights, importance_loss, masked_loss
from arms.training.optimiser import build_optimizer, learning_rate_factor
from arms.training.order import shuffled
from arms.training.prediction import predict_logits
from arms.training.random_state import RandomState
from arms.training.snapshot import NO_SNAPSHOT, Snapshot, identify, misfit

_EXPLODED = 2.0  # nats per outcome over an epoch; tossing a coin has 0.69

logger = logging.getLogger(__name__)


def train_net(
    net: RouterNet,
    profiles: Batch,
    data: Labelled,
    val: Labelled | None,
    params: FitParams,
    device: torch.device,
    snapshot: Snapshot = NO_SNAPSHOT,
) -> Iterator[EpochLog]:
    """Train a net in place; with `keep: best` it ends with the weights of the epoch with the best EM on val.

    Parameters
    ----------
    profiles : dict of str to Tensor
        What crosses the text encoder's cut for the S profile sentences.
    snapshot : Snapshot, optional
        A killed run resumes from it. It is written after each epoch and removed at the end.

    In several processes (see `arms.training.distributed`) each trains its own copy of the net and ends with the same
    weights; only the first one has a snapshot.

    Yields
    ------
    EpochLog
        One per epoch, including the epochs before a resumption. Only after the last one is the net trained.

    Raises
    ------
    ArmsError
        If there are no training queries, or the loss is not a number or explodes. The snapshot, if one is asked for,
        then holds the last good epoch. In several processes also if a batch has fewer queries, or batch norms train.
    """
    if not len(data):
        raise ArmsError("expected training queries, got none; see the shares and held-out parts under conf/data/")
    run = _Run(net, profiles, data, val if val is not None and len(val) else None, params, device, snapshot)
    yield from run.epochs()
    net.eval()


@dataclass
class _Done:
    """How far a run has come.

    Attributes
    ----------
    kept : dict or None
        The weights with the best result on val so far, on the CPU.
    """

    step: int = 0
    logs: list[EpochLog] = field(default_factory=list)
    kept: dict[str, Tensor] | None = None


class _Run:
    """One run of training: its optimiser, its random order, and how far it has come."""

    def __init__(
        self,
        net: RouterNet,
        profiles: Batch,
        data: Labelled,
        val: Labelled | None,
        params: FitParams,
        device: torch.device,
        snapshot: Snapshot,
    ) -> None:
        self.net, self.data, self.val, self.params, self.device = net, data, val, params, device
        self.snapshot = snapshot.of(lambda: self._identity(profiles)) if rank() == 0 else NO_SNAPSHOT
        net.to(device)
        self.profiles = move_batch(profiles, device)
        tails = net.tail_parameters(params.trains)
        net.requires_grad_(False)
        self.trained = [*net.head_parameters(), *tails]
        for parameter in self.trained:
            parameter.requires_grad_(True)
        self.products = choose_products(params.gpu_precision, device, tunes_encoders=bool(tails))
        self.optimizer = build_optimizer(net.head_parameters(), tails, params)
        self.windows = data.queries.windows(params.shuffle_window_mb * 2**20)
        self.batch_size = params.queries_per_step(len(data.vlms))
        if self.batch_size < num_ranks():
            raise ArmsError(
                f"train.batch_size: expected a query for each process at least, got {self.batch_size} for "
                f"{num_ranks()} processes; start fewer (runtime.processes) or raise it"
            )
        self.forward = share_gradients(net)
        self.num_steps = params.epochs * sum(math.ceil(len(window) / self.batch_size) for window in self.windows)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: learning_rate_factor(step, self.num_steps, params)
        )
        self.shuffle = np.random.default_rng(params.seed)
        self.random = RandomState(params.seed + rank(), device)  # dropout and augmentation
        self.class_weights: Tensor | None = None
        if params.class_weights == "balanced":
            self.class_weights = torch.from_numpy(balanced_weights(data.outcomes)).to(device)
        self.done = _Done()

    def epochs(self) -> Iterator[EpochLog]:
        """Yield the logs of the epochs already done, then run the others."""
        self._resume()
        yield from self.done.logs
        with progress_bar("train", "steps") as progress:
            while len(self.done.logs) < self.params.epochs and not self._out_of_patience():
                with self.random.used():
                    log = self._epoch(len(self.done.logs) + 1, progress)
                self.done.logs.append(log)
                self._keep_best()
                self.snapshot.save(self._state())
                yield log
        if self.done.kept is not None:
            self.net.load_state_dict(self.done.kept)
        self.snapshot.remove()

    def _epoch(self, epoch: int, progress: Progress) -> EpochLog:
        _set_training(self.net)
        log = RunningLog()
        orders = shuffled(self.data.queries, self.windows, self.shuffle, group_by_image=self.params.group_by_image)
        for index, batch in read_batches(self.data.queries, orders, self.batch_size, own_part):
            outcomes_NS = self.data.outcomes[index]
            with self.products.step():
                loss, logits_NS = self._step(batch, outcomes_NS)
            self.schedule.step()
            self.done.step += 1
            if not math.isfinite(loss):
                raise ArmsError(
                    f"the training loss is not a number at epoch {epoch}, step {self.done.step}; {self._advice()}"
                )
            log.add(loss, logits_NS, outcomes_NS)
            progress(self.done.step, self.num_steps)
        elapsed_s = time.perf_counter() - log.started_s
        val_loss, val_em = self._evaluate()
        closed = log.close(epoch, val_loss, val_em, elapsed_s)
        if closed.train_loss > _EXPLODED:
            raise ArmsError(
                f"the training loss exploded in epoch {epoch}: {closed.train_loss:.2f} nats per outcome, where tossing "
                f"a coin has 0.69; {self._advice()}"
            )
        return closed

    def _step(self, batch: QueryBatch, outcomes_NS: np.ndarray) -> tuple[float, np.ndarray]:
        """Take one optimizer step on a batch; return its loss, and the logits of the queries of this process."""
        batch = batch.to(self.device)
        if self.params.augment and "pixels" in batch.images:
            batch = batch._replace(images={**batch.images, "pixels": augment(batch.images["pixels"])})
        with self.products.forward():
            logits_NS, gate_NE = self.forward(batch, self.profiles)
        if not len(outcomes_NS):  # a query that is not of this process, whose gradient must become zero
            logits_NS, gate_NE = logits_NS[:0], gate_NE[:0]
        known_NS = torch.from_numpy(outcomes_NS).to(self.device)
        loss = masked_loss(logits_NS, known_NS, self.class_weights, total=global_sum)
        whole = loss
        if self.params.importance_weight:
            whole = loss + self.params.importance_weight * importance_loss(gate_NE, total=global_sum)
        self.optimizer.zero_grad(set_to_none=True)
        whole.backward()
        if self.params.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.trained, self.params.clip_norm)
        self.optimizer.step()
        return loss.item(), logits_NS.detach().cpu().numpy()

    def _evaluate(self) -> tuple[float | None, float | None]:
        """Loss and EM on val, each None without val."""
        if self.val is None:
            return None, None
        own_logits = predict_logits(
            self.net,
            self.profiles,
            self.val.queries.subset(own_part(np.arange(len(self.val)))),
            batch_size=self.params.batch_size,
            window_mb=self.params.shuffle_window_mb,
            device=self.device,
        )
        logits = np.concatenate(gathered(own_logits))
        loss = masked_loss(torch.from_numpy(logits), torch.from_numpy(self.val.outcomes)).item()
        return loss, masked_em(logits, self.val.outcomes)

    def _keep_best(self) -> None:
        """Keep the weights of the last epoch if they are the best on val so far."""
        logs = self.done.logs
        if self.params.keep == "best" and best_epoch(logs) == logs[-1].epoch:
            self.done.kept = {name: tensor.cpu().clone() for name, tensor in self.net.state_dict().items()}

    def _out_of_patience(self) -> bool:
        best, patience, done = best_epoch(self.done.logs), self.params.patience, len(self.done.logs)
        if best is None or patience is None or done - best < patience:
            return False
        logger.info("stopped after epoch %d: no better EM on val for %d epochs", done, done - best)
        return True

    def _resume(self) -> None:
        """Resume from the snapshot, if it holds one of this run."""
        if (state := from_first(self.snapshot.load())) is None:
            return
        try:
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.shuffle.bit_generator.state = state["shuffle"]
            if rank() < len(state["random"]):
                self.random.states = state["random"][rank()]
            logs = [EpochLog(**log) for log in state["logs"]]
            self.done = _Done(step=state["step"], logs=logs, kept=state["kept"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise misfit(self.snapshot, error) from error
        logger.info("going on after epoch %d of %d", len(logs), self.params.epochs)
        if (before := len(state["random"])) != num_ranks():
            logger.info("with %d processes where there were %d: dropout draws other numbers", num_ranks(), before)

    def _state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "shuffle": self.shuffle.bit_generator.state,
            "random": gathered(self.random.states),
            "logs": [asdict(log) for log in self.done.logs],
            "step": self.done.step,
            "kept": self.done.kept,
        }

    def _identity(self, profiles: Batch) -> str:
        """A hash of everything that the run's result depends on."""
        parts = [self.data, *([self.val] if self.val is not None else [])]
        settings = {
            "params": self.params.model_dump(),
            "device": str(self.device),
            "router": self.net.params.model_dump(),
            "queries": [part.queries.ids for part in parts],
        }
        return identify(settings, {**self.net.state_dict(), **profiles}, *(part.outcomes for part in parts))

    def _advice(self) -> str:
        """What the user can do about a bad loss."""
        rates = f"train.learning_rate ({self.params.learning_rate:g}), train.tail_learning_rate"
        text = f"lower {rates} ({self.params.tail_learning_rate:g}) or set train.clip_norm"
        if self.snapshot.file is None or not self.done.logs:
            return text
        return f"{text}; {self.snapshot.file} holds epoch {len(self.done.logs)}, the last good one"


def _set_training(net: RouterNet) -> None:
    """Set training mode, but keep a frozen tail in evaluation mode: no dropout, and its norms' statistics stay."""
    net.train()
    for tail in (net.image_tail, net.text_tail):
        if not any(parameter.requires_grad for parameter in tail.parameters()):
            tail.eval()
