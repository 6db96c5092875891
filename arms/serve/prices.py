"""The prices of the settings in the place of those that a router was made with."""

from collections.abc import Mapping
from dataclasses import astuple, replace

import numpy as np

from arms.data.costs import AnswerPrice, estimate_costs
from arms.data.profiles import VlmProfile
from arms.params.costs import STANDARD_COSTS
from arms.routers.saved import EncodingRouter
from arms.serve.settings import UpstreamSettings

# Prompts that tell the parts of a price apart: nothing, so many characters, one image.
_CHARACTERS, _IMAGES = np.array([0.0, 1000.0, 0.0]), np.array([0.0, 0.0, 1.0])


def with_facts(profile: VlmProfile, upstream: UpstreamSettings) -> VlmProfile:
    """A profile with what the settings say of the VLM."""
    given = {key: getattr(upstream, key) for key in ("max_images", "context_tokens", "tools", "price_in", "price_out")}
    return replace(profile, **{key: value for key, value in given.items() if value is not None})


def set_prices(router: EncodingRouter, upstreams: Mapping[str, UpstreamSettings]) -> None:
    """Let a router expect costs by the settings' prices, if it knows what its dataset's answers cost.

    The number of tokens that its records imply stays: its price of a prompt is scaled as the estimate of the prompt's
    cost by the prices is.
    """
    if router.origin is None:
        return
    prices = dict(router.origin.prices)
    for profile in router.profiles:
        upstream = upstreams.get(profile.name)
        if upstream is not None and upstream.price_in is not None:
            prices[profile.name] = _repriced(prices.get(profile.name), profile, with_facts(profile, upstream))
    router.origin = replace(router.origin, prices=prices)


def _repriced(price: AnswerPrice | None, before: VlmProfile, after: VlmProfile) -> AnswerPrice:
    old, new = (estimate_costs([of], _CHARACTERS, _IMAGES, STANDARD_COSTS)[:, 0] for of in (before, after))
    if price is not None and (old > 0).all():  # NaN where the profile has no price
        fixed, per_character, per_image = astuple(price)
        new = new * (fixed + per_character * _CHARACTERS + per_image * _IMAGES) / old
    # Of routers whose fixed part has an image's price in it, a part could be less than nothing.
    slopes = np.maximum(0.0, (new[1:] - new[0]) / (_CHARACTERS[1], _IMAGES[2]))
    return AnswerPrice(float(new[0]), *slopes.tolist())
