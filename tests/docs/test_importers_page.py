"""docs/importers.md tells of every importer and of all its flags."""

import re
from dataclasses import fields

import pytest

from arms.importers.registry import IMPORTERS, find_importer
from tests.pipeline import ROOT

PAGE = (ROOT / "docs/importers.md").read_text(encoding="utf-8")
COMMON = "What holds for all"


def section(name):
    (found,) = [part for part in PAGE.split("\n## ") if part.partition("\n")[0] == name]
    return found


@pytest.mark.parametrize("name", IMPORTERS)
def test_every_flag_is_there(name):
    flags = {f"--{field.name.replace('_', '-')}" for field in fields(find_importer(name))}
    told = set(re.findall(r"--[a-z][a-z-]+", section(name)))
    assert flags <= told
    assert f"`{name}`](#{name})" in PAGE, "the table at the top"


def test_the_flags_of_all_formats_are_there():
    from arms.cli.import_ import import_

    context = import_.make_context("import", ["csv", "x"], help_option_names=["-h", "--help"])  # click keeps them
    command = import_.get_command(context, "csv")
    own = {field.name for field in fields(find_importer("csv"))}
    common = {option.opts[0] for option in command.params if option.name not in own | {"sources", "help"}}
    told = set(re.findall(r"--[a-z][a-z-]+", PAGE.partition("\n## helm")[0]))
    assert common <= told
