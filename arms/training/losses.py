"""Losses on logits and outcomes (Eq. 1 of arXiv:2606.08970)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def _whole(own: Tensor) -> Tensor:
    return own


def masked_loss(
    logits_NS: Tensor,
    outcomes_NS: Tensor,
    class_weights_CS: Tensor | None = None,
    *,
    total: Callable[[Tensor], Tensor] = _whole,
) -> Tensor:
    """Mean binary cross-entropy over the known outcomes; a missing outcome (NaN) is ignored.

    Parameters
    ----------
    logits_NS, outcomes_NS : Tensor of shape (N, S)
    class_weights_CS : Tensor of shape (2, S), optional
        The weights of each VLM's wrong (row 0) and right (row 1) outcomes; see `balanced_weights`.
    total : callable, optional
        Takes a sum over these queries to that over the whole batch, where other processes have the rest of it.

    Returns
    -------
    Tensor, scalar, in nats; 0 if no outcome is known
    """
    known_NS = ~outcomes_NS.isnan()
    right_NS = outcomes_NS.nan_to_num()
    loss_NS = F.binary_cross_entropy_with_logits(logits_NS, right_NS, reduction="none")
    if class_weights_CS is not None:
        loss_NS = loss_NS * torch.where(right_NS > 0, class_weights_CS[1], class_weights_CS[0])
    return total((loss_NS * known_NS).sum()) / total(known_NS.sum()).clamp(min=1)


def balanced_weights(outcomes_NS: np.ndarray) -> np.ndarray:
    """Weights n / (2 n_c), which make a VLM's right and wrong outcomes count the same in total: shape (2, S), float32.

    A VLM that has no right or no wrong outcomes gets weight 1 for both.
    """
    counts_CS = np.stack([(outcomes_NS == value).sum(axis=0) for value in (0, 1)]).astype(np.float64)
    one_sided_S = (counts_CS == 0).any(axis=0)
    weights_CS = counts_CS.sum(axis=0) / (2 * np.maximum(counts_CS, 1))
    return np.where(one_sided_S, 1.0, weights_CS).astype(np.float32)


def importance_loss(gate_NE: Tensor, *, total: Callable[[Tensor], Tensor] = _whole) -> Tensor:
    """Squared coefficient of variation of the experts' total weights (Shazeer et al., arXiv:1701.06538, Eq. 6 and 7).

    It is 0 if all experts have the same total, and E - 1 if one expert has all the weight. `masked_loss` says what
    `total` is.
    """
    importance_E = total(gate_NE.sum(dim=0))
    return importance_E.var(correction=0) / importance_E.mean().square()
