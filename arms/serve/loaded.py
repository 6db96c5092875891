"""A router as the gateway serves it: with its name, its pool's upstreams, and prices as the settings have them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from arms.data.costs import estimate_costs, price_costs
from arms.data.profiles import VlmProfile
from arms.errors import ArmsError
from arms.params.costs import STANDARD_COSTS
from arms.routers.batches import FeatureCache
from arms.routers.checkpoint import DESCRIPTION
from arms.routers.remote import local_router
from arms.routers.router import Router
from arms.routers.saved import EncodingRouter, ExplainingRouter
from arms.serve.prices import set_prices, with_facts
from arms.serve.settings import ServeSettings


@dataclass(frozen=True, eq=False)
class Loaded:
    """A router that serves.

    Attributes
    ----------
    router : Router
    name : str
        A checksum, or what else tells it from others.
    profiles : dict of str to VlmProfile
        By VLM that has an upstream, with the facts of the settings.
    cache : FeatureCache
        What its batches share.
    """

    router: Router
    name: str
    profiles: dict[str, VlmProfile]
    cache: FeatureCache

    @property
    def explains(self) -> bool:
        """Whether it can say how new a query is."""
        return isinstance(self.router.router, ExplainingRouter)

    @property
    def without_upstream(self) -> frozenset[str]:
        """The VLMs of its pool that cannot be asked."""
        return frozenset(self.router.vlms) - self.profiles.keys()

    @property
    def policy(self) -> dict[str, Any]:
        """Its own."""
        return self.router.router.policy

    def expected_costs(self, num_characters: int, num_images: int) -> dict[str, float]:
        """What each VLM's answer is expected to cost, USD; those of unknown cost are left out."""
        router, asked = self.router.router, ([num_characters], [num_images])
        if router.origin is not None:
            costs = price_costs(router.vlms, *asked, router.origin.prices)
        else:
            profiles = [self.profiles.get(profile.name, profile) for profile in router.profiles]
            costs = estimate_costs(profiles, *asked, STANDARD_COSTS)
        return {vlm: float(cost) for vlm, cost in zip(router.vlms, costs[0], strict=True) if not np.isnan(cost)}

    @classmethod
    def of(cls, router: EncodingRouter, settings: ServeSettings, name: str) -> "Loaded":
        """A router with the facts of the settings; an ArmsError if it cannot serve them."""
        known = {profile.name: profile for profile in router.profiles}
        served = {vlm: with_facts(known[vlm], upstream) for vlm, upstream in settings.upstreams.items() if vlm in known}
        if not served:
            raise ArmsError(
                f"upstreams: expected VLMs of the router ({', '.join(known)}), got {', '.join(settings.upstreams)}"
            )
        loaded = cls(Router(router), name, served, FeatureCache(settings.decision.cache_mb))
        set_prices(router, settings.upstreams)
        loaded.check(settings.policies)
        return loaded

    @classmethod
    def from_folder(cls, settings: ServeSettings) -> "Loaded":
        """The router of the settings, in a folder or at a URL; an ArmsError if it cannot be loaded or cannot serve."""
        folder = local_router(settings.router)
        router = Router.load(folder, device=settings.device)
        checksum = hashlib.sha256((folder / DESCRIPTION).read_bytes()).hexdigest()
        return cls.of(router.router, settings, checksum[:16])

    def check(self, policies: Mapping[str, Mapping[str, Any]]) -> None:
        """Route a question by each policy, and a picture, which wakes the encoders; an ArmsError if that fails."""
        for name, policy in {"": None, **policies}.items():
            try:
                list(self.router.route_batch([()], ["What is this?"], exclude=self.without_upstream, policy=policy))
            except (ArmsError, ValueError) as error:
                raise ArmsError(f"policies.{name}: {error}" if name else str(error)) from error
        if any(profile.max_images != 0 for profile in self.profiles.values()):
            picture = Image.new("RGB", (64, 64))
            list(self.router.route_batch([picture], ["What is this?"], exclude=self.without_upstream))
