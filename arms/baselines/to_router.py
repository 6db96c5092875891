"""TO-Router: learns how close each VLM's answer is to the truth (Stripelis et al. 2024, arXiv:2408.12320)."""

from collections.abc import Sequence
from typing import Annotated, Unpack

import numpy as np
import torch
from pydantic import Field
from torch import nn

from arms.baselines.cosine_classifier import masked_cross_entropy
from arms.baselines.gradient import Count, Loss, NetRouter, Positive, Training, make_mlp
from arms.baselines.zooter import known_softmax
from arms.features.labelled import Answers, Labelled
from arms.features.pooled import FeatureKind


class ToRouter(NetRouter):
    """A VLM's score is its logit in a softmax trained on soft labels from the VLMs' answers.

    A query's labels are softmax(z / temperature), where z is the similarity of each known VLM's answer to the right
    answer, scaled to [0, 1] within the query. The loss is the cross-entropy over the known VLMs. If no answer or no
    truth is recorded, or `Labelled.answers` is None, the similarity is the outcome: 1 right, 0 wrong.

    Parameters
    ----------
    vlms : sequence of str
    features : FeatureKind
    hidden_width : int
    temperature : list of float
        Candidates; it divides the scaled similarities. The best on val is taken, the first without val.
    training
        See `Training`.
    """

    learns_from_answers = True

    def __init__(
        self,
        vlms: Sequence[str],
        *,
        features: FeatureKind,
        hidden_width: Count,
        temperature: Annotated[list[Positive], Field(min_length=1)],
        **training: Unpack[Training],
    ) -> None:
        super().__init__(vlms, features=features, **training)
        self.hidden_width = hidden_width
        self.candidates = list(temperature)

    def fit_vectors(self, train: Labelled, val: Labelled | None) -> None:
        """Learn the soft labels, and choose their temperature on val."""
        vectors_ND = torch.tensor(train.vectors)
        known_NS = torch.tensor(~np.isnan(train.outcomes))
        scaled_NS = scale_within_query(similarity_to_truth(train.outcomes, train.answers))

        def begin(temperature: float) -> tuple[nn.Module, Loss]:
            targets_NS = torch.tensor(known_softmax(scaled_NS / temperature))
            net = make_mlp(train.vectors, self.hidden_width, len(self.vlms))
            return net, lambda rows: masked_cross_entropy(net(vectors_ND[rows]), targets_NS[rows], known_NS[rows])

        self.temperature = self.fit_net(self.candidates, begin, train, val)


def similarity_to_truth(outcomes_NS: np.ndarray, answers: Answers | None) -> np.ndarray:
    """Cosine of each known VLM's answer with the right one, shape (N, S); NaN where the outcome is unknown.

    If no answer or no truth is recorded, it is the outcome.
    """
    similarity_NS = np.array(outcomes_NS)
    if answers is None:
        return similarity_NS
    recorded_NS = ~np.isnan(outcomes_NS) & (answers.rows >= 0) & (answers.truth_rows >= 0)[:, None]
    for vlm, recorded_N in enumerate(recorded_NS.T):
        answer_ND = answers.vectors[answers.rows[recorded_N, vlm]]
        truth_ND = answers.vectors[answers.truth_rows[recorded_N]]
        similarity_NS[recorded_N, vlm] = (answer_ND * truth_ND).sum(axis=1)
    return similarity_NS


def scale_within_query(values_NS: np.ndarray) -> np.ndarray:
    """Scale each row's known values to [0, 1], lowest to highest, shape (N, S); all 1 if they are equal."""
    known_NS = ~np.isnan(values_NS)
    lowest_N1 = np.where(known_NS, values_NS, np.inf).min(axis=1, keepdims=True)
    highest_N1 = np.where(known_NS, values_NS, -np.inf).max(axis=1, keepdims=True)
    differ_N1 = highest_N1 - lowest_N1 > 1e-5  # less is rounding
    scaled_NS = (values_NS - lowest_N1) / np.where(differ_N1, highest_N1 - lowest_N1, 1)
    return np.where(differ_N1, scaled_NS, np.where(known_NS, 1.0, np.nan))
