"""A gateway before the sample's VLMs: what is asked of it, and a new router in the place of the old one."""

import asyncio
import base64
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from benchmarks.gateway_parts.servers import ROOT, free_port, running_server
from benchmarks.loop_parts.upstream import RIGHT

_AT_ONCE = 8
_PATIENT_S = 120.0


class Served:
    """A running gateway.

    Parameters
    ----------
    url : str
    images : Path
        The folder that the queries' images are in.
    """

    def __init__(self, url: str, images: Path) -> None:
        self._url, self._images = url, images

    def choices(self, queries: pd.DataFrame) -> list[str]:
        """The VLM that the router chooses for each query, without exploring; nobody is asked."""
        found = asyncio.run(self._all("/v1/route", queries, named=False))
        return [response.json()["greedy"] for response in found]

    def send(self, queries: pd.DataFrame) -> float:
        """Send queries as clients do, and say of each answer whether it was right; the share that was."""
        found = asyncio.run(self._all("/v1/chat/completions", queries, named=True))
        said = [
            {"request_id": query_id, "correct": response.json()["choices"][0]["message"]["content"] == f"from {RIGHT}"}
            for query_id, response in zip(queries["query_id"], found, strict=True)
            if response.status_code == 200
        ]
        with httpx.Client(timeout=_PATIENT_S, trust_env=False) as client:
            for body in said:
                client.post(f"{self._url}/v1/feedback", json=body).raise_for_status()
        return float(np.mean([body["correct"] for body in said]))

    def reload(self) -> None:
        """Have it load the router that is there now."""
        httpx.post(f"{self._url}/admin/reload", json={}, timeout=_PATIENT_S, trust_env=False).raise_for_status()

    async def _all(self, path: str, queries: pd.DataFrame, *, named: bool) -> list[httpx.Response]:
        """The responses, some requests at a time."""
        free = asyncio.Semaphore(_AT_ONCE)

        async def ask(query: Any) -> httpx.Response:
            async with free:
                body = {"model": "auto", "messages": [{"role": "user", "content": self._content(query)}]}
                headers = {"x-request-id": query.query_id} if named else {}
                return await client.post(f"{self._url}{path}", json=body, headers=headers)

        async with httpx.AsyncClient(timeout=_PATIENT_S, trust_env=False) as client:
            return await asyncio.gather(*(ask(query) for query in queries.itertuples()))

    def _content(self, query: Any) -> list[dict[str, Any]]:
        files = [(self._images / name).read_bytes() for name in query.images]
        urls = ["data:image/png;base64," + base64.b64encode(file).decode() for file in files]
        text = [{"type": "text", "text": query.question}] if isinstance(query.question, str) and query.question else []
        return [*text, *({"type": "image_url", "image_url": {"url": url}} for url in urls)]


@contextmanager
def serve_sample(
    folder: Path, router: Path, vlms: Sequence[str], base: str, explore: float, images: Path
) -> Iterator[Served]:
    """A gateway that explores, and keeps what is asked in `memory.db`."""
    settings = {
        "router": str(router),
        "default": vlms[0],
        "port": free_port(),
        "explore": explore,
        "memory": "memory.db",
        "keep": {"questions": True, "images": True},
        "page": {"use": False},
        "decision": {"limit_s": _PATIENT_S},
        "memory_s": _PATIENT_S,
        "upstreams": {vlm: {"base_url": f"{base}/v1", "model": vlm, "retries": 0} for vlm in vlms},
    }
    (folder / "serve.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    url = f"http://127.0.0.1:{settings['port']}"
    command = [sys.executable, "-c", "from arms.cli import main; main()", "serve"]
    with running_server(command, f"{url}/ready", folder, folder / "log", PYTHONPATH=str(ROOT)):
        yield Served(url, images)


def correct_of_choices(choices: Sequence[str], outcomes_NS: np.ndarray, vlms: Sequence[str]) -> np.ndarray:
    """Whether the chosen VLM was right on each query, shape (N,)."""
    columns = [vlms.index(vlm) for vlm in choices]
    return outcomes_NS[np.arange(len(choices)), columns]
