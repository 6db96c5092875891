"""FORC: a meta-model of whether a VLM will answer a query correctly (Sakota et al. 2024, arXiv:2308.06077)."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from arms.baselines.gradient import Centre, Count, Loss, NetRouter, Training, net_outputs
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind
from arms.training.losses import masked_loss


class ForcRouter(NetRouter):
    """A VLM's confidence is P(correct), from one net on the query's vector and the VLM's vector.

    The VLM's vector is the embedding of its profile sentence, or is learned if `Labelled.profiles` is None. The loss
    is the binary cross-entropy over the known pairs. The published meta-model reads the question and the VLM's name as
    one text; `features: text` comes closest to it.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    hidden_width : list of int
        Candidates; the best on val is taken, the first without val.
    training
        See `Training`.
    """

    scale = "probability"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        hidden_width: Annotated[list[Count], Field(min_length=1)],
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        self.candidates = list(hidden_width)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Learn the meta-model, and choose its width on val."""
        vectors_ND = torch.tensor(train.vectors)
        outcomes_NS = torch.tensor(train.outcomes)

        def begin(hidden_width: int) -> tuple[nn.Module, Loss]:
            net = PairNet(train.vectors, len(self.vlms), train.profiles, hidden_width)
            return net, lambda rows: masked_loss(net(vectors_ND[rows]), outcomes_NS[rows])

        self.hidden_width = self.fit_net(self.candidates, begin, train, val)

    def net_scores(self, net: nn.Module, vectors: np.ndarray) -> np.ndarray:
        """P(correct), shape (M, S); a VLM without a known outcome is scored too, by its profile."""
        scores_MS: np.ndarray = torch.sigmoid(torch.from_numpy(net_outputs(net, vectors))).numpy()
        return scores_MS


class PairNet(nn.Module):
    """A net of one hidden layer on [query; VLM], for all pairs at once.

    The first layer is linear, so each query and each VLM is multiplied once: N + S products instead of N S.

    Parameters
    ----------
    vectors_ND : ndarray
        Training vectors, to centre on.
    profiles_SP : ndarray or None
        One vector per VLM; None to learn them.
    """

    def __init__(
        self, vectors_ND: np.ndarray, num_vlms: int, profiles_SP: np.ndarray | None, hidden_width: int
    ) -> None:
        super().__init__()
        self.query = nn.Sequential(Centre(vectors_ND), nn.Linear(vectors_ND.shape[1], hidden_width))
        if profiles_SP is None:
            self.profiles_SP = nn.Parameter(torch.randn(num_vlms, hidden_width))
        else:
            # Profile sentences are much alike; the VLMs differ in what is left after the mean is removed.
            self.register_buffer("profiles_SP", Centre(profiles_SP)(torch.tensor(profiles_SP)))
        self.vlm = nn.Linear(self.profiles_SP.shape[1], hidden_width, bias=False)
        self.output = nn.Linear(hidden_width, 1)

    def forward(self, vectors_ND: Tensor) -> Tensor:
        """Logits of P(correct), shape (N, S)."""
        hidden_NSH = self.query(vectors_ND)[:, None] + self.vlm(self.profiles_SP)[None]
        return self.output(F.gelu(hidden_NSH))[:, :, 0]
