"""The servers that are compared, each a process on loopback: the upstream, `arms serve`, and LiteLLM's proxy."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from arms.cli.completers import STARTER
from arms.errors import ArmsError

ROOT = Path(__file__).parents[2]
LITELLM = ROOT / ".venv-litellm/bin/litellm"
VLMS = ("sim-wren-2b", "sim-borealis", "sim-cobalt")
START_S = 240
_HOOK = f"""\
from litellm.integrations.custom_logger import CustomLogger


class Choice(CustomLogger):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        data["model"] = "{VLMS[0]}"
        return data


choice = Choice()
"""


@dataclass(frozen=True)
class Target:
    """What the client asks.

    Attributes
    ----------
    name : str
    url : str
        Of the chat completions.
    model : str
        That it asks for.
    headers : mapping
    """

    name: str
    url: str
    model: str
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def serve_all(folder: Path) -> Iterator[dict[str, Target]]:
    """The targets by name: upstream, ARMS, ARMS with a memory, and LiteLLM where its environment is there."""
    with ExitStack() as stack:
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.gateway_parts.upstream", str(port)]
        base = f"http://127.0.0.1:{port}"
        stack.enter_context(running_server(command, f"{base}/health", ROOT, folder / "upstream.log"))
        targets = [
            Target("upstream", f"{base}/v1/chat/completions", VLMS[0]),
            stack.enter_context(_serve_arms(folder / "arms", base, "ARMS", "none")),
            stack.enter_context(_serve_arms(folder / "memory", base, "ARMS with a memory", "memory.db")),
        ]
        if LITELLM.exists():
            targets.append(stack.enter_context(_serve_litellm(folder / "litellm", base)))
        yield {target.name: target for target in targets}


@contextmanager
def _serve_arms(folder: Path, base: str, name: str, memory: str) -> Iterator[Target]:
    """The starter, which never is late, before VLMs at the upstream."""
    folder.mkdir()
    settings = {
        "router": str(STARTER),
        "default": VLMS[0],
        "port": free_port(),
        "memory": memory,
        "decision": {"limit_s": 60.0},
        "memory_s": 60.0,
        "upstreams": {vlm: {"base_url": f"{base}/v1", "model": vlm} for vlm in VLMS},
    }
    (folder / "serve.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    url = f"http://127.0.0.1:{settings['port']}"
    command = [sys.executable, "-c", "from arms.cli import main; main()", "serve"]
    with running_server(command, f"{url}/ready", folder, folder / "log"):
        yield Target(name, f"{url}/v1/chat/completions", "auto")


@contextmanager
def _serve_litellm(folder: Path, base: str) -> Iterator[Target]:
    """LiteLLM's proxy with a hook that changes the model."""
    folder.mkdir()
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{vlm}", "api_base": f"{base}/v1", "api_key": "x"}}
        for name, vlm in (*zip(VLMS, VLMS, strict=True), ("auto", VLMS[1]))
    ]
    config = {"model_list": models, "litellm_settings": {"callbacks": ["hook.choice"]}}
    (folder / "hook.py").write_text(_HOOK, encoding="utf-8")
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    port, key = free_port(), f"sk-{secrets.token_hex(24)}"
    command = [str(LITELLM), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    more = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": key, "LITELLM_LOG": "ERROR"}
    url = f"http://127.0.0.1:{port}"
    with running_server(command, f"{url}/health/liveliness", folder, folder / "log", **more):
        yield Target("LiteLLM", f"{url}/v1/chat/completions", "auto", {"authorization": f"Bearer {key}"})


@contextmanager
def running_server(command: list[str], ready: str, folder: Path, log: Path, **more: str) -> Iterator[None]:
    """A server's process, from when it is ready until the block ends."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        try:
            _wait_until_ready(process, ready, log)
            yield
        finally:
            process.kill()


def _wait_until_ready(process: "subprocess.Popen[Any]", url: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise ArmsError(f"{log}: expected a server that starts, got:\n{log.read_text()[-3000:]}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
