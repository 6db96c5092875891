import json

import pytest

from arms.doctor.machine import Line
from tests.cli.helpers import run, run_json

OK = Line(topic="torch", status="ok", text="2.13", facts={"version": "2.13"})
NOTE = Line(topic="hub", status="note", text="was not asked", facts={"reachable": None})
MISSING = Line(topic="dataset", status="missing", text="no tables")


@pytest.fixture
def found(monkeypatch):
    """Puts lines in the place of what is found, and keeps what was asked for."""
    asked = []

    def put(*lines):
        monkeypatch.setattr("arms.doctor.examine.examine", lambda **options: asked.append(options) or iter(lines))
        return asked

    return put


def test_to_read(found):
    asked = found(OK, NOTE)
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "ok       torch: 2.13",
        "note     hub: was not asked",
        "nothing is missing on this machine",
    ]
    assert asked == [{"ask_hub": True}]


def test_what_is_missing(found):
    found(OK, MISSING)
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == ["missing  dataset: no tables", "missing: dataset"]
    assert result.stderr == ""


def test_json(found):
    asked = found(OK, NOTE)
    content = run_json("doctor", "--offline")
    assert asked == [{"ask_hub": False}]
    assert content["ready"] is True
    assert content["lines"][0] == {"topic": "torch", "status": "ok", "text": "2.13", "facts": {"version": "2.13"}}
    found(MISSING)
    assert run_json("doctor", exit_code=1)["ready"] is False


def test_the_real_machine(tmp_path, monkeypatch):
    """Outside a project, what these tests run with is all there."""
    monkeypatch.chdir(tmp_path)
    result = run("doctor", "--json")
    content = json.loads(result.stdout)
    assert (result.exit_code, content["ready"]) == (0, True), content
    topics = [line["topic"] for line in content["lines"]]
    assert topics[:4] == ["python", "machine", "torch", "device"]
    assert topics[-1] == "settings"
