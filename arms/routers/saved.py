"""Routers that are saved to a folder: what each of them can do, and how one is loaded."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from arms.data.profiles import VlmProfile
from arms.device import survive_forks
from arms.encoders.pair import EncoderPair
from arms.errors import ArmsError
from arms.features.loader import Queries
from arms.features.online import Claim, Item, Pictures, Question
from arms.routers.checkpoint import read_description
from arms.routers.loading import load_whole
from arms.routers.origin import Origin
from arms.routers.remote import local_router

if TYPE_CHECKING:
    from arms.safe.why import Why

# The routers that can be saved, by the `kind` in their description.
SAVED_ROUTERS = {
    "arms": "arms.routers.arms:ArmsRouter",
    "cascade": "arms.routers.cascade:CascadeRouter",
    "safe": "arms.safe.router:SafeRouter",
    "baseline": "arms.baselines.saved:SavedBaseline",
}


class EncodingRouter(Protocol):
    """A router that encodes pictures and questions itself, and knows its VLMs' profiles and where it comes from."""

    origin: Origin | None

    @property
    def vlms(self) -> tuple[str, ...]:
        """The pool."""

    @property
    def profiles(self) -> tuple[VlmProfile, ...]:
        """What is known about the pool's VLMs, in order."""

    @property
    def policy(self) -> dict[str, Any]:
        """See `BaseRouter.policy`."""

    @property
    def encoders(self) -> EncoderPair:
        """What `encode` encodes with."""

    def encode(self, images: Sequence[Pictures], questions: Sequence[Question], claim_pair: Claim = Item) -> Queries:
        """Turn pictures and questions into what `score` takes; see `arms.features.online.encode_queries`."""

    def score(self, queries: Queries) -> np.ndarray:
        """See `BaseRouter.score`."""

    def save(self, path: str | Path) -> None:
        """Write everything that `load_router` needs into a folder, whole or not at all."""


@runtime_checkable
class ExplainingRouter(Protocol):
    """A router that can say what stands behind its scores."""

    def explain(self, queries: Queries) -> "Sequence[Why]":
        """Why each query goes where it goes."""


def load_router(path: str | Path, *, device: str = "auto") -> EncodingRouter:
    """Load a router that was saved to a folder; one that is replaced meanwhile is loaded as it was or as it then is.

    Of a URL such as s3://bucket/router what is there now is loaded; see `arms.routers.remote`.

    Processes that are forked later can route with it, on one thread each; see `arms.device.survive_forks`.

    Raises
    ------
    ArmsError
        If the place holds no router, or one that is damaged or does not fit this installation.
    """
    survive_forks()
    folder = local_router(path)
    return load_whole(folder, lambda: _load(folder, device))


def _load(folder: Path, device: str) -> EncodingRouter:
    description = read_description(folder)
    kind = description.get("kind")
    if kind not in SAVED_ROUTERS:
        raise ArmsError(f"{folder}: unknown kind of router {kind!r}; known: {', '.join(SAVED_ROUTERS)}")
    module, _, name = SAVED_ROUTERS[kind].partition(":")
    router: EncodingRouter = getattr(import_module(module), name).from_folder(folder, device=device)
    if "origin" in description:
        router.origin = Origin.from_json(description["origin"])
    return router
