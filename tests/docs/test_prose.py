"""What the prose names is there: the pages that it links to, the commands and settings between its lines."""

import re
import shlex

import click
import pytest

from arms.cli import main
from arms.params.tree import read_params
from tests.docs.markdown import PAGES
from tests.pipeline import ROOT

_BLOCK = re.compile(r"^```.*?^```$", flags=re.DOTALL | re.MULTILINE)


def prose(page):
    return _BLOCK.sub("", (ROOT / page).read_text(encoding="utf-8"))


def anchors(page):
    """What GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_prose_exist(page):
    for text in re.findall(r"`(arms [^`]+|dvc exp run [^`]+)`", prose(page)):
        command, *words = shlex.split(text)
        if command == "arms":
            check_command(words, text)
        settings = read_params(ROOT).model_dump()
        for name in re.findall(r"-S ([\w.-]+)=", text):
            value = settings
            for key in name.split("."):
                assert key in value, f"{text}: no setting {name}"
                value = value[key]


def check_command(words, text):
    """Whether the subcommands and the flags of a command line are known; other words may stand for something."""
    command = main
    while isinstance(command, click.Group) and words and words[0].islower():
        name, *words = words
        with click.Context(command) as context:
            command = command.get_command(context, name)
        assert command is not None, f"{text}: no command {name}"
    flags = {flag for option in command.params for flag in option.opts} | {"--help"}
    if not isinstance(command, click.Group):
        assert {word for word in words if word.startswith("--")} <= flags, text


def test_the_numbers_of_the_readme_are_those_of_the_results():
    """They are means over the seeds, which the pages of the datasets have."""
    numbers = re.findall(r"(\d\.\d{3})(?:\*\*)? \((\d\.\d{3} to \d\.\d{3})\)", prose("README.md"))
    assert len(numbers) >= 9
    pages = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "docs/results").glob("*.md"))
    assert [number for number in numbers if f"| {' | '.join(number)} |" not in pages] == []
