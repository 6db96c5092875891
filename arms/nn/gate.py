"""The gate: one weight per fusion expert, from the query (Eq. 2 and 3 of arXiv:2606.08970)."""

import torch
from torch import Tensor, nn


class Gate(nn.Module):
    """p_i = softmax(W [q_i; g_i] + b); the `top_k` largest weights are kept and renormalised.

    Parameters
    ----------
    text_width, image_width : int
        d_q and d_g.
    num_experts : int
        E.
    top_k : int
        Experts kept per query; E keeps all, the published dense form.
    """

    def __init__(self, text_width: int, image_width: int, num_experts: int, top_k: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.project = nn.Linear(text_width + image_width, num_experts)

    def forward(self, question_ND: Tensor, image_ND: Tensor) -> Tensor:
        """Weights of shape (N, E) whose rows sum to 1."""
        return keep_largest(self.all_weights(question_ND, image_ND), self.top_k)

    def all_weights(self, question_ND: Tensor, image_ND: Tensor) -> Tensor:
        """Weights of shape (N, E) before any is set to zero."""
        return self.project(torch.cat([question_ND, image_ND], dim=-1)).softmax(dim=-1)


def keep_largest(gate_NE: Tensor, top_k: int) -> Tensor:
    """Set all but the `top_k` largest weights of each row to zero and renormalise.

    Parameters
    ----------
    gate_NE : Tensor of shape (N, E), rows sum to 1
    top_k : int, 1 to E

    Returns
    -------
    Tensor of shape (N, E), rows sum to 1
    """
    if top_k == gate_NE.shape[-1]:
        return gate_NE
    values, experts = gate_NE.topk(top_k, dim=-1)
    # A single renormalised weight is always 1; it takes the gradient of the weight before, or the gate would not learn.
    shares = values / values.sum(dim=-1, keepdim=True) if top_k > 1 else 1 + values - values.detach()
    return torch.zeros_like(gate_NE).scatter(-1, experts, shares)
