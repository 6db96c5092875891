"""`arms serve` as a process of its own, with the router that comes with the package."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx

from arms.cli.completers import STARTER
from tests.pipeline import ROOT
from tests.ports import free_port
from tests.serve.helpers import CLIENT, LONG_S, until

POOL = ("sim-wren-2b", "sim-borealis", "sim-cobalt")
COMMAND = ("-c", "from arms.cli import main; main()", "serve", "--settings")


class Process:
    """A gateway's process; what it prints is collected."""

    def __init__(self, running, port):
        self.running, self.url, self.said = running, f"http://127.0.0.1:{port}", []
        self._collecting = threading.Thread(target=self._collect, daemon=True)
        self._collecting.start()

    def _collect(self):
        self.said.extend(iter(self.running.stderr.readline, ""))

    @property
    def text(self):
        return "".join(self.said)

    def ended(self):
        """How it ended, once it has and all that it printed is there."""
        code = self.running.wait(LONG_S)
        self._collecting.join(LONG_S)
        return code

    def ready(self):
        assert self.running.poll() is None, self.text
        try:
            return CLIENT.get(f"{self.url}/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def gateway_process(folder, upstream, python=sys.executable, environment=None, **changes):
    """A gateway that listens, killed at the end if it still runs; the settings are written into a folder."""
    environment = environment or os.environ | {"PYTHONPATH": str(ROOT)}
    upstreams = {vlm: {"base_url": f"{upstream.url}/v1", "model": vlm} for vlm in POOL}
    port = free_port()
    content = {"router": str(STARTER), "default": POOL[0], "port": port, "upstreams": upstreams, **changes}
    content["decision"] = {"limit_s": LONG_S}
    file = folder / "serve.yaml"
    file.write_text(json.dumps(content), encoding="utf-8")  # which is YAML too
    command = [str(python), *COMMAND, str(file)]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as running:
        process = Process(running, port)
        try:
            until(process.ready, within=120)
            yield process
        finally:
            running.kill()
