"""The commands of docs/learn-from-traffic.md, on a small log; test_gateway_pages.py follows all of them."""

import re

import pytest

pytest.importorskip("sqlalchemy")

from tests.cli.helpers import run
from tests.importers.logs.gateway import write_log
from tests.pipeline import ROOT
from tests.replay.made import write_traffic

PAGE = (ROOT / "docs/learn-from-traffic.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^arms (.*?)(?: +#.*)?$", PAGE, flags=re.MULTILINE)
SMALL = [command for command in COMMANDS if "--router" not in command and not command.startswith("extend")]


def test_there_are_commands():
    assert {command.split()[0] for command in COMMANDS} == {"evaluate-log", "extend", "forget", "import"}


@pytest.mark.parametrize("command", SMALL)
def test_they_run(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if command.startswith("import"):
        write_log(tmp_path)
    else:
        write_traffic(tmp_path / "memory.db", 400, 0.5)
    done = run(*command.split())
    assert done.exit_code == 0, done.output
    assert done.output


def test_its_tables_are_the_memorys():
    from arms.traffic.tables import METADATA

    told = set(re.findall(r"`(arms_\w+)`", PAGE))
    assert told == METADATA.tables.keys() - {"arms_memory"}
