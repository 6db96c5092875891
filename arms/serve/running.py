"""Running the gateway: listening, reloading on SIGHUP, ending well on SIGTERM."""

import asyncio
import logging
import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from arms.serve.problems import RequestError
from arms.serve.settings import ServeSettings

log = logging.getLogger(__name__)


class GatewayServer(uvicorn.Server):
    """Tells the gateway that it is being stopped, and reloads its router on SIGHUP.

    At a stop no connection is taken any more, and running requests may end within `drain_s`.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._gateway, self._reloader = app.state.gateway, app.state.reloader
        self._reloading: set[asyncio.Task[None]] = set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal or `should_exit`."""
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._begin_reload)
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._gateway.stopping = True
        super().handle_exit(sig, frame)

    def _begin_reload(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reload())
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)

    async def _reload(self) -> None:
        try:
            await self._reloader.reload()
        except RequestError as problem:
            log.debug("reload: %s", problem)  # the reloader has said it


def config_of(app: FastAPI, settings: ServeSettings) -> uvicorn.Config:
    """How uvicorn serves the gateway: addresses of clients are taken from connections, and no request is logged."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=settings.drain_s,
    )


def serve(app: FastAPI, settings: ServeSettings) -> None:
    """Serve until a signal ends it."""
    GatewayServer(config_of(app, settings), app).run()
