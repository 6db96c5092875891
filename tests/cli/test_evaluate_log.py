"""`arms evaluate-log`."""

import pytest

pytest.importorskip("sqlalchemy")

from tests.cli.helpers import check_failed, run, run_json
from tests.replay.made import write_traffic


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log with exploration."""
    file = tmp_path_factory.mktemp("traffic") / "memory.db"
    write_traffic(file, 1500, 0.3)
    return file


def test_to_read(log):
    result = run("evaluate-log", log)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "judged: the router and policy of the log, not exploring"
    assert lines[1] == "1,500 decisions, 1,500 with feedback"
    assert lines[3].startswith("EM, over 1,500 decisions, which count as 1,")
    assert [line.split("  ")[1] for line in lines[4:8]] == [
        "inverse propensity",
        "self-normalised",
        "doubly robust",
        "what was logged",
    ]
    assert lines[9].startswith("cost in USD, over 1,500 decisions")


def test_json(log):
    content = run_json("evaluate-log", log, "--cheapest-above", "0.6")
    assert content["decisions"] == 1500
    assert content["cost"]["dr"]["value"] < content["cost"]["logged"]["value"]
    for estimate in ("ips", "snips", "dr"):
        found = content["reward"][estimate]
        assert found["low"] < found["value"] < found["high"]


def test_without_support(tmp_path):
    write_traffic(tmp_path / "m.db", 100, 0.0, shadow="small")
    check_failed(run("evaluate-log", tmp_path / "m.db"), "let the gateway explore (explore: 0.02 in its settings")


def test_two_policies(log):
    result = run("evaluate-log", log, "--budget", "1", "--cost-penalty", "1")
    assert result.exit_code == 2
    assert (
        "expected one of --cheapest-above, --budget, --cost-penalty, got --budget and --cost-penalty" in result.output
    )


def test_a_log_that_is_none(tmp_path):
    check_failed(run("evaluate-log", tmp_path / "none.db"), "none.db: expected a file of SQLite, got no such file")


def test_tables_have_no_times(tmp_path):
    result = run("evaluate-log", tmp_path, "--since", "2026-11-01")
    assert result.exit_code == 2
