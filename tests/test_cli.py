import json
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from arms import __version__
from arms.cli import main
from arms.data.tables import Dataset, read_dataset, write_dataset
from arms.routers.base import Router
from tests.fakes import PROFILES, make_queries, make_router

MADE = make_queries(12)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="arms")


def check_failed(result, message):
    """Exit status 1 and the error's text, not a traceback."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved router and a picture."""
    folder = tmp_path_factory.mktemp("cli")
    router = make_router(image={"tunable_layers": "all"}, text={"tunable_layers": "all"})
    router.fit(MADE.encode(router.encoders), MADE.outcomes).save(folder / "router")
    MADE.pictures[0].save(folder / "picture.png")
    return folder


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A dataset folder with one unusable query, beside an empty working directory."""
    (tmp_path / "logs/images").mkdir(parents=True)
    rows = []
    for i in range(6):
        image = f"images/{i}.png"
        MADE.pictures[i].save(tmp_path / "logs" / image)
        question = MADE.questions[i] if i else ""
        rows.append((f"q{i}", "dots", "count", "en", question, image, None))
    columns = ["query_id", "benchmark", "task", "language", "question", "image", "answer"]
    outcomes = [
        (f"q{i}", profile.name, bool(MADE.outcomes[i, j])) for i in range(6) for j, profile in enumerate(PROFILES)
    ]
    write_dataset(
        Dataset(
            tmp_path / "logs",
            pd.DataFrame(rows, columns=columns),
            pd.DataFrame(outcomes, columns=["query_id", "vlm", "correct"]),
            PROFILES,
        ),
        tmp_path / "logs",
    )
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "logs"


def commands(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


def command_at(path):
    command = main
    for name in path:
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", [(), *commands(main)], ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(path, option):
    result = run(*path, option)
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: {' '.join(('arms', *path))} [OPTIONS]")
    examples = [line.split() for line in result.output.splitlines() if line.startswith("    arms ")]
    assert all(words[1 : 1 + len(path)] == list(path) for words in examples)
    assert examples or hasattr(command_at(path), "commands")


def test_version():
    assert run("--version").output == f"arms, version {__version__}\n"


def test_help_does_not_wait_for_torch():
    code = "import sys, arms.cli; print([name for name in ('torch', 'pandas', 'zarr') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


class TestRoute:
    def test_to_read(self, saved):
        result = run(
            "route", "--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router"
        )
        assert result.exit_code == 0, result.output
        route = Router.load(saved / "router").route(saved / "picture.png", "Read the sign.")
        lines = [f"{n}. {r.vlm:<10}  {r.confidence:.3f}" for n, r in enumerate(route.ranking, start=1)]
        assert result.output.splitlines() == lines

    def test_json(self, saved):
        result = run(
            "route", "--image", saved / "picture.png", "--question", "有几个点?", "--router", saved / "router", "--json"
        )
        assert result.exit_code == 0, result.output
        content = json.loads(result.output)
        confidences = [ranked["confidence"] for ranked in content["ranking"]]
        assert confidences == sorted(confidences, reverse=True)
        assert {ranked["vlm"] for ranked in content["ranking"]} == {profile.name for profile in PROFILES}
        assert content["vlm"] == content["ranking"][0]["vlm"]

    def test_no_router(self, saved, tmp_path):
        arguments = ("route", "--image", saved / "picture.png", "--question", "What?", "--router", tmp_path / "none")
        check_failed(run(*arguments), "none: no router there (router.json is missing); train one with: dvc repro")

    def test_no_image(self, saved, tmp_path):
        arguments = ("route", "--image", tmp_path / "none.png", "--question", "What?", "--router", saved / "router")
        check_failed(run(*arguments), "none.png: no such image")

    def test_no_picture(self, saved):
        arguments = ("--image", saved / "router/router.json", "--question", "What?", "--router", saved / "router")
        check_failed(run("route", *arguments), "router.json: not a readable image: cannot identify image file")

    def test_no_question(self, saved):
        arguments = ("--image", saved / "picture.png", "--question", " ", "--router", saved / "router")
        check_failed(run("route", *arguments), "question 0: expected text, got ' '")

    def test_an_option_left_out(self):
        result = run("route", "--question", "What?")
        assert result.exit_code == 2
        assert "Missing option '--image'" in result.output


class TestImportTables:
    def test_import(self, source, tmp_path):
        result = run("import", "tables", source, "--name", "mine")
        assert result.exit_code == 0, result.output
        assert "queries: 5 kept, 1 set aside" in result.output
        assert "imported into data/raw/mine" in result.output
        assert "name its pools in conf/data/mine.yaml" in result.output
        assert "dvc exp run -S data=mine" in result.output
        assert len(read_dataset(tmp_path / "work/data/raw/mine").queries) == 5

    def test_the_name_is_the_folders(self, source, tmp_path):
        (tmp_path / "work/conf/data").mkdir(parents=True)
        (tmp_path / "work/conf/data/logs.yaml").touch()
        result = run("import", "tables", "../logs")
        assert "imported into data/raw/logs" in result.output
        assert "name its pools" not in result.output

    def test_it_replaces_when_told_to(self, source):
        assert run("import", "tables", source).exit_code == 0
        check_failed(run("import", "tables", source), "data/raw/logs: expected nothing there, got an existing path")
        assert run("import", "tables", source, "--replace").exit_code == 0

    def test_strict(self, source, tmp_path):
        check_failed(run("import", "tables", source, "--strict"), "expected every row to be usable")
        assert not (tmp_path / "work/data/raw/logs").exists()

    def test_no_tables(self, source, tmp_path):
        check_failed(run("import", "tables", tmp_path / "work"), "work")

    def test_an_unknown_format(self, source):
        result = run("import", "notes", source)
        assert result.exit_code == 2
        assert "No such command 'notes'" in result.output


class TestValidate:
    def test_to_read(self, source):
        result = run("validate", source)
        assert result.exit_code == 0, result.output
        assert "queries: 5 kept, 1 set aside" in result.output
        assert "no question" in result.output

    def test_json(self, source):
        result = run("validate", source, "--json", "--workers", 1)
        assert json.loads(result.output)["queries"] == {"kept": 5, "set_aside": 1}

    def test_strict(self, source):
        check_failed(run("validate", source, "--strict"), "expected every row to be usable")

    def test_no_dataset(self, tmp_path):
        check_failed(run("validate", tmp_path / "none"), "none")

    def test_workers(self, source):
        result = run("validate", source, "--workers", 0)
        assert result.exit_code == 2
        assert "0 is not in the range x>=1" in result.output


def test_no_report(tmp_path):
    check_failed(run("report", "--metrics", tmp_path), "expected metrics files, found none; run: dvc repro")
