"""A router as the gateway serves it: with its name, its pool's upstreams, and prices as the settings have them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from arms.data.costs import AnswerPrice, estimate_costs, price_costs
from arms.data.profiles import VlmProfile
from arms.errors import ArmsError
from arms.params import STANDARD_COSTS
from arms.routers.checkpoint import DESCRIPTION
from arms.routers.router import EncodingRouter, ExplainingRouter, Router
from arms.serve.settings import ServeSettings, UpstreamSettings

_LENGTHS = (0, 1000)  # characters, to find a price for each


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
    """

    router: Router
    name: str
    profiles: dict[str, VlmProfile]

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

    def expected_costs(self, num_characters: int) -> dict[str, float]:
        """What each VLM's answer is expected to cost, USD; those of unknown cost are left out."""
        router = self.router.router
        if router.origin is not None:
            costs = price_costs(router.vlms, [num_characters], router.origin.prices)
        else:
            costs = estimate_costs(
                [self.profiles.get(of.name, of) for of in router.profiles], [num_characters], STANDARD_COSTS
            )
        return {vlm: float(cost) for vlm, cost in zip(router.vlms, costs[0], strict=True) if not np.isnan(cost)}

    @classmethod
    def of(cls, router: EncodingRouter, settings: ServeSettings, name: str) -> "Loaded":
        """A router with the facts of the settings; an ArmsError if it cannot serve them."""
        known = {profile.name: profile for profile in router.profiles}
        served = {vlm: _facts(known[vlm], upstream) for vlm, upstream in settings.upstreams.items() if vlm in known}
        if not served:
            raise ArmsError(
                f"upstreams: expected VLMs of the router ({', '.join(known)}), got {', '.join(settings.upstreams)}"
            )
        loaded = cls(Router(router), name, served)
        _set_prices(router, settings.upstreams)
        loaded.check(settings.policies)
        return loaded

    @classmethod
    def from_folder(cls, settings: ServeSettings) -> "Loaded":
        """The router in the folder of the settings; an ArmsError if it cannot be loaded or cannot serve."""
        folder = Path(settings.router)
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


def _facts(profile: VlmProfile, upstream: UpstreamSettings) -> VlmProfile:
    given = {key: getattr(upstream, key) for key in ("max_images", "context_tokens", "tools", "price_in", "price_out")}
    return replace(profile, **{key: value for key, value in given.items() if value is not None})


def _set_prices(router: EncodingRouter, upstreams: Mapping[str, UpstreamSettings]) -> None:
    """Let the router expect costs by the settings' prices, as far as it knows what its dataset's answers cost.

    The number of tokens that its records imply stays: a price is scaled as the estimate by the prices is.
    """
    if router.origin is None:
        return
    prices = dict(router.origin.prices)
    for profile in router.profiles:
        upstream = upstreams.get(profile.name)
        if upstream is not None and upstream.price_in is not None:
            before, after = (
                estimate_costs([of], _LENGTHS, STANDARD_COSTS)[:, 0] for of in (profile, _facts(profile, upstream))
            )
            at = [_scaled(prices.get(profile.name), *pair) for pair in zip(_LENGTHS, before, after, strict=True)]
            prices[profile.name] = AnswerPrice(at[0], (at[1] - at[0]) / (_LENGTHS[1] - _LENGTHS[0]))
    router.origin = replace(router.origin, prices=prices)


def _scaled(price: AnswerPrice | None, length: int, before: float, after: float) -> float:
    if price is None or not before > 0:  # NaN where the profile has no price
        return float(after)
    return float((price.usd_per_answer + price.usd_per_character * length) * after / before)
