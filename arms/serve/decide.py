"""Which VLM answers a request: the router's choice, a session's, a drawn one, or the default where the router fails."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from time import perf_counter
from types import MappingProxyType
from typing import Any

from arms.errors import ArmsError
from arms.routers.messages import image_addresses
from arms.routers.route import Route
from arms.serve.batches import Batches, Query, RouterBusyError
from arms.serve.candidates import candidates, policy_of
from arms.serve.choose import Choice, affordable, choose
from arms.serve.decisions import Decision
from arms.serve.loaded import Loaded
from arms.serve.pictures import Downloader, PictureMissingError
from arms.serve.problems import RequestError
from arms.serve.reading import Read, extent_of, read_asked, unread
from arms.serve.request import ChatRequest
from arms.serve.sessions import Sessions
from arms.serve.settings import ServeSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decided:
    """Who is asked.

    Attributes
    ----------
    decision : Decision
    order : tuple of str
        The VLMs in the order in which they are asked, the chosen one first.
    seconds : float
        Until it was decided.
    route : Route or None
        What the router said.
    failure : str or None
        Why the router did not decide: late, busy, picture, unreadable or error.
    detail : str
        More of that, for people.
    fetched : mapping from str to bytes
        The pictures that were downloaded.
    costs_usd : mapping from str to float
        What each VLM's answer is expected to cost, where that is known.
    """

    decision: Decision
    order: tuple[str, ...]
    seconds: float
    route: Route | None = None
    failure: str | None = None
    detail: str = ""
    fetched: Mapping[str, bytes] = field(default_factory=dict)
    costs_usd: Mapping[str, float] = field(default_factory=dict)


class _RouterError(Exception):
    """A decision that the router did not make: why in one word, and more of it."""

    def __init__(self, word: str, detail: str = "") -> None:
        super().__init__(word)
        self.word, self.detail = word, detail


@dataclass
class _Case:
    """What is known of a request while it is decided."""

    chat: ChatRequest
    request_id: str
    owner: str
    loaded: Loaded
    read: Read | None = None
    policy: dict[str, Any] | None = None
    able: list[str] = field(default_factory=list)
    unable: dict[str, str] = field(default_factory=dict)
    fetched: dict[str, bytes] = field(default_factory=dict)
    started: float = field(default_factory=perf_counter)


class Decider:
    """Decides requests.

    Parameters
    ----------
    settings : ServeSettings
    loaded : Loaded
        The router; another may take its place at any time.
    sessions : Sessions
    random : Random
        Draws where exploration is asked for.
    """

    def __init__(self, settings: ServeSettings, loaded: Loaded, sessions: Sessions, random: Random) -> None:
        self.settings, self.loaded = settings, loaded
        self._sessions, self._random = sessions, random
        self._batches, self._downloader = Batches(settings.decision), Downloader(settings.pictures)

    @property
    def waiting(self) -> int:
        """How many requests wait for the router."""
        return self._batches.waiting

    async def close(self) -> None:
        """Take no more requests."""
        self._batches.close()
        await self._downloader.close()

    async def decide(self, chat: ChatRequest, request_id: str, owner: str) -> Decided:
        """Who answers a request.

        Parameters
        ----------
        owner : str
            Who asks.

        Raises
        ------
        RequestError
            If the request cannot be answered. What only the router cannot do is left to the default VLM.
        """
        case = _Case(chat, request_id, owner, self.loaded)
        extent = extent_of(chat.messages, self.settings.limits)
        try:
            if chat.model in self.settings.upstreams:
                return await self._named(case)
            case.policy = policy_of(chat, case.loaded, self.settings)
            case.able, case.unable = candidates(chat, extent, case.loaded, self.settings)
            return self._by_route(case, await self._ask_router(case))
        except _RouterError as error:
            return self._by_default(case, error)

    async def _named(self, case: _Case) -> Decided:
        """The VLM that the request names; the router is not asked."""
        try:
            case.read = await self._read(case, decode=False)
        except (_RouterError, RequestError):
            log.debug("a request to %s cannot be read", case.chat.model)  # its hash stands for it
        choice = Choice((case.chat.model,), case.chat.model, 1.0, "named")
        return self._decided(case, choice)

    async def _ask_router(self, case: _Case) -> Route:
        """The router's ranking, in time."""
        case.fetched = await self._fetch(case.chat)
        loaded, why = case.loaded, self.settings.decision.why and case.loaded.explains
        left_out = frozenset(loaded.router.vlms).difference(case.able)
        if len(left_out) == len(loaded.router.vlms):
            raise _RouterError("error", "none of the router's VLMs can answer")
        try:
            async with asyncio.timeout(self.settings.decision.limit_s):
                read = case.read = await self._read(case, decode=True)
                query = Query(loaded, read.pictures, read.text, left_out, case.policy, case.chat.tools, why)
                return await self._batches.route(query)
        except TimeoutError as error:
            raise _RouterError("late") from error
        except RouterBusyError as error:
            raise _RouterError("busy") from error
        except (_RouterError, RequestError):
            raise
        except Exception as error:
            log.warning("the router failed: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
            raise _RouterError("error", f"{type(error).__name__}: {error}") from error

    async def _fetch(self, chat: ChatRequest) -> dict[str, bytes]:
        try:
            return await self._downloader.fetch(image_addresses(chat.messages))
        except PictureMissingError as error:
            raise _RouterError("picture", str(error)) from error
        except ArmsError as error:
            raise _RouterError("unreadable", str(error)) from error

    async def _read(self, case: _Case, *, decode: bool) -> Read:
        settings = self.settings
        try:
            return await asyncio.to_thread(
                read_asked,
                case.chat.messages,
                case.fetched,
                settings.decision.context_tokens,
                settings.limits,
                decode=decode,
            )
        except ArmsError as error:
            raise _RouterError("unreadable", str(error)) from error

    def _by_route(self, case: _Case, route: Route) -> Decided:
        """Choose by the router's ranking."""
        settings, wishes = self.settings, case.chat.wishes
        assert case.read is not None
        costs = case.loaded.expected_costs(len(case.read.text), len(case.read.files))
        ranking = affordable([ranked.vlm for ranked in route.ranking], costs, wishes.budget_usd)
        confidences = {ranked.vlm: ranked.confidence for ranked in route.ranking if ranked.vlm in ranking}
        dear = {ranked.vlm: "is beyond the budget" for ranked in route.ranking if ranked.vlm not in ranking}
        case.unable = {**route.unable, **case.unable, **dear}
        sticky = self._sessions.sticks_to(case.owner, wishes.session, ranking[0], confidences)
        shadow = settings.default if settings.shadow else None
        choice = choose(ranking, sticky, settings.explore, shadow, self._random)
        return self._decided(case, choice, route, confidences, costs)

    def _by_default(self, case: _Case, failed: _RouterError) -> Decided:
        """The best single VLM, or the first that can answer; the others behind it."""
        default = self.settings.default
        order = sorted(case.able, key=lambda vlm: vlm != default)
        choice = Choice(tuple(order), order[0], 1.0, "default")
        return self._decided(case, choice, failure=failed)

    def _decided(
        self,
        case: _Case,
        choice: Choice,
        route: Route | None = None,
        confidences: Mapping[str, float] = MappingProxyType({}),
        costs: Mapping[str, float] = MappingProxyType({}),
        failure: _RouterError | None = None,
    ) -> Decided:
        keep, read = self.settings.keep, case.read or unread(case.chat.messages)
        own = choice.reason == "named" or case.policy is not None
        decision = Decision(
            request_id=case.request_id,
            time=datetime.now(UTC),
            image_sha256=read.files_sha256,
            question_sha256=read.text_sha256,
            question=read.text if keep.questions else None,
            images=read.files if keep.images else None,
            policy=json.dumps(case.policy if own else case.loaded.policy),
            confidences=dict(confidences),
            unable=case.unable,
            novelty=None if route is None or route.why is None else route.why.novelty,
            chosen=choice.chosen,
            greedy=choice.greedy,
            propensity=choice.propensity,
            reason=choice.reason,
            router=case.loaded.name,
            session=case.chat.wishes.session,
            expected_cost_usd=costs.get(choice.chosen),
        )
        return Decided(
            decision,
            choice.order,
            perf_counter() - case.started,
            route,
            None if failure is None else failure.word,
            "" if failure is None else failure.detail,
            case.fetched,
            costs,
        )
