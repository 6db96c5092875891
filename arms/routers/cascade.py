"""The threshold cascade of routers: Phi over the base pool, then a Theta for each group of new VLMs (Algorithm 1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from arms.data.atomic import atomic_folder
from arms.data.profiles import VlmProfile
from arms.encoders.pair import EncoderPair
from arms.errors import ArmsError
from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.features.online import Claim, Item, Pictures, Question
from arms.routers.arms import ArmsRouter
from arms.routers.base import BaseRouter
from arms.routers.checkpoint import nested_sha256, read_description, write_checkpoint


class CascadeRouter(BaseRouter):
    """The scores of Phi and of each Theta side by side; the policy is Algorithm 1 of arXiv:2606.08970.

    Parameters
    ----------
    phi : ArmsRouter
        Over the base pool.
    thetas : sequence of ArmsRouter, one or more
        Each over new VLMs, in the order in which they joined, with the same encoder settings as Phi.
    theta : float
        The threshold on the best confidence so far, in [0, 1].

    Raises
    ------
    ArmsError
        If there is no Theta, a VLM is in two of the routers, or the threshold is out of range.
    """

    def __init__(self, phi: ArmsRouter, thetas: Sequence[ArmsRouter], *, theta: float) -> None:
        self.phi, self.thetas, self.theta = phi, tuple(thetas), theta
        self.vlms = tuple(name for router in self.routers for name in router.vlms)
        if not self.thetas:
            raise ArmsError("cascade: expected one or more routers Theta behind Phi, got none; use Phi by itself")
        if repeated := sorted({name for name in self.vlms if self.vlms.count(name) > 1}):
            raise ArmsError(f"cascade: expected each VLM in one router, got {', '.join(repeated)} in several")
        if not 0 <= theta <= 1:
            raise ArmsError(f"cascade: expected a threshold theta in [0, 1], got {theta!r}")

    @property
    def routers(self) -> tuple[ArmsRouter, ...]:
        """Phi, then each Theta."""
        return (self.phi, *self.thetas)

    @property
    def profiles(self) -> tuple[VlmProfile, ...]:
        """The profiles of the whole pool, in order."""
        return tuple(profile for router in self.routers for profile in router.profiles)

    @property
    def policy(self) -> dict[str, Any]:
        """The cascade; see `arms.selection.policies.cascade`."""
        return {"name": "cascade", "theta": self.theta, "pools": [list(router.vlms) for router in self.routers]}

    def extended(self, theta_router: ArmsRouter) -> "CascadeRouter":
        """A cascade with one more Theta, over further VLMs; it shares the routers so far and does not change them."""
        return CascadeRouter(self.phi, [*self.thetas, theta_router], theta=self.theta)

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Train every router on the outcomes of its own VLMs; see `BaseRouter.fit`."""
        for router in self.routers:
            router.fit(train.over(router.vlms), None if val is None else val.over(router.vlms))
        return self

    def score(self, queries: Queries) -> np.ndarray:
        """All routers' confidences side by side; see `BaseRouter.score`."""
        return np.concatenate([router.score(queries) for router in self.routers], axis=1)

    @property
    def encoders(self) -> EncoderPair:
        """Phi's, whose settings all routers share."""
        return self.phi.encoders

    def encode(self, images: Sequence[Pictures], questions: Sequence[Question], claim_pair: Claim = Item) -> Queries:
        """Encode queries up to the cut, which all routers share."""
        return self.phi.encode(images, questions, claim_pair)

    def save(self, path: str | Path) -> None:
        """Write all routers and the threshold into a folder, whole or not at all; each Theta shares files with Phi."""
        with atomic_folder(path) as folder:
            self.phi.save(folder / "phi")
            for number, router in enumerate(self.thetas, start=1):
                router.save(folder / f"theta-{number}", beside=folder / "phi")
            description = {"kind": "cascade", "theta": self.theta, "num_thetas": len(self.thetas)}
            nested = ("phi", *_theta_names(len(self.thetas)))
            write_checkpoint(folder, {}, description | self.origin_entry(), nested=nested)

    @classmethod
    def from_folder(cls, folder: Path, *, device: str, sha256: str | None = None) -> Self:
        """Load what `save` wrote; use `load_router`. For `sha256` see `read_description`."""
        description = read_description(folder, sha256)
        if "num_thetas" not in description:
            raise ArmsError(f"{folder}: expected num_thetas, the number of routers Theta, got none; train it anew")
        phi, *thetas = (
            ArmsRouter.from_folder(folder / name, device=device, sha256=nested_sha256(description, name))
            for name in ("phi", *_theta_names(description["num_thetas"]))
        )
        return cls(phi, thetas, theta=description["theta"])


def _theta_names(number: int) -> list[str]:
    """The folders of the routers Theta."""
    return [f"theta-{place}" for place in range(1, number + 1)]


Net = ArmsRouter | CascadeRouter  # a router that is only nets, before anything is joined with them


def first_net(net: Net) -> ArmsRouter:
    """Phi of a cascade, or the router itself."""
    return net.phi if isinstance(net, CascadeRouter) else net
