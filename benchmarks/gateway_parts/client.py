"""The client: a loop of so many requests, so many at a time, over connections that stay open."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from benchmarks.gateway_parts.servers import Target

WARM_UP = 4
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Load:
    """What a client saw.

    Attributes
    ----------
    latency_ms : array of shape (N,)
        From a request to the end of its answer.
    wall_s : float
        Of all.
    """

    latency_ms: np.ndarray
    wall_s: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latency_ms) / self.wall_s

    def percentile(self, at: float) -> float:
        """Of the latencies, in ms."""
        return float(np.percentile(self.latency_ms, at))


def load(target: Target, questions: Sequence[list[dict[str, Any]]], at_once: int) -> Load:
    """Ask each question once; the first ones before the clock starts."""
    bodies = [json.dumps({"model": target.model, "messages": messages}).encode() for messages in questions]
    return asyncio.run(_load(target, bodies, at_once))


async def _load(target: Target, bodies: Sequence[bytes], at_once: int) -> Load:
    latency_ms: list[float] = []
    headers = {"content-type": "application/json", **target.headers}
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)

    async def work(waiting: Iterator[bytes]) -> None:
        for body in waiting:
            start = time.perf_counter()
            response = await client.post(target.url, content=body)
            latency_ms.append(1000 * (time.perf_counter() - start))
            _check(target, response)

    async with httpx.AsyncClient(headers=headers, timeout=_TIMEOUT_S, limits=limits, trust_env=False) as client:
        for some in (bodies[: WARM_UP * at_once], bodies[WARM_UP * at_once :]):
            latency_ms.clear()
            start, waiting = time.perf_counter(), iter(some)
            await asyncio.gather(*(work(waiting) for _ in range(at_once)))
            wall_s = time.perf_counter() - start
    return Load(np.array(latency_ms), wall_s)


def _check(target: Target, response: httpx.Response) -> None:
    """A VLM answered, and where the router decides, it did."""
    assert response.status_code == 200, f"{target.name}: {response.text:.500}"
    assert response.headers.get("x-arms-reason", "policy") in ("policy", "named"), dict(response.headers)
    assert b'"from sim-' in response.content, f"{target.name}: {response.text:.500}"
