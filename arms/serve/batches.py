"""The router's own thread: requests that come while it computes are decided together, next."""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

from PIL import Image

from arms.routers.route import Route
from arms.serve.loaded import Loaded
from arms.serve.settings import DecisionSettings

_HANGS = 3  # times the limit; nobody waits for a router that computes so long


class RouterBusyError(Exception):
    """Too many requests wait for the router, or it has not ended for long."""


@dataclass(frozen=True, eq=False)
class Query:
    """What the router is asked; queries of one router with the same options are decided together.

    Attributes
    ----------
    loaded : Loaded
    images : list of Image
    text : str
    exclude : frozenset of str
    policy : dict or None
    tools : bool
    why : bool
    """

    loaded: Loaded
    images: list[Image.Image]
    text: str
    exclude: frozenset[str]
    policy: dict[str, Any] | None
    tools: bool
    why: bool

    @property
    def options(self) -> tuple[Any, ...]:
        """What must be the same for all that are decided together."""
        return id(self.loaded), self.exclude, json.dumps(self.policy, sort_keys=True), self.tools, self.why


def route_all(queries: Sequence[Query]) -> list[Route | Exception]:
    """The route of each query, or why there is none; a query that fails leaves the others alone."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    for row, query in enumerate(queries):
        rows.setdefault(query.options, []).append(row)
    routes: dict[int, Route | Exception] = {}
    for group in rows.values():
        routes.update(zip(group, _route_alike([queries[row] for row in group]), strict=True))
    return [routes[row] for row in range(len(queries))]


def _route_alike(queries: Sequence[Query]) -> list[Route | Exception]:
    one = queries[0]
    try:
        found = one.loaded.router.route_batch(
            [query.images for query in queries],
            [query.text for query in queries],
            exclude=one.exclude,
            policy=one.policy,
            why=one.why,
            tools=one.tools,
            cache=one.loaded.cache,
        )
        return list(found)
    except Exception as error:
        if len(queries) == 1:
            return [error]
        return [route for query in queries for route in _route_alike([query])]


class Batches:
    """Routes queries in a thread, those that wait together.

    Parameters
    ----------
    settings : DecisionSettings
    """

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="arms-router")
        self._waiting: deque[tuple[Query, asyncio.Future[Route]]] = deque()
        self._busy_since: float | None = None

    async def route(self, query: Query) -> Route:
        """The route of a query; what the router raises, or RouterBusyError."""
        hangs = self._busy_since is not None and monotonic() - self._busy_since > _HANGS * self._settings.limit_s
        if hangs or self.waiting >= self._settings.waiting:
            raise RouterBusyError
        future: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
        self._waiting.append((query, future))
        self._start()
        return await future  # cancelled, the router leaves it out

    @property
    def waiting(self) -> int:
        """How many queries wait."""
        return len(self._waiting)

    def close(self) -> None:
        """Take no more queries."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        if self._busy_since is not None:
            return
        taken: list[tuple[Query, asyncio.Future[Route]]] = []
        while self._waiting and len(taken) < self._settings.batch:
            query, future = self._waiting.popleft()
            if not future.done():
                taken.append((query, future))
        if not taken:
            return
        self._busy_since = monotonic()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, route_all, [query for query, _ in taken])
        work.add_done_callback(lambda done: self._deliver([future for _, future in taken], done))

    def _deliver(self, futures: list[asyncio.Future[Route]], work: "asyncio.Future[list[Route | Exception]]") -> None:
        self._busy_since = None
        failure = None if work.cancelled() else work.exception()
        outcomes = [failure] * len(futures) if failure or work.cancelled() else work.result()
        for future, outcome in zip(futures, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Route):
                future.set_result(outcome)
            else:
                future.set_exception(outcome or RouterBusyError())
        self._start()
