"""A two-tower router after SCOPE: one tower for queries, one for the VLMs' behaviour."""

import copy
import math
from collections.abc import Sequence
from typing import Annotated, Self, Unpack

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from arms.baselines.behaviour import Behaviour, BehaviourReadout, behaviour_on, check_new_vlm, linear_from_identity
from arms.baselines.centring import Centring
from arms.baselines.embedding import EmbeddingRouter
from arms.baselines.gradient import Count, Training, seeded, train_small_net
from arms.features.labelled import Labelled
from arms.features.pooled import FeatureKind
from arms.training.losses import masked_loss


class ScopeRouter(EmbeddingRouter):
    """Describes a VLM by what it got right and wrong on some calibration queries, its behaviour profile.

    A confidence is the sigmoid of the scaled inner product of the query's vector and the profile's vector, each from
    its own tower. The towers read a new VLM's profile just as those seen in training, so `with_vlm` adds a VLM by its
    outcomes on the calibration queries, without training.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    num_calibration : int
        How many calibration queries are drawn from the training queries; all if there are fewer.
    least_share : float
        In every step each VLM's profile uses a random share of the calibration queries, between this and 1. So the net
        sees many profiles of a VLM, some of them made from few queries.
    hidden_width : int
    training
        See `Training`.
    """

    scale = "probability"

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        num_calibration: Count,
        least_share: Annotated[float, Field(gt=0, le=1)],
        hidden_width: Count,
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features)
        self.num_calibration = num_calibration
        self.least_share = least_share
        self.hidden_width = hidden_width
        self.training = training
        self.seed = training["seed"]

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Draw the calibration queries and train both towers; keep the epoch with the best EM on val.

        Sets `calibration_rows`, the calibration queries' positions among the training queries, ascending.
        """
        count = min(self.num_calibration, len(train.vectors))
        drawn = np.random.default_rng(self.seed).choice(len(train.vectors), count, replace=False)
        self.calibration_rows = np.sort(drawn)
        self.centring = Centring.of(train.vectors)
        vectors_ND = self.centring(train.vectors)
        self.calibration_CD = vectors_ND[self.calibration_rows]
        with seeded(self.seed):
            self.net = TwoTowers(vectors_ND.shape[1], self.hidden_width)
        self._train(vectors_ND, torch.tensor(train.outcomes), val)
        self.behaviour = self._behaviour(train.outcomes[self.calibration_rows])

    def _train(self, vectors_ND: Tensor, outcomes_NS: Tensor, val: Labelled | None) -> None:
        calibration_C = torch.from_numpy(self.calibration_rows)
        calibration_CS = outcomes_NS[calibration_C]
        generator = torch.Generator().manual_seed(self.seed)

        def loss_on(rows: Tensor) -> Tensor:
            # A query's own outcome stays out of the profiles, as it does for a new query.
            others_C1 = ~torch.isin(calibration_C, rows)[:, None]
            count, num_vlms = calibration_CS.shape
            used_CS = others_C1 & draw_subsets(count, num_vlms, self.least_share, generator)
            behaviour = self.net.behaviour(self.calibration_CD, calibration_CS.masked_fill(~used_CS, math.nan))
            return masked_loss(self.net(vectors_ND[rows], behaviour), outcomes_NS[rows])

        def val_em() -> float:
            assert val is not None
            self.behaviour = self._behaviour(calibration_CS.numpy())
            return val.em(self.score_vectors(val.vectors))

        train_small_net(self.net, loss_on, len(vectors_ND), **self.training, val_em=None if val is None else val_em)

    @torch.no_grad()
    def _behaviour(self, outcomes_CS: np.ndarray) -> Behaviour:
        return self.net.behaviour(self.calibration_CD, torch.tensor(outcomes_CS))

    @torch.no_grad()
    def score_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Chance of being right, shape (M, S)."""
        return torch.sigmoid(self.net(self.centring(vectors), self.behaviour)).numpy()

    def with_vlm(self, name: str, outcomes_on_calibration: np.ndarray) -> Self:
        """A router with one more VLM; this router stays as it is, and nothing is trained.

        Parameters
        ----------
        name : str
        outcomes_on_calibration : ndarray of shape (C,)
            1 right, 0 wrong, NaN unknown, on the training queries at `calibration_rows`.

        Raises
        ------
        ArmsError
            If the pool has a VLM of this name, or the outcomes are not as described.
        """
        outcomes = np.asarray(outcomes_on_calibration, dtype=np.float32)
        check_new_vlm(name, self.vlms, outcomes, len(self.calibration_rows), "calibration queries")
        old, new = self.behaviour, self._behaviour(outcomes[:, None])
        extended = copy.copy(self)
        extended.vlms = (*self.vlms, name)
        extended.behaviour = Behaviour(
            torch.cat([old.vectors_SH, new.vectors_SH]), torch.cat([old.log_odds_S, new.log_odds_S]), old.mean_H
        )
        return extended


class TwoTowers(nn.Module):
    """A tower for queries and a linear one for behaviour profiles, on a hidden layer that they share.

    A profile is a difference of two means of the calibration queries' hidden vectors, and the share of right ones; see
    `behaviour_on`. Both towers start as the identity on the hidden vectors.

    Parameters
    ----------
    query_width : int
    hidden_width : int
        H, the width of the hidden layer and of the towers' outputs.
    """

    def __init__(self, query_width: int, hidden_width: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(query_width, hidden_width), nn.ReLU())
        self.profile = linear_from_identity(hidden_width, bias=False)
        self.readout = BehaviourReadout(hidden_width)

    def forward(self, query_ND: Tensor, behaviour: Behaviour) -> Tensor:
        """Logits of shape (N, S)."""
        return self.readout(self.hidden(query_ND), behaviour)

    def behaviour(self, calibration_CD: Tensor, outcomes_CS: Tensor) -> Behaviour:
        """Profiles of S VLMs from C calibration queries and the outcomes on them, NaN left out."""
        found = behaviour_on(self.hidden(calibration_CD), outcomes_CS)
        return Behaviour(self.profile(found.vectors_SH), found.log_odds_S, found.mean_H)


def draw_subsets(num_members: int, num_vlms: int, least_share: float, generator: torch.Generator) -> Tensor:
    """Draw a subset of C members for each of S VLMs: bool of shape (C, S), its share uniform in [least_share, 1]."""
    share_S = least_share + (1 - least_share) * torch.rand(num_vlms, generator=generator)
    return torch.rand((num_members, num_vlms), generator=generator) < share_S
