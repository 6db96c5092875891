"""The safe router: a net, a memory of the training queries, and what joins them, in one folder."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from scipy.special import logit
from torch import Tensor

from arms.data.atomic import atomic_folder
from arms.data.profiles import VlmProfile
from arms.encoders.pair import EncoderPair
from arms.errors import ArmsError
from arms.features.dataset import Embedder
from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.features.online import Claim, Item, Pictures, Question
from arms.params.training import FitParams, RouterParams, SafeParams
from arms.routers.arms import ArmsRouter
from arms.routers.base import Scorer
from arms.routers.cascade import CascadeRouter, Net, first_net
from arms.routers.checkpoint import nested_sha256, read_description, read_weights, write_checkpoint
from arms.safe.base_rates import base_rates
from arms.safe.evidence import Evidence
from arms.safe.fitting import extend_joint, fit_joint
from arms.safe.joint import Joint, gather_evidence
from arms.safe.memory import Found, Memory
from arms.safe.stored import memory_from_tensors, memory_tensors
from arms.safe.why import Why, explain

NET = "net"
_TAILS = ("image", "text")
_NETS: dict[str, type[ArmsRouter] | type[CascadeRouter]] = {"arms": ArmsRouter, "cascade": CascadeRouter}


class SafeRouter(Scorer):
    """Net, neighbours and base rates, joined as far as left-out queries show that each can be trusted.

    Parameters
    ----------
    net : ArmsRouter or CascadeRouter
    memory : Memory
        Over the same pool.
    joint : Joint
    embedder : Embedder
        With encoders that no training has tuned: neighbours are searched by their embeddings.
    """

    def __init__(self, net: Net, memory: Memory, joint: Joint, embedder: Embedder) -> None:
        self.net, self.memory, self.joint, self.embedder = net, memory, joint, embedder
        self.vlms = net.vlms

    @classmethod
    def join(
        cls,
        net: ArmsRouter,
        train: Labelled,
        val: Labelled | None,
        params: SafeParams,
        embedder: Embedder,
        *,
        seed: int,
        jobs: int = 1,
    ) -> Self:
        """Join a trained net with what else is known; see `fit_joint`.

        Nets that are fitted without a part of the queries start anew, from the embedder's encoders.
        """
        memory = Memory.of(train, params.index)
        new_net = partial(_untrained, net.profiles, embedder.encoders, net.router, net.training, net.device)
        return cls(net, memory, fit_joint(net, memory, new_net, train, val, params, seed, jobs), embedder)

    def extended(self, net: Net, train: Labelled, val: Labelled | None) -> "SafeRouter":
        """This router over an extended pool; it stays as it is.

        Parameters
        ----------
        net : ArmsRouter or CascadeRouter
            The net, extended: its first VLMs are this router's.
        train, val : Labelled
            With embeddings, over the extended pool; `train` has the queries that this router remembers.
        """
        row_of = {query_id: row for row, query_id in enumerate(train.queries.ids)}
        if missing := [query_id for query_id in self.memory.ids if query_id not in row_of]:
            raise ArmsError(
                f"safe router: expected the {len(self.memory.ids)} training queries that it remembers, {len(missing)} "
                f"are missing, such as {missing[0]!r}; prepare the data it was trained on, or train it anew"
            )
        outcomes = train.outcomes[[row_of[query_id] for query_id in self.memory.ids]]
        # A VLM that was added earlier has its outcomes only here.
        own = outcomes[:, : len(self.vlms)]
        own[np.isnan(own)] = self.memory.outcomes[np.isnan(own)]
        memory = self.memory.with_outcomes(outcomes)
        return SafeRouter(net, memory, extend_joint(self.joint, net, memory, val), self.embedder)

    def refitted(self, net: Net, train: Labelled) -> "SafeRouter":
        """This router with a net trained on more queries, and with these in its memory; what joins them stays.

        Parameters
        ----------
        net : ArmsRouter or CascadeRouter
            Over the same pool.
        train : Labelled
            With embeddings, over that pool.
        """
        memory = Memory.of(train, self.memory.index)
        return SafeRouter(net, memory, replace(self.joint, base=logit(base_rates(train.outcomes))), self.embedder)

    @property
    def phi(self) -> ArmsRouter:
        """The net over the base pool, or the only one."""
        return first_net(self.net)

    @property
    def profiles(self) -> tuple[VlmProfile, ...]:
        """The profiles of the whole pool, in order."""
        return self.net.profiles

    def score(self, queries: Queries) -> np.ndarray:
        """Chances of being right; see `Scorer.score`."""
        evidence, _ = self.evidence(queries)
        return self.joint.confidences(evidence).astype(np.float32)

    def evidence(self, queries: Queries) -> tuple[Evidence, Found]:
        """What is known about queries, and their neighbours in the memory."""
        if queries.embeddings is None:
            queries = self.embedder.queries(queries)
        assert queries.embeddings is not None
        found = self.memory.search(queries.embeddings)
        joint = self.joint
        confidence = self.net.score(queries)
        return gather_evidence(confidence, self.memory, found, queries.forms, joint.base, joint.old), found

    def explain(self, queries: Queries) -> list[Why]:
        """Why each query goes where it goes."""
        evidence, found = self.evidence(queries)
        return explain(self.joint, self.memory, self.vlms, evidence, found)

    @property
    def encoders(self) -> EncoderPair:
        """The net's."""
        return self.phi.encoders

    def encode(self, images: Sequence[Pictures], questions: Sequence[Question], claim_pair: Claim = Item) -> Queries:
        """Encode queries, with the embeddings that neighbours are searched by."""
        return self.embedder.queries(self.net.encode(images, questions, claim_pair))

    def save(self, path: str | Path) -> None:
        """Write everything that `load_router` needs into a folder, whole or not at all."""
        with atomic_folder(path) as folder:
            self.net.save(folder / NET)
            joint = {name: torch.from_numpy(array) for name, array in self.joint.to_arrays().items()}
            parts = {"memory": memory_tensors(self.memory), "joint": joint, **self._untuned()}
            description = {"kind": "safe", "index": self.memory.index, "trust": self.joint.trust.to_json()}
            write_checkpoint(folder, parts, description | self.origin_entry(), nested=(NET,))

    def _untuned(self) -> dict[str, dict[str, Tensor]]:
        """The weights of the tails that neighbours are searched by, where the net has tuned its own."""
        encoders = self.embedder.encoders
        tails = {"image": encoders.image.tail, "text": encoders.text.tail}
        return {f"{name}_untuned": dict(tails[name].state_dict()) for name in _TAILS if name in self.phi.tuned}

    @classmethod
    def from_folder(cls, folder: Path, *, device: str, sha256: str | None = None) -> Self:
        """Load what `save` wrote; use `load_router`. For `sha256` see `read_description`."""
        description = read_description(folder, sha256)
        parts, of_net = read_weights(folder, description), nested_sha256(description, NET)
        kind = read_description(folder / NET, of_net).get("kind")
        if kind not in _NETS:
            raise ArmsError(f"{folder / NET}: expected a router of kind {' or '.join(_NETS)}, got {kind!r}")
        net = _NETS[kind].from_folder(folder / NET, device=device, sha256=of_net)
        memory = memory_from_tensors(parts["memory"], description["index"])
        joint = Joint.from_arrays(
            {name: tensor.numpy() for name, tensor in parts["joint"].items()}, description["trust"]
        )
        if memory.outcomes.shape[1] != len(net.vlms):
            raise ArmsError(
                f"{folder}: expected a memory of {len(net.vlms)} VLMs, got {memory.outcomes.shape[1]}; train it anew"
            )
        phi = first_net(net)
        embedder = Embedder(_with_untuned(phi.encoders, parts), 4 * phi.training.batch_size, phi.device)
        return cls(net, memory, joint, embedder)


def _untrained(
    profiles: Sequence[VlmProfile],
    encoders: EncoderPair,
    router: RouterParams,
    training: FitParams,
    device: torch.device,
) -> ArmsRouter:
    # Training tunes the encoders, so each net needs its own.
    return ArmsRouter(profiles, copy.deepcopy(encoders), router, training, device=device)


def _with_untuned(encoders: EncoderPair, parts: dict[str, dict[str, Tensor]]) -> EncoderPair:
    """The encoders with the tails that were saved as untuned; a tail that was not is untuned already."""
    changed: dict[str, Any] = {}
    for name, encoder in (("image", encoders.image), ("text", encoders.text)):
        tail = copy.deepcopy(encoder.tail)
        if f"{name}_untuned" in parts:
            tail.load_state_dict(parts[f"{name}_untuned"])
        changed[name] = replace(encoder, tail=tail)
    return replace(encoders, **changed)
