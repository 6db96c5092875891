"""Baselines that are saved and routed with: what they have learnt from is stored, and they are fitted to it again.

Every router that needs only embeddings can be saved so, one from another package too, and nothing is pickled. Fitting
is repeatable, so the scores are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np

from arms.baselines.learnt import learnt_from_tensors, learnt_tensors
from arms.baselines.registry import build_router, find_router, foreign_source
from arms.data.atomic import atomic_folder
from arms.data.profiles import VlmProfile
from arms.device import choose_device
from arms.encoders.pair import EncoderPair
from arms.errors import ArmsError
from arms.features.dataset import Embedder
from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.features.online import Claim, Item, Pictures, Question, encode_queries
from arms.routers.arms import TOKENIZER, read_tokenizer
from arms.routers.base import BaseRouter, Scorer
from arms.routers.checkpoint import read_description, read_weights, write_checkpoint
from arms.routers.stored import Tails, build_saved_encoders, hash_untuned, load_weights, split_weights

_NOTHING_TUNED: frozenset[str] = frozenset()


class SavedBaseline(Scorer):
    """A fitted baseline with the encoders that its queries are embedded by, ready to route and to be saved.

    Parameters
    ----------
    name : str
        The router's name in the settings.
    settings : mapping
        As `build_router` takes them.
    seed : int
    profiles : sequence of VlmProfile
        The pool, in order.
    router : BaseRouter
        What `build_router` makes of these, fitted to `train` and `val`.
    train, val : Labelled
        Over the pool; see `BaseRouter.fit`.
    embedder : Embedder
        With encoders that no training has tuned.

    Raises
    ------
    ArmsError
        If the router cannot route; see `why_not`.
    """

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        seed: int,
        profiles: Sequence[VlmProfile],
        router: BaseRouter,
        train: Labelled,
        val: Labelled | None,
        embedder: Embedder,
    ) -> None:
        if reason := why_not(name, settings):
            raise ArmsError(f"{name}: {reason}")
        self.name, self.settings, self.seed = name, dict(settings), seed
        self.profiles, self.router, self.embedder = tuple(profiles), router, embedder
        self.train, self.val = train, val
        self.vlms = router.vlms

    @property
    def policy(self) -> dict[str, Any]:
        """That of the baseline."""
        return self.router.policy

    def score(self, queries: Queries) -> np.ndarray:
        """The baseline's confidences; see `Scorer.score`."""
        return self.router.score(queries)

    @property
    def encoders(self) -> EncoderPair:
        """Those that its queries are embedded by."""
        return self.embedder.encoders

    def encode(self, images: Sequence[Pictures], questions: Sequence[Question], claim_pair: Claim = Item) -> Queries:
        """Encode queries, with their embeddings."""
        device = self.embedder.device
        return self.embedder.queries(encode_queries(self.encoders, images, questions, device, claim_pair))

    def save(self, path: str | Path, *, beside: Path | None = None) -> None:
        """Write everything that `load_router` needs into a folder, whole or not at all.

        Parameters
        ----------
        beside : Path, optional
            A saved baseline in a folder next to this one, with which it shares the files of what both learnt from.
        """
        encoders = self.embedder.encoders
        tails = Tails(encoders)
        parts = split_weights(tails, encoders, _NOTHING_TUNED)
        parts["train"] = learnt_tensors(self.train, embeddings=self.router.reads_queries)
        if self.val is not None:
            parts["val"] = learnt_tensors(self.val, embeddings=self.router.reads_queries)
        description = {
            **_description(self.name, self.settings, self.seed),
            **self.origin_entry(),
            "vlms": [asdict(profile) for profile in self.profiles],
            "batch_size": self.embedder.batch_size,
            "encoders": encoders.params.saved(),
            "encoders_seed": encoders.seed,
            "text_config": encoders.text.config,
            "fingerprints": encoders.fingerprints,
            "untuned": hash_untuned(tails, encoders, _NOTHING_TUNED),
        }
        with atomic_folder(path) as folder:
            (folder / TOKENIZER).write_text(encoders.text.tokenizer.to_str(), encoding="utf-8")
            write_checkpoint(folder, parts, description, beside=beside, files=(TOKENIZER,))

    @classmethod
    def from_folder(cls, folder: Path, *, device: str) -> Self:
        """Load what `save` wrote, and fit the router again; use `load_router`."""
        description = read_description(folder)
        check_source(folder, description)
        name, settings = description["name"], description["settings"]
        if reason := why_not(name, settings):
            raise ArmsError(f"{folder}: {name} {reason}")
        parts = read_weights(folder, description)
        profiles = [VlmProfile(**profile) for profile in description["vlms"]]
        encoders = build_saved_encoders(description, read_tokenizer(folder, description))
        encoders = load_weights(Tails(encoders), encoders, parts, description, folder)
        names = [profile.name for profile in profiles]
        train, val = (learnt_from_tensors(parts[part], names) if part in parts else None for part in ("train", "val"))
        assert train is not None, "what it learnt from is saved always"
        embedder = Embedder(encoders, description["batch_size"], choose_device(device))
        router = build_router(name, names, settings, seed=description["seed"]).fit(train, val)
        return cls(name, settings, description["seed"], profiles, router, train, val, embedder)


def why_not(name: str, settings: Mapping[str, Any]) -> str | None:
    """Why a baseline cannot route, if it cannot: it needs what is there only once VLMs have answered."""
    router = find_router(settings.get("router", name))
    if router.asks_vlms:
        return "cannot route: it asks VLMs and reads their answers before it chooses; ask it through its own class"
    if router.learns_from_answers:
        return "cannot be loaded: it learns from the VLMs' answers, which are not saved; fit it through its own class"
    return None


def save_unable(name: str, settings: Mapping[str, Any], seed: int, path: Path) -> None:
    """Write only the description of a baseline that cannot route: loading it then says why."""
    with atomic_folder(path) as folder:
        write_checkpoint(folder, {}, _description(name, settings, seed))


def check_source(folder: Path, description: Mapping[str, Any]) -> None:
    """Raise an ArmsError if another package's router has changed since it was fitted, or is there no more."""
    name, source = description["name"], description.get("source")
    if source is not None and foreign_source(description["settings"].get("router", name)) != source:
        raise ArmsError(
            f"{folder}: {name} comes from another package, and its file has changed since it was fitted; run: "
            "dvc repro --force baselines"
        )


def _description(name: str, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    description = {"kind": "baseline", "name": name, "settings": dict(settings), "seed": seed}
    source = foreign_source(settings.get("router", name))
    return description if source is None else description | {"source": source}
