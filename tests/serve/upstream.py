"""A server of VLMs that answers, stalls, breaks, and notes what it was asked and when its client left."""

import asyncio
import json
import threading
from collections import deque

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.ports import free_port
from tests.serve.helpers import until

TOOL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at":"model"}'}}
WAIT = {"retry-after": "7"}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "prompt_tokens_details": {"cached": 3}}


def chunks(model, tools=False):
    """A stream's events, byte by byte as a picky reader wants them."""
    delta = {"tool_calls": [TOOL]} if tools else {"content": 'Zwei: "model": "x" \\ ü\n'}
    rest = [
        {"choices": [{"index": 0, "delta": delta, "logprobs": None}], "x_future": {"model": "mine", "n": 1.50}},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": USAGE},
    ]
    first = (
        b'data: {"id":"c1", "created" : 1.0e0,  "model" : "%s","choices":[{"index":0,"delta":{"role":"assistant"}}]}'
    )
    yield first % model.encode() + b"\r\n\r\n"
    yield b": a comment\n\n"
    for chunk in rest:
        yield b"data: " + json.dumps({"id": "c1", **chunk, "model": model}, ensure_ascii=False).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def whole(model):
    message = {"role": "assistant", "content": "Two.", "x_more": {"model": "mine"}}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "c1", "object": "chat.completion", "created": 1, "choices": choices, "model": model, "usage": USAGE}


class FakeUpstream:
    """How each model answers stands in `how`: answer, if it says nothing else."""

    def __init__(self, port=None):
        self.reset()
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        app = Starlette(routes=[Route("/v1/chat/completions", self._chat, methods=["POST"])])
        self.server = uvicorn.Server(
            uvicorn.Config(app, port=self.port, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        )

    def reset(self):
        self.how, self.asked, self.left = {}, deque(maxlen=1000), deque(maxlen=1000)
        self.no_wait = False  # refuse without asking to wait
        self.take_turns = False  # go through a list again and again

    def rest(self):
        """Wait until nothing of earlier requests runs."""
        until(lambda: not self.server.server_state.tasks)

    @property
    def models(self):
        """Which were asked, in their order."""
        return [body["model"] for body, _ in self.asked]

    async def _chat(self, request):
        body = await request.json()
        with self._lock:
            self.asked.append((body, dict(request.headers)))
        model = body["model"]
        how = self.how.get(model.removeprefix("there-"), "answer")
        if isinstance(how, list):  # one after the other
            how.extend(how[:1] if self.take_turns else [])
            how = how.pop(0) if len(how) > 1 else how[0]
        if how.isdecimal():
            return JSONResponse({"error": {"message": f"a {how} of there"}}, int(how), {} if self.no_wait else WAIT)
        if how == "stall":
            while not await request.is_disconnected():
                await asyncio.sleep(0.01)
            self.left.append(model)
            return Response()
        if how == "empty":
            return Response(media_type="text/event-stream")
        if body.get("stream"):
            return StreamingResponse(self._stream(model, how), media_type="text/event-stream")
        return JSONResponse(whole(model), headers={"x-ratelimit-remaining": "9", "set-cookie": "a=b"})

    async def _stream(self, model, how):
        events = list(chunks(model, tools=how == "tools"))
        try:
            if how == "error-event":
                yield b'data: {"error": {"message": "overloaded"}}\n\n'
                return
            if how in ("answer", "tools"):
                for event in events:
                    yield event
                return
            if how == "cut":  # in pieces that end anywhere
                text = b"".join(events)
                for start in range(0, len(text), 7):
                    yield text[start : start + 7]
                    await asyncio.sleep(0)
                return
            yield events[0]
            if how == "drip":  # slowly, to its end
                for event in (*events[1:2] * 10, *events[1:]):
                    await asyncio.sleep(0.05)
                    yield event
                return
            if how == "break-mid":
                raise ConnectionError("broken on purpose")
            while how in ("stall-mid", "endless", "trickle"):
                await asyncio.sleep({"stall-mid": 60, "endless": 0.005, "trickle": 0.1}[how])
                yield events[2]
        except asyncio.CancelledError:
            self.left.append(model)
            raise
