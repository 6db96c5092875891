"""The threshold cascade of two routers: Phi over the base pool, Theta over the new VLMs (Algorithm 1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from arms.checkpoint import read_description, write_checkpoint
from arms.data.atomic import atomic_folder
from arms.features.loader import Queries
from arms.routers.arms import ArmsRouter
from arms.routers.base import Router


class CascadeRouter(Router):
    """Phi's scores and Theta's side by side; the policy is Algorithm 1 of arXiv:2606.08970.

    Parameters
    ----------
    phi, theta_router : ArmsRouter
        Over the base pool and over the new VLMs, on the same encoder settings.
    theta : float
        The threshold on Phi's best confidence, in [0, 1].
    """

    def __init__(self, phi: ArmsRouter, theta_router: ArmsRouter, *, theta: float) -> None:
        self.phi, self.theta_router, self.theta = phi, theta_router, theta
        self.vlms = phi.vlms + theta_router.vlms

    @property
    def policy(self) -> dict[str, Any]:
        """The cascade; see `arms.selection.cascade`."""
        return {"name": "cascade", "theta": self.theta, "base": list(self.phi.vlms)}

    def fit(
        self,
        queries: Queries,
        outcomes: np.ndarray,
        val_queries: Queries | None = None,
        val_outcomes: np.ndarray | None = None,
    ) -> Self:
        """Train both routers, each on the outcomes of its own VLMs; see `Router.fit`."""
        count = len(self.phi.vlms)
        for router, columns in ((self.phi, slice(None, count)), (self.theta_router, slice(count, None))):
            val = None if val_outcomes is None else val_outcomes[:, columns]
            router.fit(queries, outcomes[:, columns], val_queries, val)
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """Both routers' confidences side by side; see `Router.score`."""
        return np.concatenate([self.phi.score(queries), self.theta_router.score(queries)], axis=1)

    def encode(self, images: Sequence[Image.Image], questions: Sequence[str]) -> Queries:
        """Encode queries up to the cut, which both routers share; see `Router.encode`."""
        return self.phi.encode(images, questions)

    def save(self, path: str | Path) -> None:
        """Write both routers and the threshold into a folder, whole or not at all."""
        with atomic_folder(path) as folder:
            self.phi.save(folder / "phi")
            self.theta_router.save(folder / "theta")
            write_checkpoint(folder, {}, {"kind": "cascade", "theta": self.theta})

    @classmethod
    def from_folder(cls, folder: Path, *, device: str) -> Self:
        """Load what `save` wrote; use `Router.load`."""
        description = read_description(folder)
        phi = ArmsRouter.from_folder(folder / "phi", device=device)
        theta_router = ArmsRouter.from_folder(folder / "theta", device=device)
        return cls(phi, theta_router, theta=description["theta"])
