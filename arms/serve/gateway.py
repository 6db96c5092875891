"""The gateway: a request is decided, recorded, and answered by the first VLM of its order that does."""

import asyncio
import base64
import logging
from collections.abc import Coroutine
from random import Random
from typing import Any

import httpx
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from arms.data.pictures import format_of
from arms.errors import ArmsError
from arms.serve.breaker import Breakers
from arms.serve.connection import ClientGoneError, unless_gone
from arms.serve.decide import Decided, Decider
from arms.serve.decisions import Answer, Feedback
from arms.serve.exchange import CLIENT_LEFT, Exchange
from arms.serve.limits import Running, read_body
from arms.serve.loaded import Loaded
from arms.serve.memory.base import Memory
from arms.serve.memory.errors import DoubledRequestError, UnknownRequestError
from arms.serve.metrics import Metrics
from arms.serve.pictures import with_files
from arms.serve.problems import RequestError
from arms.serve.relay import Relay
from arms.serve.request import ChatRequest, read_chat, request_id_of
from arms.serve.sessions import Sessions
from arms.serve.settings import ServeSettings
from arms.serve.tracing import Tracing
from arms.serve.upstream import Opened, Upstream, UpstreamError

log = logging.getLogger(__name__)
_LAST_WORDS_S = 2.0
_SECRETIVE = ("401", "403")  # what a VLM's server says of the gateway's own key is not the client's to see


class Gateway:
    """Answers chat completions.

    Parameters
    ----------
    settings : ServeSettings
    loaded : Loaded
        The router.
    memory : Memory
    random : Random, optional
        Draws where exploration is asked for.
    """

    def __init__(self, settings: ServeSettings, loaded: Loaded, memory: Memory, random: Random | None = None) -> None:
        self.settings, self.memory = settings, memory
        self.metrics, self.tracing, self.sessions = Metrics(), Tracing(), Sessions(settings.sessions)
        self.decider = Decider(settings, loaded, self.sessions, random or Random())
        breakers = Breakers(settings.breaker, self.metrics.left_alone)
        tls = httpx.create_ssl_context()
        self.upstreams = {
            vlm: Upstream(vlm, upstream, breakers, settings.limits.answer_mb, tls)
            for vlm, upstream in settings.upstreams.items()
        }
        self.running = Running(settings.limits.running)
        self.metrics.running.set_function(lambda: self.running.count)
        self.metrics.waiting.set_function(lambda: self.decider.waiting)
        self.stopping = False
        self._recording: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End, once all that was answered is recorded; streams that were cut off say so before."""
        self.stopping = True
        await self.running.ended(_LAST_WORDS_S)
        await self.decider.close()
        await asyncio.gather(*self._recording, return_exceptions=True)
        for upstream in self.upstreams.values():
            await upstream.close()
        await self.memory.close()

    async def chat(self, request: Request, owner: str) -> Response:
        """Answer a request for a chat completion."""
        self.running.take()
        exchange = Exchange(
            request_id_of(request.headers),
            owner,
            self.tracing.begin(request.headers),
            self._ended,
            self.settings.keep.outputs,
        )
        try:
            chat = read_chat(await read_body(request, self.settings.limits), request.headers)
            exchange.trace.asked(chat.model, exchange.request_id)
            opened = await unless_gone(request.receive, self._answer(exchange, chat))
            return Relay(opened, exchange, lambda: self.stopping)
        except RequestError as problem:
            exchange.end(problem.status)
            return problem.response(exchange.headers())
        except ClientGoneError:
            exchange.end(CLIENT_LEFT)
            return Response(status_code=CLIENT_LEFT)
        except BaseException:
            exchange.end(500)
            raise

    async def route(self, request: Request, owner: str) -> Response:
        """Decide and record, and say why; nothing is sent to a VLM."""
        request_id = request_id_of(request.headers)
        with self.running.one():
            chat = read_chat(await read_body(request, self.settings.limits), request.headers)
            decided = await self.decider.decide(chat, request_id, owner)
            if decided.failure == "unreadable":
                raise RequestError(400, decided.detail, code="unreadable", param="messages")
            await self._record(decided)
        decision = decided.decision
        found = {} if decided.route is None else decided.route.to_json()
        content = {
            **found,
            "request_id": request_id,
            "vlm": decision.chosen,
            "order": list(decided.order),
            "reason": decision.reason,
            "greedy": decision.greedy,
            "propensity": decision.propensity,
            "router_failure": decided.failure,
            "expected_cost_usd": decision.expected_cost_usd,
            "expected_costs_usd": dict(decided.costs_usd),
            "unable": decision.unable,
            "router": decision.router,
            "decision_s": decided.seconds,
        }
        return JSONResponse(content, headers={"x-request-id": request_id})

    async def feedback(self, feedback: Feedback) -> None:
        """Record what was said of an answer; a RequestError if its request is unknown, or the memory cannot keep it."""
        try:
            await self.memory.feedback(feedback)
        except UnknownRequestError as error:
            raise RequestError(404, str(error), code="request_not_found", param="request_id") from error
        except ArmsError as error:
            self._not_kept("feedback", error)
            raise RequestError(503, "the memory cannot keep it; say it again later", code="memory_failed") from error

    async def _answer(self, exchange: Exchange, chat: ChatRequest) -> Opened:
        """Decide, record, and ask one VLM after the other until one begins to answer."""
        decided = await self.decider.decide(chat, exchange.request_id, exchange.owner)
        exchange.decided = decided
        exchange.trace.decided(decided.decision, decided.failure)
        try:
            await self._record(decided)
        except RequestError:
            exchange.decided = None  # the id is another request's: nothing more may be recorded under it
            raise
        body, headers = self._body(chat, decided), exchange.trace.headers() | {"x-request-id": exchange.request_id}
        for vlm in decided.order[: 1 + self.settings.fallbacks]:
            try:
                opened = await self.upstreams[vlm].ask(body, headers)
            except UpstreamError as failure:
                exchange.failures.append((vlm, failure))
                self.metrics.failures.labels(vlm, failure.cause).inc()
                log.warning("%s: %s failed: %s", exchange.request_id, vlm, failure.cause)
            else:
                exchange.vlm, exchange.price = vlm, self._price(vlm)
                if opened.status == 200:
                    self.sessions.answered(exchange.owner, decided.decision.session, vlm)
                return opened
        raise _nobody(exchange.failures)

    def _body(self, chat: ChatRequest, decided: Decided) -> dict[str, Any]:
        """What goes upstream, but for the model's name there."""
        if not (self.settings.pictures.inline and decided.fetched):
            return chat.body
        files = {address: _data_uri(file) for address, file in decided.fetched.items()}
        return chat.body | {"messages": with_files(chat.messages, files)}

    def _price(self, vlm: str) -> tuple[float, float] | None:
        facts = self.decider.loaded.profiles.get(vlm, self.settings.upstreams[vlm])
        return None if facts.price_in is None or facts.price_out is None else (facts.price_in, facts.price_out)

    async def _record(self, decided: Decided) -> None:
        """Keep a decision before it is acted on; one that the memory cannot keep in time is counted.

        A RequestError if the request id is taken.
        """
        self.metrics.decision.observe(decided.seconds)
        if decided.failure is not None:
            self.metrics.failed_open.labels(decided.failure).inc()
        try:
            async with asyncio.timeout(self.settings.memory_s):
                await self.memory.decide(decided.decision)
        except DoubledRequestError as error:
            raise RequestError(409, str(error), code="request_id_taken", param="x-request-id") from error
        except Exception as error:
            self._not_kept("decision", error)

    def _ended(self, exchange: Exchange, answer: Answer) -> None:
        self.running.free()
        decided = exchange.decided
        self.metrics.answered(answer, "none" if decided is None else decided.decision.reason)
        if decided is None:
            return
        self._later(self._keep(answer))

    async def _keep(self, answer: Answer) -> None:
        try:
            await self.memory.answered(answer)
        except Exception as error:
            self._not_kept("answer", error)

    def _not_kept(self, what: str, error: Exception) -> None:
        self.metrics.memory_errors.labels(what).inc()
        log.warning("the memory did not keep a %s: %s", what, type(error).__name__)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something after the answer; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)


def _nobody(failures: list[tuple[str, UpstreamError]]) -> RequestError:
    """What is answered when every VLM that was asked failed."""
    causes = {failure.cause for _, failure in failures}
    status = {"429": 429, "timeout": 504, "open": 503}.get(next(iter(causes)), 502) if len(causes) == 1 else 502
    said = "; ".join(f"{vlm}: {failure.cause if failure.cause in _SECRETIVE else failure}" for vlm, failure in failures)
    wait = next((failure.headers["retry-after"] for _, failure in failures if "retry-after" in failure.headers), None)
    headers = {"retry-after": wait} if wait and status == 429 else {}
    return RequestError(status, f"no VLM answered: {said}", code="no_vlm_answered", headers=headers)


def _data_uri(file: bytes) -> str:
    kind = format_of(file, "the image").lower()
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"
