"""`arms serve`: what it says before it serves, and what stops it."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from arms.cli import main
from arms.cli.completers import STARTER
from tests.pipeline import ROOT

UPSTREAM = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
GOOD = {"router": str(STARTER), "default": "sim-atlas", "upstreams": {"sim-atlas": UPSTREAM, "mine": UPSTREAM}}


def serve(folder, content, *words):
    (folder / "serve.yaml").write_text(json.dumps(content), encoding="utf-8")
    return CliRunner().invoke(main, ["serve", "--settings", str(folder / "serve.yaml"), "--check", *words])


def test_what_would_be_served(tmp_path):
    result = serve(tmp_path, GOOD)
    assert result.exit_code == 0, result.output
    assert "VLMs: sim-atlas\nwithout an upstream, never chosen: sim-borealis, " in result.stderr
    assert "unknown to the router, answering by their own names: mine" in result.stderr
    found = json.loads(serve(tmp_path, GOOD, "--json").stdout)
    assert (found["vlms"], found["unknown_to_router"]) == (["sim-atlas"], ["mine"])
    assert found["address"] == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"router": "nowhere"}, "nowhere"),
        ({"default": "none"}, "default: expected one of upstreams (sim-atlas, mine), got 'none'"),
        ({"upstreams": {"mine": UPSTREAM}, "default": "mine"}, "upstreams: expected VLMs of the router (sim-wren-2b"),
        ({"keys_env": "ARMS_NO_SUCH_KEYS"}, "keys_env: expected the environment variable ARMS_NO_SUCH_KEYS to be set"),
    ],
)
def test_what_stops_it(tmp_path, changes, message):
    result = serve(tmp_path, GOOD | changes)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_without_the_extra():
    """Neither the help of `arms` nor that of `arms serve` needs it; `arms serve` says how to get it."""
    script = (
        "import sys, importlib.util as util\n"
        "hidden = {'fastapi', 'uvicorn', 'httpx', 'prometheus_client', 'opentelemetry'}\n"
        "class Hide:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name.partition('.')[0] in hidden: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name in hidden else find(name, *more)\n"
        "from arms.cli import main\n"
        "main(sys.argv[1:])\n"
    )

    def run(*words):
        command = [sys.executable, "-c", script, *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    assert run("--help").returncode == 0
    assert run("serve", "--help").returncode == 0
    failed = run("serve")
    assert failed.returncode == 1
    assert failed.stderr == (
        "Error: arms serve: expected the extra serve, fastapi is missing; run: pip install 'arms[serve]'\n"
    )
