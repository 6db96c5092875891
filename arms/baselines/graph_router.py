"""GraphRouter (Feng et al. 2024, arXiv:2410.03834): edge prediction on a graph of queries, tasks and VLMs."""

import copy
import math
from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from arms.baselines.behaviour import check_new_vlm
from arms.baselines.centring import Centring
from arms.baselines.embedding import EmbeddingRouter
from arms.baselines.gradient import Count, NotNegative, Positive, seeded, train_small_net
from arms.baselines.graph_net import GraphNet, NodeStates
from arms.baselines.router_dc import find_clusters
from arms.errors import ArmsError
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind
from arms.training.losses import masked_loss


class GraphRouter(EmbeddingRouter):
    """A VLM's confidence is the predicted edge between it and the query: will it answer correctly?

    A query's node starts from its feature vector, a task's from the mean of its queries' vectors, and a VLM's from the
    embedding of its profile, or from a learned vector if there are no profiles. Training queries are joined to the
    VLMs by their recorded outcomes, and to their task: their tag, or a K-means cluster if there are no tags. Every
    step hides all outcomes of some queries and predicts them from the graph of the others. A query to be routed is
    like a hidden one: it is joined only to the task with the nearest mean vector.

    A new VLM is a new node: `with_vlm` joins it to the training queries by its outcomes, without training. Some steps
    withhold the VLMs' own vectors, so the net learns to do without one.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    num_tasks : int
        How many clusters are made if there are no tags.
    num_layers : int
        Rounds of messages.
    hidden_share : float
        Share of the training queries whose outcomes a step hides; an epoch hides each query once.
    withhold : float
        Chance, for each VLM and step, that its own vector is withheld.
    hidden_width, epochs : int
    learning_rate : float, > 0
    weight_decay : float, >= 0
    seed : int
    """

    scale = "probability"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        num_tasks: Count,
        num_layers: Count,
        hidden_share: Annotated[float, Field(gt=0, lt=1)],
        withhold: Annotated[float, Field(ge=0, lt=1)],
        hidden_width: Count,
        epochs: Count,
        learning_rate: Positive,
        weight_decay: NotNegative,
        seed: int,
    ) -> None:
        super().__init__(vlms, features=features)
        self.num_tasks = num_tasks
        self.num_layers = num_layers
        self.hidden_share = hidden_share
        self.withhold = withhold
        self.hidden_width = hidden_width
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Make the graph and train the net; keep the epoch with the best EM on val."""
        self.centring = Centring.of(train.vectors)
        self.vectors_ND = self.centring(train.vectors)
        self.outcomes_NS = torch.tensor(train.outcomes)
        self.task_N, self.tasks_KD = self._tasks(train.tags)
        # Without profiles a VLM is a one-hot vector, so the net's weights for it are its learned vector.
        self.profile_centring, self.profiles_SP = None, torch.eye(len(self.vlms))
        if train.profiles is not None:
            self.profile_centring = Centring.of(train.profiles)
            self.profiles_SP = self.profile_centring(train.profiles)
        self.kept_S = torch.ones(len(self.vlms), dtype=torch.bool)
        with seeded(self.seed):
            self.net = GraphNet(self.vectors_ND.shape[1], self.profiles_SP.shape[1], self.hidden_width, self.num_layers)
        self._train(val)
        self.states = self._all_states()

    def _tasks(self, tags: np.ndarray | None) -> tuple[Tensor, Tensor]:
        """Each training query's task, and the tasks' mean vectors."""
        if tags is None:
            task_N = find_clusters(self.vectors_ND.numpy(), self.num_tasks, self.seed)
        else:
            task_N = np.unique(tags, return_inverse=True)[1]
        member_KN = torch.tensor(np.arange(task_N.max() + 1)[:, None] == task_N, dtype=torch.float32)
        means_KD = member_KN @ self.vectors_ND / member_KN.sum(dim=1, keepdim=True)
        return torch.tensor(task_N, dtype=torch.int64), means_KD

    def _train(self, val: Labelled | None) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        every_N = torch.arange(len(self.vectors_ND))

        def loss_on(hidden: Tensor) -> Tensor:
            shown = every_N[~torch.isin(every_N, hidden)]
            kept_S = torch.rand(len(self.vlms), generator=generator) >= self.withhold
            states = self._states(shown, kept_S)
            logits_NS = self.net.predict(self.vectors_ND[hidden], self.task_N[hidden], states)
            return masked_loss(logits_NS, self.outcomes_NS[hidden])

        def val_em() -> float:
            assert val is not None
            self.states = self._all_states()
            return val.em(self.score_vectors(val.vectors))

        train_small_net(
            self.net,
            loss_on,
            len(every_N),
            epochs=self.epochs,
            batch_size=math.ceil(self.hidden_share * len(every_N)),
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            seed=self.seed,
            val_em=None if val is None else val_em,
        )

    def _states(self, shown: Tensor, kept_S: Tensor) -> NodeStates:
        """Tasks' and VLMs' states after messages from some of the training queries."""
        return self.net.propagate(
            self.vectors_ND[shown],
            self.outcomes_NS[shown],
            self.task_N[shown],
            self.tasks_KD,
            self.profiles_SP,
            kept_S,
        )

    @torch.no_grad()
    def _all_states(self) -> NodeStates:
        return self._states(torch.arange(len(self.vectors_ND)), self.kept_S)

    @torch.no_grad()
    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Chance of being right, shape (M, S)."""
        vectors_MD = self.centring(vectors)
        # The nearest mean: |x - t|^2 = |x|^2 - 2 (x . t - |t|^2 / 2)
        task_M = (vectors_MD @ self.tasks_KD.T - self.tasks_KD.square().sum(dim=1) / 2).argmax(dim=1)
        return torch.sigmoid(self.net.predict(vectors_MD, task_M, self.states)).numpy()

    def with_vlm(self, name: str, profile: np.ndarray | None, outcomes: np.ndarray) -> Self:
        """A router with one more VLM, a new node of the graph; this router stays as it is, and nothing is trained.

        Parameters
        ----------
        name : str
        profile : ndarray of shape (P,), or None
            The embedding of its profile. Without one, only its outcomes describe the VLM. It must be None if the
            router was fitted without profiles.
        outcomes : ndarray of shape (N,)
            1 right, 0 wrong, NaN unknown, on the training queries.

        Raises
        ------
        ArmsError
            If the pool has a VLM of this name, or profile or outcomes are not as described.
        """
        outcomes = np.asarray(outcomes, dtype=np.float32)
        check_new_vlm(name, self.vlms, outcomes, len(self.vectors_ND), "training queries")
        width = self.profiles_SP.shape[1]
        own_P = torch.zeros(width)
        if profile is not None:
            if self.profile_centring is None:
                raise ArmsError("with_vlm: expected profile None, since the router was fitted without profiles")
            if np.shape(profile) != (width,):
                raise ArmsError(f"with_vlm: expected a profile of shape ({width},), got {np.shape(profile)}")
            own_P = self.profile_centring(np.asarray(profile)[None])[0]
        extended = copy.copy(self)
        extended.vlms = (*self.vlms, name)
        extended.profiles_SP = torch.cat([self.profiles_SP, own_P[None]])
        extended.kept_S = torch.cat([self.kept_S, torch.tensor([profile is not None])])
        extended.outcomes_NS = torch.cat([self.outcomes_NS, torch.tensor(outcomes)[:, None]], dim=1)
        extended.states = extended._all_states()
        return extended
