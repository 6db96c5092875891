"""The addresses of the page: itself, what it has to know, the traffic, and the nearest training queries."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cachetools import TTLCache
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from arms import __version__
from arms.errors import ArmsError
from arms.serve import openapi
from arms.serve.auth import Keys
from arms.serve.page.files import HEADERS, PageFiles, front_page
from arms.serve.page.neighbours import PICTURE_TYPE, Neighbours
from arms.serve.page.traffic import SPANS, traffic
from arms.serve.problems import RequestError
from arms.serve.settings import ServeSettings
from arms.traffic.store import open_store

_FRESH_S = 2.0  # many pages that watch the same traffic ask the database once
_PICTURE_HEADERS = {**HEADERS, "cache-control": "private, max-age=3600"}


def add_page(app: FastAPI, settings: ServeSettings, keys: Keys) -> None:
    """Add the page's addresses to the application, if the settings want it.

    Raises
    ------
    ArmsError
        If the dataset whose pictures are to be shown is not there.
    """
    if not settings.page.use:
        return
    folder = settings.page.pictures
    neighbours = None if folder is None else Neighbours(Path(folder))
    _add_files(app, settings)
    _add_traffic(app, settings, keys)
    _add_neighbours(app, neighbours, keys)


def _add_files(app: FastAPI, settings: ServeSettings) -> None:
    """What a browser needs before it has a key."""
    about = {
        "version": __version__,
        "keys": settings.keys_env is not None,
        "memory": settings.memory != "none",
        "pictures": settings.page.pictures is not None,
        "body_mb": settings.limits.body_mb,
        "images": settings.limits.images,
    }

    @app.get("/", include_in_schema=False)
    async def front() -> Response:
        return front_page()

    @app.get("/page/about.json", include_in_schema=False)
    async def tell() -> Response:
        return JSONResponse(about, headers=HEADERS)

    app.mount("/page", PageFiles())


def _add_traffic(app: FastAPI, settings: ServeSettings, keys: Keys) -> None:
    turn = asyncio.Lock()
    seen: TTLCache[str, dict[str, Any]] = TTLCache(len(SPANS), _FRESH_S)

    def read(span: str) -> dict[str, Any]:
        with closing(open_store(settings.memory)) as store:
            return traffic(store, span, settings.default, datetime.now(UTC))

    @app.get("/v1/traffic", **openapi.TRAFFIC)
    async def watch(request: Request, span: str = "day") -> dict[str, Any]:
        keys.check(request)
        if span not in SPANS:
            raise RequestError(400, f"span: expected one of {', '.join(SPANS)}, got {span!r:.80}", param="span")
        if settings.memory == "none":
            return {"memory": False}
        async with turn:
            if span not in seen:
                try:
                    seen[span] = await asyncio.to_thread(read, span)
                except ArmsError as error:
                    raise RequestError(503, f"the memory cannot be read: {error}", code="memory") from error
            return {"memory": True, **seen[span]}


def _add_neighbours(app: FastAPI, neighbours: Neighbours | None, keys: Keys) -> None:
    def known() -> Neighbours:
        if neighbours is None:
            raise RequestError(404, "page.pictures: expected a dataset's folder in the settings, there is none")
        return neighbours

    @app.get("/v1/neighbours", **openapi.NEIGHBOUR)
    async def neighbour(request: Request, query_id: str = "") -> dict[str, Any]:
        keys.check(request)
        return known().find(query_id)

    @app.get("/v1/neighbours/picture", **openapi.NEIGHBOUR_PICTURE)
    async def picture(request: Request, query_id: str = "", place: str = "0") -> Response:
        keys.check(request)
        content = await asyncio.to_thread(known().picture, query_id, place)
        return Response(content, media_type=PICTURE_TYPE, headers=_PICTURE_HEADERS)
