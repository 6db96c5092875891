import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cached import MADE, new_outcomes, write_cached
from tests.cli.helpers import check_failed, run, run_json


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


def test_no_settings(launched, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    check_failed(run(*launched), "params.yaml: no such settings file")


def test_no_profile(launched):
    Path("new.yaml").unlink()
    check_failed(run(*launched), "new.yaml: expected the VLM profiles, got no such file")
    assert not Path("data/routers/mine").exists()
