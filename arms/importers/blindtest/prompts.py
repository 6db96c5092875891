"""The questions of BlindTest, from src/prompts.md: a section for each task, and in it a numbered list of prompts."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from arms.errors import ArmsError

_HEADING = re.compile(r"#+\s*(\S.*)")
_ITEM = re.compile(r"\s*\d+[.)]\s+(\S.*)")
_BLANK = re.compile(r"\{[A-Za-z_]\w*\}")  # such as {shapes}; {3} is part of a question
_STATIONS = re.compile(r"([A-Z])_([A-Z])_")  # how the names of subway maps begin
_SURE = 5  # letters that a folder and a prompt begin with alike

Prompts = Mapping[str, Sequence[str]]  # by heading, squashed


def read_prompts(path: Path) -> dict[str, list[str]]:
    """Read the prompts of every section.

    Raises
    ------
    ArmsError
        If the file cannot be read or holds no prompt.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArmsError(f"{path}: expected the prompts as text in UTF-8, could not read it: {error}") from error
    prompts: dict[str, list[str]] = {}
    section: list[str] = []
    for line in lines:
        if heading := _HEADING.fullmatch(line.strip()):
            section = prompts.setdefault(squash(heading[1]), [])
        elif item := _ITEM.fullmatch(line.rstrip()):
            section.append(item[1].strip())
    if not any(prompts.values()):
        raise ArmsError(f"{path}: expected sections with numbered prompts, such as '# Nested Squares' and '1. ...'")
    return prompts


def prompts_of(task: str, prompts: Prompts) -> Sequence[str]:
    """The prompts of a task, whose folder is called as a heading begins; none if there is no such heading."""
    name = squash(task)
    found = [those for heading, those in prompts.items() if name and heading.startswith(name)]
    return found[0] if len(found) == 1 else ()


def choose_prompt(folders: Sequence[str], prompts: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """The prompt that one of some folders is named after, and the other folders; None if there is not just one.

    A folder is called like the beginning of a prompt ("HowMany-prompt", "CountRC-prompt"), or like a word that only it
    has ("touching-prompt").
    """
    chosen = [(index, prompt) for index, folder in enumerate(folders) if (prompt := _named_after(folder, prompts))]
    if len(chosen) != 1:
        return None
    index, prompt = chosen[0]
    return prompt, (*folders[:index], *folders[index + 1 :])


def fill_prompt(prompt: str, folders: Sequence[str], picture: str) -> str | None:
    """The question about one picture: blanks are filled by the stations in its name, or else by the folders.

    Parameters
    ----------
    prompt : str
        Its blanks are filled one after the other, whatever is in them.
    folders : sequence of str
        Those that are not named after the prompt.
    picture : str
        Its name.

    Returns
    -------
    str or None
        None if there are not as many blanks as there is to fill in.
    """
    blanks = _BLANK.findall(prompt)
    stations = _STATIONS.match(picture)
    fillings = stations.groups() if stations else tuple(folders)
    if not blanks:
        return prompt
    if len(blanks) != len(fillings):
        return None
    rest = iter(fillings)
    return _BLANK.sub(lambda _: next(rest), prompt)


def squash(text: str) -> str:
    """Only lower-case letters and digits."""
    return re.sub(r"[^a-z0-9]+", "", text.lower())


def _named_after(folder: str, prompts: Sequence[str]) -> str | None:
    """The prompt that a folder is named after, if it is just one."""
    name = squash(folder).removesuffix("prompt")
    if not name:
        return None
    alike = {prompt: _count_alike(name, squash(prompt)) for prompt in prompts}
    most = max(alike.values(), default=0)
    found = [prompt for prompt, letters in alike.items() if letters == most >= min(_SURE, len(name))]
    found = found or [prompt for prompt in alike if name in squash(prompt)]
    return found[0] if len(found) == 1 else None


def _count_alike(one: str, other: str) -> int:
    """How many letters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
