import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from arms.routers.saved import load_router
from tests.cached import MADE, new_outcomes, write_cached
from tests.cli.helpers import check_failed, run, run_json
from tests.pipeline import ROOT


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """What the pipeline leaves of a tiny dataset."""
    folder = tmp_path_factory.mktemp("cached")
    write_cached(folder)
    return folder


@pytest.fixture
def launched(cached, tmp_path, monkeypatch):
    """A copy of it as working directory, with the profile of a new VLM and its outcomes."""
    shutil.copytree(cached, tmp_path, dirs_exist_ok=True)
    (tmp_path / "new.yaml").write_text("name: painter\naccess: paid\nprice_in: 5\n")
    new_outcomes("train", "val", "id").to_csv(tmp_path / "outcomes.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return ("extend", "--profile", "new.yaml", "--outcomes", "outcomes.csv", "--out", "data/routers/mine")


def test_to_read(launched, tmp_path):
    result = run(*launched)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    told = r"data/routers/mine: data/routers/arms-base and painter, independent, 3 VLMs, in \d+\.\d s"
    assert re.fullmatch(told, lines[0])
    assert lines[1] == "outcomes: 36 taught, 12 calibrated, 12 only reported, 0 set aside"
    heads = [re.fullmatch(r"(\w+), (\d+) of 12 queries have an outcome of every VLM, .*:", line) for line in lines]
    assert [(head[1], int(head[2]) > 0) for head in heads if head] == [("val", True), ("id", True), ("ood", False)]
    assert re.fullmatch(r"  EM \d\.\d{3}, before \d\.\d{3}: [+-]\d\.\d{3} \([+-]\d\.\d{3} to [+-]\d\.\d{3}\)", lines[3])
    MADE.pictures[0].save(tmp_path / "picture.png")
    arguments = ("--image", "picture.png", "--question", "Read the sign.", "--router", "data/routers/mine")
    assert "painter" in run("route", *arguments).output
    assert "painter" not in run("route", *arguments, "--exclude", "painter").output


def test_json(launched):
    content = run_json(*launched, "--strategy", "incremental")
    assert (content["strategy"], content["new"]) == ("incremental", ["painter"])
    assert set(content["splits"]) == {"val", "id", "ood"}


def test_the_settings_are_params_yamls(launched):
    text = Path("params.yaml").read_text()
    assert "strategy: independent" in text
    Path("params.yaml").write_text(text.replace("strategy: independent", "strategy: incremental"))
    assert run_json(*launched)["strategy"] == "incremental"


def test_theta(launched):
    assert run(*launched, "--theta", 0.25).exit_code == 0
    assert json.loads(Path("data/routers/mine/net/router.json").read_text())["theta"] == 0.25
    for theta in (1.5, "nan"):
        result = run(*launched, "--theta", theta, "--replace")
        assert result.exit_code != 0
        assert "Traceback" not in result.output


def test_it_replaces_when_told_to(launched):
    assert run(*launched).exit_code == 0
    check_failed(run(*launched), "--out data/routers/mine: expected nothing there, got an existing path")
    assert run(*launched, "--replace").exit_code == 0


class TestTwoAtOnce:
    """Two processes, the first of which is stopped while it is at work."""

    @pytest.fixture
    def first(self, launched):
        with start(*launched, "--theta", "0.25") as process:
            while not Path("data/routers/.mine.reserved").exists():
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGSTOP)
            yield process
            process.kill()

    @pytest.mark.timeout(300)
    def test_the_second_is_refused_and_the_first_ends_its_work(self, launched, first):
        with start(*launched, "--theta", "0.75", "--replace") as second:
            stdout, stderr = second.communicate()
        assert (second.returncode, stdout) == (1, "")
        assert re.fullmatch(r"Error: \S+/data/routers/mine: another process is at work on it; wait until .*\n", stderr)
        os.kill(first.pid, signal.SIGCONT)
        _, stderr = first.communicate()
        assert first.returncode == 0, stderr
        assert json.loads(Path("data/routers/mine/net/router.json").read_text())["theta"] == 0.25
        assert "painter" in load_router(Path("data/routers/mine")).vlms
        assert list(Path("data/routers").glob(".mine*")) == []

    @pytest.mark.timeout(300)
    def test_where_the_first_is_killed_the_second_works(self, launched, first):
        first.kill()
        first.wait()
        assert run(*launched, "--theta", 0.75).exit_code == 0
        assert json.loads(Path("data/routers/mine/net/router.json").read_text())["theta"] == 0.75


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start `arms` with arguments, in a process of its own."""
    command = [sys.executable, "-c", "from arms.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_no_settings(launched, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    check_failed(run(*launched), "params.yaml: no such settings file")


def test_without_outcomes_the_profile_is_enough(launched):
    content = run_json("extend", "--profile", "new.yaml", "--out", "untried")
    assert (content["strategy"], content["zero_shot"]) == ("incremental", ["painter"])
    assert content["outcomes"] == {"taught": 0, "calibrated": 0, "only_reported": 0, "set_aside": {}}
    independent = run("extend", "--profile", "new.yaml", "--out", "other", "--strategy", "independent")
    check_failed(independent, "--outcomes: expected outcomes on training queries for a new router")


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("new.yaml", "new.yaml: expected the VLM profiles, got no such file"),
        ("outcomes.csv", "outcomes.csv: expected CSV with columns"),
        ("data/prepared/tiny", "data/prepared/tiny: expected a prepared dataset, got no such folder"),
        ("data/features/tiny/toy/text.zarr", "text.zarr: expected the features that data/routers/arms-base was"),
        ("data/routers/arms-base/router.json", "data/routers/arms-base: no router there"),
    ],
)
def test_what_is_missing_is_said_before_the_router_is_loaded(launched, monkeypatch, gone, message):
    monkeypatch.setattr("arms.extension.saved.load_router", lambda *_, **__: pytest.fail("it was loaded"))
    Path(gone).rename("gone")
    check_failed(run(*launched), message)


class TestPlan:
    """Which queries to run a new VLM on."""

    @pytest.fixture(autouse=True)
    def without_a_new_vlm(self, launched):
        Path("new.yaml").unlink()
        Path("outcomes.csv").unlink()

    def test_to_read(self):
        result = run("extend", "--plan", 4)
        assert result.exit_code == 0, result.output
        table = pd.read_csv(StringIO(result.stdout))
        assert list(table.columns) == ["query_id", "images", "question"]
        assert len(table) == 4
        assert table["images"][0] == f"data/raw/tiny/images/{table['query_id'][0][1:]}.png"
        assert run("extend", "--plan", 9).stdout.startswith(result.stdout)

    def test_json(self):
        queries = run_json("extend", "--plan", 3, "--router", "data/routers/arms-base")
        assert [list(query) for query in queries] == [["query_id", "images", "question"]] * 3
        assert queries[0]["images"] == [f"data/raw/tiny/images/{queries[0]['query_id'][1:]}.png"]

    def test_a_file(self):
        result = run("extend", "--plan", 4, "--out", "plan.csv")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "wrote plan.csv\n")
        assert Path("plan.csv").read_text() == run("extend", "--plan", 4).stdout
        check_failed(run("extend", "--plan", 5, "--out", "plan.csv"), "--out plan.csv: expected nothing there")
        assert run("extend", "--plan", 5, "--out", "plan.csv", "--replace").exit_code == 0
        assert len(pd.read_csv("plan.csv")) == 5
        check_failed(run("extend", "--plan", 5, "--out", "data", "--replace"), "expected a file or nothing there")

    def test_more_than_there_are(self):
        result = run("extend", "--plan", 99)
        assert len(pd.read_csv(StringIO(result.stdout))) == 36
        assert result.stderr == "the router was trained on 36 queries: the plan has all of them\n"
        assert run("extend", "--plan", 36).stderr == ""

    def test_a_router_that_remembers_nothing(self):
        check_failed(
            run("extend", "--plan", 4, "--router", "data/routers/phi"), "data/routers/phi: expected a safe router"
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--plan", 4, "--profile", "new.yaml"), "--plan: expected no --profile: it names queries before"),
            (("--plan", 4, "--outcomes", "a.csv", "--theta", 0), "--plan: expected no --outcomes, --theta: it"),
            (("--plan", 4, "--strategy", "incremental"), "--plan: expected no --strategy"),
            (("--plan", 4, "--out", "plan.csv", "--json"), "expected --json or --out, got both"),
            (("--plan", 0), "0 is not in the range x>=1"),
            (("--out", "mine", "--outcomes", "a.csv"), "or only --plan; missing: --profile"),
            ((), "expected --profile and --out, or only --plan; missing: --profile, --out"),
        ],
    )
    def test_a_command_line_that_contradicts_itself(self, arguments, message):
        result = run("extend", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in " ".join(result.stderr.split())
