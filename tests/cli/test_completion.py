import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from arms.cli import main
from arms.importers.registry import importer_names
from tests.cli.helpers import run

ARMS = str(Path(sys.executable).parent / "arms")


ROUTERS = [f"data/routers/{name}" for name in ("arms", "arms-base", "broken", "independent", "phi")]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Only names: a dataset with tables, two with settings, some routers and a folder that is not a router."""
    for file, content in {
        "data/raw/seen/queries.parquet": "",
        "data/raw/empty/notes.txt": "",
        "conf/data/seen.yaml": "",
        "conf/data/planned.yaml": "",
        "data/routers/phi/router.json": {"kind": "arms", "vlms": [{"name": "wren"}, {"name": "sky lark"}]},
        "data/routers/independent/router.json": {"kind": "cascade", "num_thetas": 1},
        "data/routers/independent/phi/router.json": {"kind": "arms", "vlms": [{"name": "wren"}]},
        "data/routers/independent/theta-1/router.json": {"kind": "arms", "vlms": [{"name": "nova"}]},
        "data/routers/arms/router.json": {"kind": "safe"},
        "data/routers/arms/net/router.json": {"kind": "cascade", "num_thetas": 1},
        "data/routers/arms/net/phi/router.json": {"kind": "arms", "vlms": [{"name": "wren"}]},
        "data/routers/arms/net/theta-1/router.json": {"kind": "arms", "vlms": [{"name": "nova"}]},
        "data/routers/arms-base/router.json": {"kind": "safe"},
        "data/routers/arms-base/net/router.json": {"kind": "arms", "vlms": [{"name": "wren"}]},
        "data/routers/broken/router.json": [],
        "data/routers/none/model.safetensors": "",
    }.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content) if content else "")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(line, incomplete=""):
    """What click offers after the words of a line: the values, and their type where it is not plain."""
    items = BashComplete(main, {}, "arms", "_ARMS_COMPLETE").get_completions(line.split(), incomplete)
    return [item.value if item.type == "plain" else (item.type, item.value) for item in items]


def test_commands():
    names = offered("")
    assert set(names) == set(main.commands)
    assert offered("", "v") == ["validate", "vlms"]
    assert offered("vlms") == ["add", "check", "list"]


def test_importers_are_not_loaded_for_their_names():
    code = """
import sys
from click.shell_completion import BashComplete
from arms.cli import main
names = [item.value for item in BashComplete(main, {}, "arms", "_ARMS_COMPLETE").get_completions(["import"], "")]
print(names, "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = importer_names()
    assert done.stdout == f"{names} False\n"
    assert offered("import", "t") == ["tables"]
    assert offered("import", "--h") == ["--help"]


def test_options():
    assert offered("import tables", "--im") == ["--images", "--image-prefix"]
    assert offered("import tables --access") == ["free", "paid"]
    assert offered("import tables --access", "gpt-4o=p") == ["gpt-4o=paid"]
    assert offered("extend --strategy", "in") == ["independent", "incremental"]
    assert offered("completion") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("command", ["route", "extend"])
def test_routers(command):
    assert offered(f"{command} --router") == ROUTERS
    assert offered(f"{command} --router", "data/routers/p") == ["data/routers/phi"]
    assert offered(f"{command} --router", "elsewhere/") == [("dir", "elsewhere/")]


@pytest.mark.parametrize("command", ["validate", "vlms check", "vlms list"])
def test_datasets(command):
    assert offered(command) == ["data/raw/seen"]
    assert offered(command, "my") == [("file", "my")]


def test_the_names_of_datasets():
    assert offered("import tables --name") == ["planned", "seen"]
    assert offered("import tables --name", "s") == ["seen"]


def test_the_vlms_of_a_pool():
    assert offered("route --exclude") == ["nova", "wren"], "of the default router, joined with a cascade"
    assert offered("route --router data/routers/arms-base --exclude") == ["wren"]
    assert offered("route --router data/routers/independent --exclude") == ["nova", "wren"]
    assert offered("route --router data/routers/phi --exclude") == ["sky lark", "wren"]
    assert offered("route --router data/routers/phi --exclude wren --exclude") == ["sky lark"]
    assert offered("route --exclude", "n") == ["nova"]
    for name in ("broken", "none", "nowhere"):
        assert offered(f"route --router data/routers/{name} --exclude") == []
    description = Path("data/routers/broken/router.json")
    description.write_text("[" * 200_000)
    assert offered("route --router data/routers/broken --exclude") == []
    description.unlink()
    os.mkfifo(description)
    assert offered("route --router data/routers/broken --exclude") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script(shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_ARMS_COMPLETE={shell}_complete" in result.stdout
    if program := shutil.which(shell):
        check = [program, "--no-execute"] if shell == "fish" else [program, "-n"]
        assert subprocess.run(check, input=result.stdout, text=True, capture_output=True).stderr == ""


def test_another_shell():
    result = run("completion", "tcsh")
    assert result.exit_code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in result.stderr


def asked(shell, words, number):
    """What `arms` answers a shell that asks as its script does."""
    variables = {"_ARMS_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": number}
    done = subprocess.run([ARMS], env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_the_protocol_of_the_shells():
    assert asked("bash", "arms route --router data/routers/i", "3") == "plain,data/routers/independent\n"
    assert asked("zsh", "arms route --exclude ", "3") == "plain\nnova\n_\nplain\nwren\n_\n"
    assert asked("fish", "arms validate ", "") == "plain,data/raw/seen\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes():
    """The script as bash runs it, on a line that ends in the middle of a word."""
    lines = [
        f'PATH="{Path(ARMS).parent}:$PATH"',
        run("completion", "bash").stdout,
        "COMP_WORDS=(arms extend --router data/ro); COMP_CWORD=3",
        "compopt() { :; }",
        "_arms_completion arms; printf '%s\\n' \"${COMPREPLY[@]}\"",
    ]
    done = subprocess.run(["bash", "--norc", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.stdout.split() == ROUTERS, done.stderr
