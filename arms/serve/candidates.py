"""Who may answer a request: the VLMs that can take it, by the facts of the settings, and are not excluded."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from arms.data.costs import estimate_tokens
from arms.params.costs import STANDARD_COSTS
from arms.selection.capabilities import Needs, lacking
from arms.selection.select import select
from arms.serve.loaded import Loaded
from arms.serve.problems import RequestError
from arms.serve.reading import Extent
from arms.serve.request import ChatRequest
from arms.serve.settings import AUTO, POLICY_PREFIX, ServeSettings


def candidates(
    chat: ChatRequest, extent: Extent, loaded: Loaded, settings: ServeSettings
) -> tuple[list[str], dict[str, str]]:
    """The VLMs that can be asked, in the order of the settings, and why the others cannot.

    The default is among them even if the router does not know it.

    Raises
    ------
    RequestError
        If none is left, or an excluded VLM is unknown.
    """
    known = [*settings.upstreams, *loaded.without_upstream]
    if unknown := [name for name in chat.wishes.exclude if name not in known]:
        raise RequestError(
            400,
            f"arms.exclude: unknown VLM {unknown[0]!r:.80}; known: {', '.join(sorted(known))}",
            param="arms.exclude",
        )
    tokens = estimate_tokens(extent.characters, extent.images, STANDARD_COSTS)
    _, reasons = lacking(tuple(loaded.profiles.values()), [Needs(extent.images, tokens, chat.tools)])
    unable = {**reasons[0], **dict.fromkeys(chat.wishes.exclude, "is excluded")}
    able = [
        vlm for vlm in settings.upstreams if vlm not in unable and (vlm in loaded.profiles or vlm == settings.default)
    ]
    if not able:
        said = "; ".join(f"{vlm} {reason}" for vlm, reason in unable.items())
        raise RequestError(
            400, f"expected a VLM that can answer this, none is left: {said}; ask with less", code="no_vlm_left"
        )
    return able, unable


def policy_of(chat: ChatRequest, loaded: Loaded, settings: ServeSettings) -> dict[str, Any] | None:
    """The selection policy that a request asks for; None: the router's own; a RequestError for one that cannot be."""
    wished, own = chat.wishes.policy, None if chat.model == AUTO else named_policy(chat.model, settings)
    if wished is None:
        return own
    if isinstance(wished, str):
        if wished not in settings.policies:
            known = ", ".join(settings.policies) or "none"
            raise RequestError(400, f"arms.policy: unknown policy {wished!r:.80}; known: {known}", param="arms.policy")
        return settings.policies[wished]
    _check(wished, loaded.router.vlms)
    return wished


def named_policy(model: str, settings: ServeSettings) -> dict[str, Any]:
    """The policy behind a model arms/<policy>; a RequestError if there is none."""
    name = model.removeprefix(POLICY_PREFIX)
    if not model.startswith(POLICY_PREFIX) or name not in settings.policies:
        known = ", ".join(model_names(settings))
        raise RequestError(
            404, f"model: unknown model {model!r:.80}; known: {known}", code="model_not_found", param="model"
        )
    return settings.policies[name]


def model_names(settings: ServeSettings) -> list[str]:
    """What `model` may be."""
    return [AUTO, *(POLICY_PREFIX + name for name in settings.policies), *settings.upstreams]


def _check(policy: Mapping[str, Any], vlms: tuple[str, ...]) -> None:
    nothing = np.zeros((1, len(vlms)))
    try:
        select(nothing, policy, vlms, costs=nothing)
    except (ValueError, TypeError) as error:
        raise RequestError(400, f"arms.policy: {error}", param="arms.policy") from error
