"""A router whose choice stands in the question, servers in threads, and what is asked of them."""

import asyncio
import base64
import json
import threading
import time
from contextlib import contextmanager
from io import BytesIO
from types import SimpleNamespace
from unittest import mock

import httpx
import numpy as np
import uvicorn
from PIL import Image

from arms.data.profiles import VlmProfile
from arms.safe.why import Why
from arms.serve.app import create_app
from arms.serve.loaded import Loaded
from arms.serve.memory.errors import DoubledRequestError, UnknownRequestError
from arms.serve.running import GatewayServer, config_of
from arms.serve.settings import ServeSettings
from tests.ports import free_port

LONG_S = 60  # what comes at once on an idle machine may take this long on a busy one
CLIENT = httpx.Client(verify=False, timeout=LONG_S, limits=httpx.Limits(max_keepalive_connections=0))
TLS = httpx.create_ssl_context()  # reading the certificates takes longest of all that a gateway does at its start
VLMS = ("alpha", "beta", "gamma")
PROFILES = (
    VlmProfile(name="alpha", access="paid", price_in=10, price_out=30, max_images=2, tools=True),
    VlmProfile(name="beta", access="paid", price_in=1, price_out=3, context_tokens=4000, tools=False),
    VlmProfile(name="gamma", access="free", params_b=7),
)


class FakeRouter:
    """Surest of the VLM that the question names, then of the others in order; "sleep", "hang" and "fail" do that."""

    origin = None
    vlms = VLMS
    profiles = PROFILES
    policy = {"name": "argmax"}  # noqa: RUF012
    encoders = SimpleNamespace(image=SimpleNamespace(max_images=8), read=lambda picture: (np.asarray(picture), None))

    def __init__(self):
        self.batches, self.remembers = [], True
        self.release = threading.Event()  # ends "hang"

    def encode(self, images, questions, claim_pair=None):
        pixels = [[picture.read.result() for picture in of_query] for of_query in images]
        return list(zip(pixels, [question.key for question in questions], strict=True))

    def score(self, queries):
        if self.remembers:
            self.batches.append([question for _, question in queries])
        for _, question in queries:
            if "sleep" in question:
                time.sleep(0.4)
            if "hang" in question:
                assert self.release.wait(30)
            if "fail" in question:
                raise RuntimeError("the net is broken")
        return np.array([self._row(*query) for query in queries], dtype=np.float32)

    def explain(self, queries):
        return [Why(0.25, 0.5, "beta", "alpha", 0.6, "net", ()) for _ in queries]

    def _row(self, images, question):
        red = bool(images) and images[0][..., 0].mean() > 128
        first = next((vlm for vlm in self.vlms if vlm in question), "gamma" if red else "alpha")
        return [0.9 if vlm == first else 0.7 - 0.1 * place for place, vlm in enumerate(self.vlms)]


class ListMemory:
    """Remembers in lists."""

    def __init__(self):
        self.decisions, self.answers, self.feedbacks = [], [], []

    async def decide(self, decision):
        if any(known.request_id == decision.request_id for known in self.decisions):
            raise DoubledRequestError(f"request_id: expected a new one, got {decision.request_id!r}")
        self.decisions.append(decision)

    async def answered(self, answer):
        self.answers.append(answer)

    async def feedback(self, feedback):
        if all(decision.request_id != feedback.request_id for decision in self.decisions):
            raise UnknownRequestError(f"request_id: expected a known request, got {feedback.request_id!r}")
        self.feedbacks.append(feedback)

    async def close(self):
        pass


@contextmanager
def running(server):
    """A uvicorn server in a thread; the port is its config's."""
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(LONG_S)
        assert not thread.is_alive()


def until(condition, within=LONG_S):
    """Wait for something."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


class Gateway:
    """A gateway that listens, with what is in it."""

    def __init__(self, settings, router, memory, server):
        self.settings, self.router, self.memory, self.server = settings, router, memory, server
        self.app = server.config.app
        self.url = f"http://127.0.0.1:{settings.port}"

    @property
    def inner(self):
        return self.app.state.gateway

    @contextmanager
    def quick(self, *vlms, **timeouts):
        """Other limits of time for some VLMs, for a while."""
        upstreams = [self.inner.upstreams[vlm] for vlm in vlms]
        before = [upstream.settings for upstream in upstreams]
        for upstream, old in zip(upstreams, before, strict=True):
            upstream.settings = old.model_copy(update={"timeouts": old.timeouts.model_copy(update=timeouts)})
        yield
        for upstream, old in zip(upstreams, before, strict=True):
            upstream.settings = old

    def metric(self, name, **labels):
        return self.inner.metrics.registry.get_sample_value(name, labels) or 0

    def answer(self, request_id):
        """The record of a request's end, which comes a moment after its response."""
        until(lambda: any(answer.request_id == request_id for answer in self.memory.answers))
        return next(answer for answer in self.memory.answers if answer.request_id == request_id)

    def rest(self):
        """Wait until nothing of earlier requests runs, and all is recorded."""

        async def idle():
            return self.inner.running.count == 0 and not self.inner._recording

        until(lambda: asyncio.run_coroutine_threadsafe(idle(), self.server.loop).result(LONG_S))


def settings_of(upstream_url, **changes):
    """Settings for the three VLMs, all behind one server; a busy machine makes no decision and no record late."""
    each = changes.pop("each", {})
    of = changes.pop("of", {})
    upstreams = {
        vlm: {"base_url": f"{upstream_url}/v1", "model": f"there-{vlm}", "retries": 0, **each, **of.get(vlm, {})}
        for vlm in VLMS
    }
    content = {"router": "none", "default": "beta", "port": free_port(), "upstreams": upstreams}
    decision = {"limit_s": LONG_S, **changes.pop("decision", {})}
    content |= {"decision": decision, "memory_s": LONG_S, **changes}
    return ServeSettings.model_validate(content)


@contextmanager
def serving(settings, router=None, memory=None, random=None, load=None):
    """A gateway in a thread."""
    router, memory = router or FakeRouter(), memory or ListMemory()
    tls = {"return_value": TLS}
    with mock.patch("httpx.create_ssl_context", **tls), mock.patch("ssl.create_default_context", **tls):
        app = create_app(settings, load or (lambda: Loaded.of(router, settings, "fake")), memory, random=random)
    with running(_Threaded(config_of(app, settings), app)) as server:
        yield Gateway(settings, router, memory, server)


class _Threaded(GatewayServer):
    """Signals go to the main thread only, and a stop is noticed soon."""

    async def serve(self, sockets=None):
        self.loop = asyncio.get_running_loop()
        await uvicorn.Server.serve(self, sockets)

    async def main_loop(self):
        while not await self.on_tick(0):
            await asyncio.sleep(0.01)


def chat(question="Hello?", model="auto", **more):
    """The body of a request."""
    return {"model": model, "messages": [{"role": "user", "content": question}], **more}


def post(gateway, body, path="/v1/chat/completions", **headers):
    """Ask a gateway; the body may hold what only escapes can hold."""
    headers["content-type"] = "application/json"
    return CLIENT.post(f"{gateway.url}{path}", content=json.dumps(body), headers=headers)


def picture(colour=(200, 20, 20), side=32, kind="PNG"):
    file = BytesIO()
    Image.new("RGB", (side, side), colour).save(file, kind)
    return file.getvalue()


def data_uri(file):
    return "data:image/png;base64," + base64.b64encode(file).decode()


def with_picture(url, question="What?"):
    content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": content}]


def tasks_of(gateway):
    """How many tasks run in the gateway's loop now."""

    async def count():
        return len(asyncio.all_tasks())

    return asyncio.run_coroutine_threadsafe(count(), gateway.server.loop).result(LONG_S)
