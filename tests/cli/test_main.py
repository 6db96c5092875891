"""What holds for every command: help with examples that work, exit statuses, nothing heavy before a command runs."""

import errno
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points

import click
import pytest

from arms import __version__
from arms.cli import main
from tests.cli.helpers import check_failed, run


def paths(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command below a group by the words that lead to it; the importers are not loaded for it."""
    found = []
    for name in group.list_commands(click.Context(group)):
        found.append((*path, name))
        if name != "import" and isinstance(command := group.get_command(click.Context(group), name), click.Group):
            found += paths(command, (*path, name))
    return found


def importers() -> list[tuple[str, ...]]:
    """The importers' commands."""
    group = main.commands["import"]
    return [("import", name) for name in group.list_commands(click.Context(group))]


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        command = command.get_command(click.Context(command), name)
    return command


def examples(path: tuple[str, ...]) -> list[list[str]]:
    """The command lines that a command's help shows, up to where the shell takes over."""
    lines = [line.strip() for line in run(*path, "--help").stdout.splitlines() if line.startswith("    arms ")]
    return [shlex.split(re.split(r" > | && | \| ", line)[0]) for line in lines]


EVERY_PATH = [(), *paths(main), *importers()]


@pytest.mark.parametrize("path", EVERY_PATH, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(path, option):
    result = run(*path, option)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: {' '.join(('arms', *path))} [OPTIONS]")


@pytest.mark.parametrize("path", EVERY_PATH, ids=" ".join)
def test_every_help_shows_an_example_that_can_be_parsed(path):
    shown = examples(path)
    assert shown
    for _, *words in shown:
        assert tuple(words[: len(path)]) == path
        command: click.Command = main
        while isinstance(command, click.Group):
            command, words = command.get_command(click.Context(command), words[0]), words[1:]
        if "--help" not in words:
            command.make_context(command.name, words)


@pytest.mark.parametrize("path", EVERY_PATH, ids=" ".join)
def test_flags_mean_the_same_everywhere(path):
    options = {option.opts[0]: option for option in command_at(path).params if isinstance(option, click.Option)}
    assert all(option.help for option in options.values())
    for flag, name in {"--json": "as_json", "--strict": "strict", "--replace": "replace"}.items():
        if flag in options:
            assert (options[flag].name, options[flag].is_flag) == (name, True)
    if path and path[-1] not in ("add", "completion") and not isinstance(command_at(path), click.Group):
        assert "--json" in options


def test_version():
    assert run("--version").stdout == f"arms, version {__version__}\n"


def test_the_entry_point_is_this_group():
    (script,) = entry_points(group="console_scripts", name="arms")
    assert script.load() is main


def test_help_does_not_wait_for_torch():
    heavy = ("torch", "pandas", "zarr", "numpy", "transformers", "pydantic")
    code = f"""
import sys
from arms.cli import main
try:
    main(["--help"])
except SystemExit as end:
    print(end.code, [name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


@pytest.mark.parametrize("arguments", [["unknown"], ["route"], ["features", "unknown"], ["validate", "--unknown", "x"]])
def test_a_command_line_that_cannot_be_understood(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "folder/queries.parquet").mkdir(parents=True)
    (tmp_path / "folder/vlms.yaml").mkdir()
    check_failed(run("vlms", "list", tmp_path / "folder"), "vlms.yaml")


def test_what_the_system_refuses(monkeypatch, tmp_path):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("arms.data.profiles.read_vlms", refuse)
    check_failed(run("vlms", "list", tmp_path / "x.yaml"), f"Error: {tmp_path}/x.yaml: Permission denied")


def test_a_fault_of_ours_is_not_hidden(monkeypatch, tmp_path):
    def fail(path):
        raise OSError("no file is named")

    monkeypatch.setattr("arms.data.profiles.read_vlms", fail)
    assert isinstance(run("vlms", "list", tmp_path).exception, OSError)


def test_waiting_threads_sleep_as_in_the_stages():
    code = "import os, sys, arms.cli; assert 'torch' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'])"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    for given, expected in ({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"):
        found = subprocess.check_output([sys.executable, "-c", code], env=environment | given, text=True)
        assert found.strip() == expected
