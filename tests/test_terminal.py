"""What would steer a terminal is shown, and everything else is left alone."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arms.terminal import ShownFormatter, shown
from tests.cli.helpers import run, run_json
from tests.pipeline import ROOT

RED, TITLE, CSI = "\x1b[31m", "\x1b]0;owned\x07", "\x9b2J"
EVIL = f"gpt{RED}{TITLE}{CSI}\u202e\x7f\r"
VLMS = f"- {{name: gpt, access: free, provider: {json.dumps(EVIL)}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RED, "\\u001b[31m"),
        ("a\x00\x07\x08\x9b\x7f", "a\\u0000\\u0007\\u0008\\u009b\\u007f"),
        ("a\rb", "a\\u000db"),
        ("\u202egnp.exe\u2066\u2028", "\\u202egnp.exe\\u2066\\u2028"),
        ("Gr\udcfcn", "Gr\\udcfcn"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Grün 数据 सवाल 👩‍🔬 عربي\u200f a\u0301 \xa0", "Grün 数据 सवाल 👩‍🔬 عربي\u200f a\u0301 \xa0"),
    ],
)
def test_shown(text, expected):
    assert shown(text) == expected
    assert shown(shown(text)) == shown(text)
    expected.encode()


def test_log_messages():
    record = logging.LogRecord("arms", logging.WARNING, "", 0, "VLM %s", (EVIL,), None)
    assert ShownFormatter("stage: %(message)s").format(record) == shown(f"stage: VLM {EVIL}")


def check_harmless(text: str) -> None:
    assert shown(text) == text, "nothing in it steers a terminal"


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vlms.yaml").write_text(VLMS)
    return tmp_path


@pytest.mark.parametrize("command", ["list", "list --sentences", "check"])
def test_vlms(work, command):
    result = run("vlms", *command.split(), "vlms.yaml")
    check_harmless(result.output)
    assert result.exit_code == 0
    if command != "check":
        assert "\\u001b]0;owned\\u0007" in result.output


def test_a_name_that_is_none(work):
    (work / "vlms.yaml").write_text(VLMS.replace("name: gpt", f"name: {json.dumps(EVIL)}"))
    result = run("vlms", "list", "vlms.yaml")
    check_harmless(result.output)
    assert result.exit_code == 1
    assert "expected printable characters on one line" in result.output


def test_json_reads_back_as_it_was(work):
    result = run("vlms", "list", "vlms.yaml", "--json")
    check_harmless(result.stdout)
    (profile,) = run_json("vlms", "list", "vlms.yaml")
    assert profile["provider"] == EVIL.strip()


@pytest.mark.parametrize(
    "arguments",
    [
        ("vlms", "list", f"{RED}.yaml"),  # an ArmsError
        ("validate", f"no{TITLE}"),
        ("vlms", "add", EVIL, "--access", CSI),  # click's own errors
        (f"no{RED}",),
        (f"--no{RED}",),
        ("route", f"--{CSI}"),
    ],
)
def test_errors(work, arguments):
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    check_harmless(result.output)
    assert "\\u00" in result.output or "\\x" in result.output


def test_a_stage(work):
    (work / "params.yaml").write_text(f"data: {json.dumps(EVIL)}\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", "stages.prepare"], cwd=work, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 1
    check_harmless(ended.stderr)
    (work / "params.yaml").write_text(f"{json.dumps(EVIL)}: 1\n")
    ended = subprocess.run(
        [sys.executable, "-m", "stages.prepare"], cwd=work, env=environment, capture_output=True, text=True
    )
    check_harmless(ended.stderr)
    assert "\\u001b[31m" in ended.stderr


def test_warnings(work):
    """open_clip would set up a log of its own, with names of modules and raw text."""
    code = (
        "import logging; from arms.cli import main; main(['vlms', 'list', 'vlms.yaml'], standalone_mode=False); "
        f"logging.info('as open_clip does'); logging.getLogger('arms').warning({EVIL!r})"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], cwd=work, env=environment, capture_output=True, text=True)
    assert ended.stderr == f"{shown(EVIL)}\n"


def test_commands_print_in_one_way_only():
    files = [file for file in (ROOT / "arms/cli").glob("*.py") if "click.echo(" in file.read_text()]
    assert [Path(file).name for file in files] == ["base.py"]
