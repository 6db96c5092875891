"""The routing plugin: it leaves LiteLLM the deployments of the VLM that the router chooses."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from arms.errors import ArmsError
from arms.integrations.litellm.context import (
    Messages,
    RoutingContext,
    messages_of,
    tried_before,
    wants_tools,
    without_remote_images,
)
from arms.integrations.litellm.deployments import Deployments
from arms.routers.messages import CONTEXT_TOKENS, read_messages
from arms.routers.route import Route
from arms.routers.router import Router

logger = logging.getLogger(__name__)

RemoteImages = Literal["leave", "ignore"]
Problem = Literal["late", "failed", "unreadable", "remote images", "unknown deployments"]


class _Undecided(Exception):  # noqa: N818  it ends a decision, and is no fault
    def __init__(self, problem: Problem, text: str) -> None:
        super().__init__(text)
        self.problem = problem
        self.text = text


class RoutingPlugin:
    """Routes LiteLLM's requests by the router's choice; for `Router(plugins=[...])` and `router_settings.plugins`.

    All VLMs stand in one model group. Of their deployments those of the chosen VLM are left. If one fails, LiteLLM's
    next attempt comes by here again, and the best of the others is left. Where no decision can be made the candidates
    stay as they are, or the `default` is left; it is counted, and logged as a warning.

    Parameters
    ----------
    router : path or Router
        A folder that `Router.load` takes; two plugins of one process share what is loaded.
    vlms : mapping of str to str, optional
        Which VLM a deployment is of, by its `litellm_params.model`; by default the one of the same name. See
        `Deployments`.
    policy : mapping, optional
        A selection policy instead of the router's own; see `arms.selection.policies`.
    default : str, optional
        The VLM to take where no decision can be made; by default LiteLLM chooses among all.
    time_limit_s : float
        How long a decision may take, with the time that it waits for others; seconds, > 0.
    remote_images : 'leave' or 'ignore'
        What to do where an image that is asked about would have to be fetched: decide nothing, or decide by the rest.
        Nothing is fetched here.
    tools : bool
        Every request needs a VLM that calls tools. Otherwise those that `arms.integrations.litellm.context.wants_tools`
        finds.
    context_tokens : int
        See `Router.route`.

    Attributes
    ----------
    counts : Counter of str
        How many decisions there were (`decided`), how many of these after another VLM had failed (`again`), and how
        often there was none, by the kind of problem: late, failed, unreadable, remote images, unknown deployments.

    Raises
    ------
    ArmsError
        If there is no such router, a name is that of no VLM of it, or another setting is none.
    ValueError
        If the policy is unknown or has a wrong setting.
    """

    def __init__(
        self,
        router: str | Path | Router,
        *,
        vlms: Mapping[str, str] | None = None,
        policy: Mapping[str, Any] | None = None,
        default: str | None = None,
        time_limit_s: float = 1.0,
        remote_images: RemoteImages = "leave",
        tools: bool = False,
        context_tokens: int = CONTEXT_TOKENS,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._router = router if isinstance(router, Router) else _load(Path(router).resolve())
        self._deployments = Deployments(self._router.router.profiles, vlms)
        if default is not None and default not in self._router.vlms:
            raise ArmsError(f"default: expected one of {', '.join(self._router.vlms)}, got {default!r}")
        if remote_images not in get_args(RemoteImages):
            raise ArmsError(
                f"remote_images: expected one of {', '.join(get_args(RemoteImages))}, got {remote_images!r}"
            )
        if not time_limit_s > 0:
            raise ArmsError(f"time_limit_s: expected a number > 0, got {time_limit_s!r}")
        self._policy = policy
        self._default = default
        self._time_limit_s = time_limit_s
        self._remote_images = remote_images
        self._tools = tools
        self._context_tokens = context_tokens
        # The first one takes long, and a wrong policy comes out.
        self._router.route(question="Is it ready?", policy=policy)
        # One decision at a time: the net uses all cores by itself.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="arms-route")

    async def run(self, context: RoutingContext) -> RoutingContext:
        """Leave the deployments of one VLM in `candidate_models`, and say why in `signals`; LiteLLM calls this."""
        candidates = list(dict.fromkeys(context.candidate_models))
        if len(candidates) < 2:
            return context
        started = time.perf_counter()
        failed = tried_before(context)
        if len(failed) == len(candidates):  # begin again
            failed = []
        vlms = self._deployments.of([model for model in candidates if model not in failed])
        signals: dict[str, Any] = {"arms.deployments": self._deployments.of(candidates)}
        try:
            route = await self._decide(context, vlms)
            chosen: str | None = route.vlm
            signals |= _signals_of(route)
            self.counts["decided"] += 1
            self.counts["again"] += bool(failed)
        except _Undecided as undecided:
            chosen = self._default if self._default in vlms.values() else None
            signals |= {"arms.vlm": chosen, "arms.reason": "default", "arms.problem": undecided.text}
            self.counts[undecided.problem] += 1
            logger.warning("no decision for a request: %s", undecided.text)
        signals |= {"arms.failed": failed, "arms.decision_s": round(time.perf_counter() - started, 4)}
        left = [model for model, vlm in vlms.items() if vlm == chosen]
        context.candidate_models = left or [model for model in candidates if model not in failed]
        context.signals.update(signals)
        return context

    async def _decide(self, context: RoutingContext, vlms: Mapping[str, str]) -> Route:
        """The route among some deployments' VLMs; _Undecided if there is none in time."""
        if not vlms:
            raise _Undecided(
                "unknown deployments",
                f"expected deployments of {', '.join(self._router.vlms)}, got {', '.join(context.candidate_models)}; "
                "say which is which: vlms",
            )
        tools = self._tools or wants_tools(context)
        work = self._thread.submit(self._route, messages_of(context), set(vlms.values()), tools)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(work), self._time_limit_s)
        except TimeoutError:
            raise _Undecided("late", f"none was made within {self._time_limit_s:g} s") from None
        except _Undecided:
            raise
        except Exception as error:  # whatever it is, the request has to be answered
            raise _Undecided("failed", f"{type(error).__name__}: {error}") from error

    def _route(self, messages: Messages, among: set[str], tools: bool) -> Route:
        local, places = without_remote_images(messages)
        try:
            asked = read_messages(local, context_tokens=self._context_tokens)
        except ArmsError as error:
            problem: Problem = "remote images" if places else "unreadable"
            raise _Undecided(problem, str(error)) from error
        if self._remote_images == "leave" and _asks_about(places, local, asked.images_turn):
            raise _Undecided("remote images", "an image that is asked about would have to be fetched")
        return self._router.route(
            messages=local,
            context_tokens=self._context_tokens,
            exclude=[vlm for vlm in self._router.vlms if vlm not in among],
            policy=self._policy,
            tools=tools,
        )


@cache
def _load(folder: Path) -> Router:
    return Router.load(folder)


def _asks_about(places: Sequence[int], messages: Messages, images_turn: int | None) -> bool:
    """Whether one of some messages has images that the last user turn asks about."""
    last = max(place for place, message in enumerate(messages) if message.get("role") == "user")
    return any((images_turn or 0) <= place <= last for place in places)


def _signals_of(route: Route) -> dict[str, Any]:
    return {
        "arms.vlm": route.vlm,
        "arms.confidence": round(route.ranking[0].confidence, 4),
        "arms.confidences": {ranked.vlm: round(ranked.confidence, 4) for ranked in route.ranking},
        "arms.unable": dict(route.unable),
        "arms.propensity": 1.0,
        "arms.reason": "policy",
    }
