"""The gateway's web application: its addresses, who may ask, and what they give."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from arms import __version__
from arms.errors import ArmsError
from arms.params.section import Section, check
from arms.serve import openapi
from arms.serve.auth import Keys, check_local
from arms.serve.candidates import model_names
from arms.serve.decisions import Feedback
from arms.serve.gateway import Gateway
from arms.serve.limits import read_body
from arms.serve.loaded import Loaded
from arms.serve.memory.base import Memory
from arms.serve.page.routes import add_page
from arms.serve.problems import RequestError
from arms.serve.reload import Reloader
from arms.serve.request import read_object
from arms.serve.settings import ServeSettings

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class FeedbackBody(Section):
    """What a client says of an answer."""

    request_id: str = Field(min_length=1, max_length=128, description="the X-Request-Id of the answer")
    vlm: str | None = Field(default=None, description="the VLM that it is about; null: the one that answered")
    correct: bool | None = Field(default=None, description="whether the answer was right")
    score: float | None = Field(default=None, ge=0, le=1, description="how good it was")


def create_app(
    settings: ServeSettings, load: Callable[[], Loaded], memory: Memory, *, random: Random | None = None
) -> FastAPI:
    """The application.

    Parameters
    ----------
    settings : ServeSettings
    load : callable
        Gives the router: now, and whenever it is reloaded.
    memory : Memory
    random : Random, optional
        Draws where exploration is asked for.

    Raises
    ------
    ArmsError
        If the router or a key is missing or cannot be used.
    """
    keys, loaded, started = Keys.of(settings), load(), int(time.time())
    gateway = Gateway(settings, loaded, memory, random)
    reloader = Reloader(gateway, load)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.close()

    app = FastAPI(title="arms serve", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.gateway, app.state.reloader = gateway, reloader
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.allowed_hosts, www_redirect=False)
    app.add_exception_handler(RequestError, _say_problem)
    app.add_exception_handler(HTTPException, _say_http)

    @app.post("/v1/chat/completions", **openapi.CHAT)
    async def chat(request: Request) -> Response:
        return await gateway.chat(request, keys.check(request))

    @app.post("/v1/route", **openapi.ROUTE)
    async def route(request: Request) -> Response:
        return await gateway.route(request, keys.check(request))

    @app.post("/v1/feedback", **openapi.feedback(FeedbackBody.model_json_schema()))
    async def feedback(request: Request) -> Response:
        keys.check(request)
        await gateway.feedback(_feedback(read_object(await read_body(request, settings.limits))))
        return JSONResponse({"status": "kept"})

    @app.get("/v1/models", **openapi.MODELS)
    async def models(request: Request) -> dict[str, Any]:
        keys.check(request)
        return {"object": "list", "data": [_model(name, started) for name in model_names(settings)]}

    @app.get("/v1/models/{name:path}", **openapi.MODEL)
    async def model(request: Request, name: str) -> dict[str, Any]:
        keys.check(request)
        if name not in model_names(settings):
            known = ", ".join(model_names(settings))
            raise RequestError(404, f"model: unknown model {name!r:.80}; known: {known}", code="model_not_found")
        return _model(name, started)

    @app.get("/health", **openapi.HEALTH)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", **openapi.READY)
    async def ready() -> dict[str, str]:
        if gateway.stopping:
            raise RequestError(503, "the gateway is being stopped", code="stopping")
        return {"status": "ready", "router": gateway.decider.loaded.name}

    @app.get("/metrics", **openapi.METRICS)
    async def metrics(request: Request) -> Response:
        keys.check(request)
        return Response(gateway.metrics.page(), media_type=_METRICS_TYPE)

    @app.post("/admin/reload", **openapi.RELOAD)
    async def reload(request: Request) -> dict[str, str]:
        check_local(request)
        keys.check(request)
        return {"router": await reloader.reload()}

    add_page(app, settings, keys)
    return app


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "arms"}


def _feedback(body: dict[str, Any]) -> Feedback:
    try:
        said = check(FeedbackBody, body, "feedback")
    except ArmsError as error:
        raise RequestError(400, str(error)) from error
    if said.correct is None and said.score is None:
        raise RequestError(400, "feedback: expected correct, score or both, got neither")
    return Feedback(
        request_id=said.request_id, vlm=said.vlm, correct=said.correct, score=said.score, time=datetime.now(UTC)
    )


async def _say_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestError)
    return problem.response()


async def _say_http(request: Request, error: Exception) -> Response:
    """Starlette's own errors, such as an unknown address, in OpenAI's form."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return RequestError(
        error.status_code, f"{request.method} {request.url.path}: {error.detail}", headers=headers
    ).response()
