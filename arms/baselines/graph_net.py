"""Messages between queries, tasks and VLMs, and the edges predicted from them (arXiv:2410.03834, section 4)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from arms.baselines.behaviour import Behaviour, BehaviourReadout, behaviour_on, linear_from_identity


@dataclass(frozen=True, eq=False)
class NodeStates:
    """The tasks' and VLMs' states, from which a query's edges are predicted.

    Attributes
    ----------
    tasks : list of Tensors of shape (K, H)
        The tasks' states before each round of messages.
    vlms : Behaviour
        Its vectors are the VLMs' states after the last round; its mean is that of the queries' last messages.
    """

    tasks: list[Tensor]
    vlms: Behaviour


class GraphNet(nn.Module):
    """A heterogeneous graph net whose edge features are the outcomes.

    In each round a query sends ReLU(W [query; its task]) to its task and to the VLMs whose outcome on it is known. A
    task's state becomes LN(h + ReLU(U [h; mean message])). A query's state becomes the same, from its task's state and
    the mean of its VLMs' messages ReLU(W h + e), where e differs between right and wrong outcomes. A VLM's state is
    its own vector plus a linear map of the mean message along right edges minus that along wrong ones. The map is
    linear because a deeper net would learn the few VLMs of a pool by heart, and could not read a new one. The logit of
    an edge comes from the VLM's last state and what the query would send in the last round; see `BehaviourReadout`.

    Parameters
    ----------
    query_width, profile_width : int
        D and P of the nodes' own vectors.
    hidden_width : int
    num_layers : int
        Rounds of messages.
    """

    def __init__(self, query_width: int, profile_width: int, hidden_width: int, num_layers: int) -> None:
        super().__init__()
        self.query_in = nn.Linear(query_width, hidden_width)
        self.task_in = nn.Linear(query_width, hidden_width)
        # Zero at first: a VLM starts as what its edges say about it.
        self.vlm_in = nn.Linear(profile_width, hidden_width, bias=False)
        nn.init.zeros_(self.vlm_in.weight)
        self.sent = nn.ModuleList(_Sent(hidden_width) for _ in range(num_layers))
        self.to_vlms = nn.ModuleList(linear_from_identity(hidden_width, bias=False) for _ in range(num_layers))
        self.to_tasks = nn.ModuleList(_Update(hidden_width, num_messages=1) for _ in range(num_layers - 1))
        self.to_queries = nn.ModuleList(_Update(hidden_width, num_messages=2) for _ in range(num_layers - 1))
        self.from_vlms = nn.ModuleList(_OutcomeMessage(hidden_width) for _ in range(num_layers - 1))
        self.readout = BehaviourReadout(hidden_width)

    def propagate(
        self,
        query_ND: Tensor,
        outcomes_NS: Tensor,
        task_N: Tensor,
        tasks_KD: Tensor,
        profiles_SP: Tensor,
        kept_S: Tensor,
    ) -> NodeStates:
        """Pass messages on the graph of N queries.

        Parameters
        ----------
        query_ND : Tensor of shape (N, D)
        outcomes_NS : Tensor of shape (N, S)
            Edges: 1 right, 0 wrong, NaN without an edge.
        task_N : Tensor of shape (N,), int64
        tasks_KD : Tensor of shape (K, D)
        profiles_SP : Tensor of shape (S, P)
        kept_S : Tensor of shape (S,), bool
            False withholds a VLM's own vector.
        """
        member_KN = (torch.arange(len(tasks_KD))[:, None] == task_N).float()
        member_KN = member_KN / member_KN.sum(dim=1, keepdim=True).clamp(min=1)
        query_NH, task_KH = self.query_in(query_ND), self.task_in(tasks_KD)
        own_SH = vlm_SH = self.vlm_in(profiles_SP) * kept_S[:, None]
        tasks = [task_KH]
        for place, (sent, to_vlms) in enumerate(zip(self.sent, self.to_vlms, strict=True)):
            its_task_NH = task_KH[task_N]
            sent_NH = sent(query_NH, its_task_NH)
            found = behaviour_on(sent_NH, outcomes_NS)
            if place < len(self.to_tasks):  # the last round updates only the VLMs
                from_vlms_NH = self.from_vlms[place](vlm_SH, outcomes_NS)
                query_NH = self.to_queries[place](query_NH, its_task_NH, from_vlms_NH)
                task_KH = self.to_tasks[place](task_KH, member_KN @ sent_NH)
                tasks.append(task_KH)
            vlm_SH = own_SH + to_vlms(found.vectors_SH)
        return NodeStates(tasks, Behaviour(vlm_SH, found.log_odds_S, found.mean_H))

    def predict(self, query_MD: Tensor, task_M: Tensor, states: NodeStates) -> Tensor:
        """Logits of shape (M, S) for queries that have a task but no VLM; they send no messages."""
        query_MH = self.query_in(query_MD)
        for to_queries, task_KH in zip(self.to_queries, states.tasks[:-1], strict=True):
            query_MH = to_queries(query_MH, task_KH[task_M], torch.zeros_like(query_MH))
        return self.readout(self.sent[-1](query_MH, states.tasks[-1][task_M]), states.vlms)


class _Sent(nn.Module):
    """A query's message, from its state and its task's state."""

    def __init__(self, hidden_width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * hidden_width, hidden_width)

    def forward(self, query_NH: Tensor, its_task_NH: Tensor) -> Tensor:
        return F.relu(self.linear(torch.cat([query_NH, its_task_NH], dim=1)))


class _Update(nn.Module):
    """A node's next state, from its state and the messages to it."""

    def __init__(self, hidden_width: int, *, num_messages: int) -> None:
        super().__init__()
        self.linear = nn.Linear((1 + num_messages) * hidden_width, hidden_width)
        self.norm = nn.LayerNorm(hidden_width)

    def forward(self, state_NH: Tensor, *messages_NH: Tensor) -> Tensor:
        return self.norm(state_NH + F.relu(self.linear(torch.cat([state_NH, *messages_NH], dim=1))))


class _OutcomeMessage(nn.Module):
    """Mean message of VLMs along a query's edges; zeros without edges."""

    def __init__(self, hidden_width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_width, hidden_width)
        self.right = nn.Parameter(torch.randn(hidden_width) / hidden_width**0.5)

    def forward(self, vlm_SH: Tensor, outcomes_NS: Tensor) -> Tensor:
        state_SH = self.linear(vlm_SH)
        wrong_NS, right_NS = ((outcomes_NS == value).float() for value in (0, 1))
        degree_N1 = (wrong_NS + right_NS).sum(dim=1, keepdim=True)
        return (wrong_NS @ F.relu(state_SH) + right_NS @ F.relu(state_SH + self.right)) / degree_N1.clamp(min=1)
