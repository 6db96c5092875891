"""Queries with pooled embeddings, and what else is recorded of them, for the routers that ARMS is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from arms.baselines.facts import Answers, Facts
from arms.baselines.output_aware import OutputAwareRouter
from arms.baselines.registry import build_router
from arms.data.costs import costs_of
from arms.data.profiles import profile_sentence
from arms.data.scores import Scores
from arms.device import choose_device
from arms.encoders.pair import EncoderPair
from arms.features.loader import Queries
from arms.features.pooling import add_embeddings, embed_texts
from arms.params import Params
from arms.routers.base import Router
from stages.inputs import SCORED_SPLITS, Inputs, read_inputs, router_scores
from stages.workspace import Workspace


@dataclass(frozen=True)
class Embedded:
    """The dataset as routers on pooled embeddings see it.

    Attributes
    ----------
    train, val : Queries
        What routers are fitted on, and what their settings are chosen on.
    scored : Queries
        The splits of `SCORED_SPLITS`, which are scored and never fitted on.
    """

    inputs: Inputs
    encoders: EncoderPair
    params: Params
    train: Queries
    val: Queries
    scored: Queries

    def fit(self, name: str, settings: Mapping[str, Any], vlms: Sequence[str], where: str) -> Router:
        """Build a router of the registry over a pool, its settings being those at `where`, and fit it on train."""
        router = build_router(name, vlms, settings, seed=self.params.seed, where=where)
        outcomes, val_outcomes = (self.inputs.outcomes(queries, vlms) for queries in (self.train, self.val))
        facts = self.facts(vlms, answers=router.learns_from_answers)
        if isinstance(router, OutputAwareRouter):
            val_answers = self.answers(self.val, vlms)
            return router.fit(self.train, outcomes, self.val, val_outcomes, facts=facts, val_answers=val_answers)
        return router.fit(self.train, outcomes, self.val, val_outcomes, facts=facts)

    def score(self, router: Router, name: str, pool: str) -> Scores:
        """Score all queries that are scored; a router that reads answers is replayed on the recorded ones."""
        if not isinstance(router, OutputAwareRouter):
            return router_scores(name, pool, router, self.scored)
        answers = self.answers(self.scored, router.vlms)
        assert answers is not None, "it was fitted on answers"
        consulted = router.consult(self.scored, answers)
        ids, policy = self.scored.ids, router.policy
        return Scores(name, pool, ids, router.vlms, consulted.confidence, policy, consulted.asked)

    def facts(self, vlms: Sequence[str], *, answers: bool) -> Facts:
        """Costs and tasks of the training queries, the profiles of a pool, and where they are asked for the answers."""
        prepared = self.inputs.prepared
        costs = costs_of(prepared, self.train.ids, vlms, self.params.costs).charged
        sentences = [profile_sentence(vlm, "full") for vlm in prepared.vlms if vlm.name in vlms]
        return Facts(
            costs=None if np.isnan(costs).any() else costs.astype(np.float32),
            tags=prepared.split("train")["task"].to_numpy(dtype=str),
            profiles=self._embed(sentences),
            answers=self.answers(self.train, vlms) if answers else None,
        )

    @property
    def has_answers(self) -> bool:
        """Whether the dataset records what the VLMs answered."""
        return bool(self.inputs.prepared.recorded_outputs)

    def answers(self, queries: Queries, vlms: Sequence[str]) -> Answers | None:
        """What the VLMs answered to some queries; None if the dataset records no outputs."""
        if not self.has_answers:
            return None
        row_of, vectors = self._answer_vectors
        texts, truths = self.inputs.prepared.outputs(queries.ids, vlms)
        rows = np.array([[row_of.get(text, -1) for text in line] for line in texts], dtype=np.int64)
        truth_rows = np.array([row_of.get(text, -1) for text in truths], dtype=np.int64)
        return Answers(vectors, rows.reshape(len(queries), len(vlms)), truth_rows)

    @cached_property
    def _answer_vectors(self) -> tuple[dict[str | None, int], np.ndarray]:
        """Each distinct answer's row and all their embeddings."""
        prepared = self.inputs.prepared
        texts = sorted({*prepared.recorded_outputs, *prepared.queries["answer"].dropna()})
        return {text: row for row, text in enumerate(texts)}, self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        return embed_texts(texts, self.encoders, batch_size=_batch_size(self.params), device=_device(self.params))


def read_embedded(workspace: Workspace) -> Embedded:
    """Read the prepared dataset and its features, and pool the latter."""
    inputs, encoders = read_inputs(workspace)
    params = workspace.params
    train, val, scored = (
        add_embeddings(inputs.queries(*splits), encoders, batch_size=_batch_size(params), device=_device(params))
        for splits in (("train",), ("val",), SCORED_SPLITS)
    )
    return Embedded(inputs, encoders, params, train, val, scored)


def _batch_size(params: Params) -> int:
    return params.runtime.extract_batch_size


def _device(params: Params) -> torch.device:
    return choose_device(params.runtime.device)
