"""docs/serve.md and docs/learn-from-traffic.md, followed in a clone: from a router to traffic, and back."""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager

import httpx
import pandas as pd
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("fastapi")

from tests.docs.brought import nova_profile
from tests.docs.markdown import read_blocks
from tests.docs.reader import Reader, check_output, write_yaml
from tests.pipeline import ROOT
from tests.serve.helpers import LONG_S, running
from tests.serve.upstream import FakeUpstream

pytestmark = [pytest.mark.clone, pytest.mark.timeout(3600)]

SERVE = ROOT / "docs/serve.md"
PAGE = (ROOT / "docs/learn-from-traffic.md").read_text(encoding="utf-8")
FIRST, LAST = PAGE.split("## A new VLM, learned from traffic")
URL = "http://127.0.0.1:8000"  # as the pages have it
REQUESTS = 150


def block(page, language, number=0):
    """The text of the page's next block of a language."""
    return [one.text for one in read_blocks(page.read_text(encoding="utf-8")) if one.language == language][number]


@pytest.fixture(scope="module")
def vlms():
    """The server of one's own that docs/serve.md names."""
    upstream = FakeUpstream(port=8001)
    with running(upstream.server):
        yield upstream


@contextmanager
def typed(project, command):
    """A command that runs while the block does; what it prints goes to a file, which is given."""
    file = project.folder / "printed"
    with file.open("w") as output:
        shell = ["bash", "-c", f"{command} & echo $! > pid; wait"]
        process = subprocess.Popen(
            shell, cwd=project.folder, env=project.environment(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        end = time.monotonic() + 4 * LONG_S
        while not is_ready():
            assert process.poll() is None, file.read_text()
            assert time.monotonic() < end, file.read_text()
            time.sleep(0.2)
        yield file
    finally:
        os.kill(int((project.folder / "pid").read_text()), signal.SIGTERM)
        process.wait(LONG_S)


def is_ready():
    try:
        return httpx.get(f"{URL}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def ask(question, request_id):
    body = {"model": "auto", "messages": [{"role": "user", "content": question}]}
    response = httpx.post(f"{URL}/v1/chat/completions", json=body, headers={"x-request-id": request_id}, timeout=LONG_S)
    assert response.status_code == 200, response.text
    return response


def test_from_a_router_to_traffic(project, vlms):
    vlms.reset()
    Reader(project, ()).follow(SERVE)  # writes serve.yaml, and checks it
    asked, *expected = block(SERVE, "console").splitlines()
    with typed(project, asked.removeprefix("$ ")) as printed:
        snippet = block(SERVE, "text")
        messages = "messages = [{'role': 'user', 'content': 'How many red shapes are there?'}]\n"
        said = project.run("python", "-c", messages + snippet)
        assert said.strip() in ("sim-wren-2b", "sim-atlas")
        check_output("\n".join(expected), printed.read_text())
    assert vlms.asked, "the gateway asked the VLM that stands on the page"


def write_settings(project, url, router, vlms, **changes):
    """A serve.yaml with a memory that keeps everything; all VLMs are at one server."""
    each = {"base_url": f"{url}/v1", "price_in": 1.0, "price_out": 2.0}
    settings = {
        "router": router,
        "default": "sim-wren-2b",
        "upstreams": {name: {**each, "model": name} for name in vlms},
        "memory": "memory.db",
        "memory_s": float(LONG_S),
        "keep": {"questions": True, "images": True, "outputs": True},
        "decision": {"limit_s": float(LONG_S)},
        **changes,
    }
    (project.folder / "serve.yaml").unlink(missing_ok=True)
    write_yaml(project.folder / "serve.yaml", settings)


def say(project, request_id, correct):
    """Give feedback by the command of the page."""
    said = re.search(r"^curl .*feedback.*$", PAGE, flags=re.MULTILINE)[0]
    said = said.replace("7f0c", request_id).replace("true", "true" if correct else "false")
    assert '"kept"' in project.run("bash", "-c", said)


@pytest.fixture(scope="module")
def learnt(project, vlms):
    """The clone after some traffic on which feedback was given."""
    vlms.reset()
    write_settings(project, vlms.url, "data/routers/arms", ("sim-wren-2b", "sim-atlas"), explore=0.5)
    with typed(project, "arms serve"):
        for number in range(REQUESTS):
            ask(f"How many shapes are there in case {number}?", f"r{number}")
            say(project, f"r{number}", bool(number % 3))
    return project


@pytest.mark.parametrize("command", re.findall(r"^arms .*$", FIRST, flags=re.MULTILINE))
def test_what_is_learned_from_traffic(learnt, command):
    expected = {"evaluate-log": "doubly robust", "import": "traffic", "forget": "forgot 0 pictures"}
    assert expected[command.split()[1]] in learnt.run("bash", "-c", command)


def test_a_new_vlm_is_learned_from_traffic(project, vlms):
    vlms.reset()
    (project.folder / "memory.db").unlink(missing_ok=True)
    nova_profile(project)
    extend, *rest = (line for line in LAST.splitlines() if re.match("arms |python |curl ", line))
    assert "scored from the profile only: nova" in project.run("bash", "-c", extend)
    write_settings(project, vlms.url, "live", ("sim-wren-2b", "nova"), explore=0.9)
    queries = pd.read_parquet(project.folder / "data/prepared/sample/queries.parquet")
    some = queries[queries["question"].str.len() > 0].head(REQUESTS)
    with typed(project, "arms serve"):
        before = httpx.get(f"{URL}/ready").json()["router"]
        for number, query in enumerate(some.itertuples()):
            ask(query.question, query.query_id)
            say(project, query.query_id, bool(number % 2))
        printed = [project.run("bash", "-c", command) for command in rest]
        assert httpx.get(f"{URL}/ready").json()["router"] != before
    assert re.search(r"outcomes: [1-9]\d* taught", printed[2]), printed[2]
