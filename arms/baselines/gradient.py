"""The base of routers that are small nets: minibatch training, shared layers, and the choice of a net on val."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, ClassVar, Literal, TypedDict, TypeVar, Unpack

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from arms.baselines.centring import Centring
from arms.baselines.embedding import EmbeddingRouter, best_on_val
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind

CandidateT = TypeVar("CandidateT")
Loss = Callable[[Tensor], Tensor]  # the mean loss of the training rows at these positions

# Types of settings.
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Training(TypedDict):
    """How a small net is trained."""

    epochs: Count  # passes over the training queries; the one with the best EM on val is kept
    batch_size: Count
    learning_rate: Positive  # at the start
    weight_decay: NotNegative
    seed: int


def train_small_net(
    net: nn.Module,
    loss_on: Loss,
    num_rows: int,
    *,
    val_em: Callable[[], float] | None = None,
    **training: Unpack[Training],
) -> None:
    """Train a net in place by AdamW; keep the epoch with the best EM on val, or the last one without val.

    The learning rate falls to zero along a cosine. What the net draws from torch's CPU generator (for dropout, say)
    follows from the seed. Afterwards the generator is as it was.

    Parameters
    ----------
    loss_on : callable
        The mean loss, a scalar, of the training rows at these positions (int64 tensor).
    num_rows : int
        How many training rows there are; with none the net stays as it is.
    val_em : callable, optional
        The net's EM on val; called in evaluation mode without gradients. Of equal epochs the first is kept.
    """
    shuffle = torch.Generator().manual_seed(training["seed"])
    optimizer = torch.optim.AdamW(net.parameters(), lr=training["learning_rate"], weight_decay=training["weight_decay"])
    epochs, batch_size = training["epochs"], training["batch_size"]
    num_steps = epochs * -(-num_rows // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(num_steps, 1))
    best_em, best_state = -1.0, None
    with seeded(training["seed"]):
        for _ in range(epochs if num_rows else 0):
            net.train()
            for rows in torch.randperm(num_rows, generator=shuffle).split(batch_size):
                optimizer.zero_grad()
                loss_on(rows).backward()
                optimizer.step()
                schedule.step()
            net.eval()
            if val_em is not None:
                with torch.no_grad():
                    em = val_em()
                if em > best_em:
                    best_em, best_state = em, copy.deepcopy(net.state_dict())
    if best_state is not None:
        net.load_state_dict(best_state)
    net.eval()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's CPU generator starts from this seed; afterwards it goes on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class Centre(nn.Module):
    """A net's first layer, without weights to learn: it centres and scales by the `Centring` of training vectors."""

    def __init__(self, vectors_ND: np.ndarray) -> None:
        super().__init__()
        centring = Centring.of(vectors_ND)
        self.register_buffer("mean_D", torch.tensor(centring.mean_D))
        self.register_buffer("scale", torch.tensor(centring.scale))

    def forward(self, vectors_ND: Tensor) -> Tensor:
        """Shape (N, D), float32."""
        return (vectors_ND - self.get_buffer("mean_D")) / self.get_buffer("scale")


def make_mlp(vectors_ND: np.ndarray, hidden_width: int, num_outputs: int) -> nn.Sequential:
    """A net of one hidden layer that centres its input on these vectors."""
    return nn.Sequential(
        Centre(vectors_ND),
        nn.Linear(vectors_ND.shape[1], hidden_width),
        nn.GELU(),
        nn.Linear(hidden_width, num_outputs),
    )


class NetRouter(EmbeddingRouter):
    """A router whose scores are a small net's outputs; a subclass makes the net and its loss.

    Its settings are those of `Training`.
    """

    scale: ClassVar[Literal["probability", "rank"]] = "rank"

    def __init__(self, vlms: Sequence[str], *, features: FeatureKind, **training: Unpack[Training]) -> None:
        super().__init__(vlms, features=features)
        self.training = training

    def fit_net(
        self,
        candidates: Sequence[CandidateT],
        begin: Callable[[CandidateT], tuple[nn.Module, Loss]],
        train: Labelled,
        val: Labelled | None,
    ) -> CandidateT:
        """Train a net for each candidate setting, keep the best on val as `net`, and return its setting.

        Without val only the first candidate is trained.

        Parameters
        ----------
        begin : callable
            Makes an untrained net and its loss; every candidate's net starts from the same seed.
        """
        self.seen_S = ~np.isnan(train.outcomes).all(axis=0)
        em_of = None if val is None else lambda net: val.em(self.net_scores(net, val.vectors))
        trained = []
        for candidate in candidates if em_of else candidates[:1]:
            with seeded(self.training["seed"]):
                net, loss_on = begin(candidate)
            val_em = None if em_of is None else partial(em_of, net)
            train_small_net(net, loss_on, len(train.vectors), **self.training, val_em=val_em)
            trained.append((candidate, net))
        chosen, self.net = best_on_val(trained, None if em_of is None else lambda pair: em_of(pair[1]))
        return chosen

    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """The net's scores, shape (M, S)."""
        return self.net_scores(self.net, vectors)

    def net_scores(self, net: nn.Module, vectors: np.ndarray) -> np.ndarray:
        """A net's scores, shape (M, S); a VLM without a known outcome gets the lowest score of the others."""
        scores_MS = net_outputs(net, vectors)
        if self.seen_S.any():
            scores_MS[:, ~self.seen_S] = scores_MS[:, self.seen_S].min(axis=1, keepdims=True)
        return scores_MS


@torch.no_grad()
def net_outputs(net: nn.Module, vectors_ND: np.ndarray) -> np.ndarray:
    """A net's outputs for feature vectors, float32."""
    outputs: np.ndarray = net(torch.tensor(vectors_ND)).numpy()
    return outputs
