"""After ten thousand requests of all kinds nothing is left: no task, no connection, no memory."""

import asyncio
import gc
import json
import logging
from collections import Counter

import httpx
import psutil
import pytest

from arms.serve.memory.none import NoMemory
from tests.serve.helpers import chat, data_uri, picture, serving, settings_of, tasks_of, until, with_picture

REQUESTS, ROUNDS, WARM_UP, AT_A_TIME = 10_000, 4, 1_000, 16
MOST_GROWN_MIB = 6
KINDS = 10
RED = data_uri(picture())


LEFT = 2  # the kind whose client leaves


def body_of(number):
    """The kinds take turns: whole, streamed, left, broken, refused, with pictures, unreadable, in sessions, failing."""
    return (
        chat("alpha"),
        chat("alpha", stream=True),
        chat(model="gamma", stream=True),
        chat("beta", stream=True),
        chat("alpha", model="unknown"),
        chat() | {"messages": with_picture(RED)},
        chat() | {"messages": with_picture("data:image/png;base64,*")},
        chat("beta", stream=True, arms={"session": f"s{number}"}),
        chat("fail"),
        chat("alpha", arms={"exclude": ["gamma"]}, stream=True),
    )[number % KINDS]


async def ask(client, url, number, seen):
    """One request; of an endless stream the client leaves after some chunks."""
    async with client.stream("POST", url, json=body_of(number)) as response:
        seen[response.status_code] = seen.get(response.status_code, 0) + 1
        chunks = 0
        async for _ in response.aiter_raw():
            chunks += 1
            if number % KINDS == LEFT and chunks == 3:
                return


async def ask_many(url, numbers):
    """Ask, so many at a time; returns how often each status came."""
    waiting, seen = list(numbers), {}
    limits = httpx.Limits(max_connections=AT_A_TIME)

    async def work(client):
        while waiting:
            await ask(client, url, waiting.pop(), seen)

    async with httpx.AsyncClient(verify=False, timeout=60, limits=limits) as client:
        await asyncio.gather(*(work(client) for _ in range(AT_A_TIME)))
    return seen


@pytest.mark.slow
@pytest.mark.timeout(3600)  # of all three, client, gateway and VLMs, in one process
def test_nothing_is_left(upstream, caplog, tmp_path):
    caplog.set_level(logging.CRITICAL)  # what pytest keeps of the log would grow too
    upstream.how.update(gamma="endless", beta=["answer", "500", "break-mid", "429"])
    upstream.take_turns = True
    settings = settings_of(upstream.url, breaker={"failures": 10**6}, sessions={"most": 100})
    this = psutil.Process()
    with serving(settings, memory=NoMemory()) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        gateway.router.remembers = False
        tasks, seen, memory_mib, files = tasks_of(gateway), Counter(), [], []
        for numbers in (range(WARM_UP), *(range(REQUESTS // ROUNDS) for _ in range(ROUNDS))):
            seen.update(asyncio.run(ask_many(url, numbers)))
            until(lambda: gateway.inner.running.count == 0)
            until(lambda: tasks_of(gateway) <= tasks)
            gc.collect()
            memory_mib.append(this.memory_info().rss / 2**20)
            files.append(this.num_fds())
        figures = {"statuses": seen, "memory_mib": memory_mib, "files": files, "tasks": tasks}
        (tmp_path / "soak.json").write_text(json.dumps(figures), encoding="utf-8")
        assert seen == {200: (REQUESTS + WARM_UP) * 9 // KINDS, 404: (REQUESTS + WARM_UP) // KINDS}
        assert len(gateway.inner.sessions) <= 100
        assert files[-1] <= files[0] + 4 * len(settings.upstreams)
        assert memory_mib[-1] - memory_mib[0] < MOST_GROWN_MIB
