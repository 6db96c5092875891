"""Put a profile into a file that people edit: its comments, order and layout stay."""

import re
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from arms.data.atomic import atomic_file
from arms.data.profiles import VlmProfile, read_vlms, write_vlms, written_facts
from arms.errors import ArmsError

_HEAD = re.compile(r"(?:[ \t]*(?:#.*)?\n|%.*\n)*---[ \t]*(?:#.*)?\n")  # up to the line that opens the document


class _Representer(RoundTripRepresenter):
    """Writes an undisclosed fact as null, where ruamel.yaml writes nothing."""

    def represent_none(self, data: None) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def add_profile(profile: VlmProfile, path: str | Path, *, replace: bool = False) -> bool:
    """Add a profile at the end of a file of profiles, or give an entry that is there new facts, whole or not at all.

    Parameters
    ----------
    profile : VlmProfile
    path : str or Path
        Made if it is not there.
    replace : bool
        Replace the facts of an entry of the same name.

    Returns
    -------
    bool
        Whether an entry was replaced.

    Raises
    ------
    ArmsError
        If the file is not a list of profiles, it has an entry of that name and `replace` is off, or the entry cannot be
        changed without changing others.
    """
    path = Path(path)
    if not path.exists():
        write_vlms([profile], path)
        return False
    known = read_vlms(path)
    names = [vlm.name for vlm in known]
    at = names.index(profile.name) if profile.name in names else None
    if at is not None and not replace:
        raise ArmsError(f"{path}: expected a new VLM, got {profile.name!r}, which is there; replace it with --replace")
    text = _edited(path.read_text(encoding="utf-8"), profile, at)
    expected = (*known, profile) if at is None else (*known[:at], profile, *known[at + 1 :])
    with atomic_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
        if read_vlms(draft) != expected:
            raise ArmsError(
                f"{path}: expected entries that stand for themselves, got some that share their facts by anchors; "
                f"write the facts of {profile.name!r} by hand"
            )
    return at is not None


def _edited(text: str, profile: VlmProfile, at: int | None) -> str:
    """The text of the file with the profile as a new last entry, or in the place of entry `at`."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = 2**16
    yaml.allow_unicode = True
    head = match[0] if (match := _HEAD.match(text)) else ""  # which ruamel.yaml would leave out
    entries = yaml.load(text.removeprefix(head))
    _, column = entries.lc.item(0)  # of the first entry, behind its dash
    if not entries.fa.flow_style():
        dash = len(line) - len(line.lstrip()) if (line := _first_dash(text)) else 0
        yaml.indent(mapping=2, sequence=max(column, dash + 2), offset=dash)
    if at is None:
        _append(entries, profile)
    else:
        _replace_facts(entries[at], asdict(profile))
    stream = StringIO()
    yaml.dump(entries, stream)
    return head + stream.getvalue()


def _first_dash(text: str) -> str | None:
    """The line that opens the first entry."""
    return next((line for line in text.splitlines() if line.lstrip().startswith("-")), None)


def _append(entries: CommentedSeq, profile: VlmProfile) -> None:
    """A last entry with the facts of `written_facts`."""
    entries.append(CommentedMap(written_facts(profile)))


def _replace_facts(entry: CommentedMap, facts: dict[str, Any]) -> None:
    """Give an entry's keys new values; what is unknown and was not named is not named now.

    Keys stay in their places, as comments hang on them, those before the next entry on the last one.
    """
    for key, value in facts.items():
        if key in entry:
            entry[key] = value
        elif value is not None:
            entry.insert(len(entry) - 1, key, value)
