"""`pip install 'arms[serve,cpu]'` routes and serves, and says which extra is missing for the rest."""

import json

import pytest

pytest.importorskip("fastapi")

from tests.installed import Installed, environment
from tests.pipeline import ROOT
from tests.serve.helpers import CLIENT, chat, data_uri, picture, with_picture
from tests.serve.process import gateway_process

pytestmark = pytest.mark.slow

PICTURE = ROOT / "docs/figures/shapes.png"
PIPELINE = ("dvc", "dvclive", "matplotlib", "zarr", "google_crc32c", "openpyxl", "pytest")


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("light"), ["serve", "cpu"])


@pytest.mark.parametrize("name", PIPELINE)
def test_what_is_not_there(light, name):
    assert f"No module named '{name}'" in light.run("python", "-c", f"import {name}").stderr


def test_it_is_the_wheel_that_is_imported(light):
    said = light.run("python", "-c", "import arms; print(arms.__file__)").stdout
    assert said.startswith(str(light.folder))


def test_the_starter_routes(light):
    done = light.run("arms", "route", "--image", str(PICTURE), "--question", "How many red shapes?", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["ranking"]) == 7


def test_a_request_is_served(light, upstream, tmp_path):
    memory = str(tmp_path / "memory.db")
    here = {"python": light.python, "environment": environment(), "memory": memory}
    with gateway_process(tmp_path, upstream, **here) as process:
        body = chat() | {"messages": with_picture(data_uri(picture()))}
        response = CLIENT.post(f"{process.url}/v1/chat/completions", json=body)
        assert (response.status_code, response.headers["x-arms-reason"]) == (200, "policy"), response.text
    judged = light.run("arms", "evaluate-log", memory)
    assert "give feedback" in judged.stderr, "it reads the log, and finds no feedback in it"


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--out", "page.md"),
        ("extend", "--profile", "new.yaml", "--out", "new"),
        ("features", "info"),
        ("features", "verify"),
    ],
)
def test_what_needs_the_pipeline_says_so(light, words):
    done = light.run("arms", *words)
    assert done.returncode == 1
    assert done.stderr.endswith("is missing; run: pip install 'arms[pipeline]'\n")


def test_a_spreadsheet_needs_it_too(light, tmp_path):
    (tmp_path / "log.xlsx").write_bytes(b"PK")
    done = light.run("arms", "import", "records", str(tmp_path / "log.xlsx"), "--name", "mine")
    assert done.returncode == 1
    assert "expected openpyxl for a spreadsheet; run: pip install 'arms[pipeline]'" in done.stderr


@pytest.mark.parametrize("words", [("--help",), ("serve", "--help"), ("doctor", "--offline"), ("vlms", "--help")])
def test_other_commands_work(light, words):
    done = light.run("arms", *words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
