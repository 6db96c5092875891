"""A real LiteLLM proxy on loopback, in the environment of `make test-litellm`."""

import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import ROOT
from tests.ports import free_port

START_S = 240  # a proxy starts in 15 s on an idle machine


def litellm_python() -> Path:
    """The interpreter that has LiteLLM; LITELLM_PYTHON names another one than `make test-litellm` made."""
    python = Path(os.environ.get("LITELLM_PYTHON", ROOT / ".venv-litellm/bin/python"))
    if not python.exists():
        pytest.fail(f"{python}: LiteLLM's environment is missing; run: make test-litellm", pytrace=False)
    return python


def environment(**more: str) -> dict[str, str]:
    """LiteLLM reads its prices from its own files, not from the network."""
    return {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": str(ROOT), **more}


@dataclass(frozen=True)
class Proxy:
    """A running proxy.

    Attributes
    ----------
    url : str
    key : str
        Its master key.
    """

    url: str
    key: str

    def ask(self, **body: Any) -> tuple[dict[str, str], str]:
        """The headers and the body of an answer to a chat."""
        head = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        content = json.dumps({"model": "auto", **body}).encode()
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", content, head)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return {name.lower(): value for name, value in answer.headers.items()}, answer.read().decode()


@contextmanager
def serve_proxy(config: Path) -> Iterator[Proxy]:
    """Run a proxy in the folder of its config.yaml while the block runs; its output is proxy.log there."""
    port = free_port()
    proxy = Proxy(f"http://127.0.0.1:{port}", f"sk-{secrets.token_hex(24)}")
    command = [litellm_python().parent / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    log = config.with_name("proxy.log")
    with log.open("w") as output:
        process = subprocess.Popen(
            [*map(str, command)],
            cwd=config.parent,
            env=environment(LITELLM_MASTER_KEY=proxy.key),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(proxy, process, log)
        yield proxy
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(proxy: Proxy, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{proxy.url}/health/liveliness", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    pytest.fail(f"the proxy did not start:\n{log.read_text()[-4000:]}", pytrace=False)
