"""How VLMs are spelled: which names are of one VLM, or may be, and the name inside a path of a local copy."""

import re
from collections.abc import Mapping, Sequence

_DATE = re.compile(r"-20\d\d(?:-?\d\d){2}$")  # as of gpt-4o-2024-08-06 and claude-3-5-sonnet-20241022
_BETWEEN = re.compile(r"(?<!\d)-|-(?!\d)")  # a separator that is not between two digits
_CACHED = re.compile(r"(?:^|[/\\])models--([^/\\]+)(?:[/\\]|$)")  # a folder of Hugging Face's cache
_SNAPSHOT = re.compile(r"(?:^|[/\\])snapshots[/\\][0-9a-f]{7,64}$")


def alike_key(name: str) -> str:
    """A name without its organisation, with one spelling of case and separators."""
    return re.sub(r"[\s_:.@-]+", "-", name.rpartition("/")[2].casefold()).strip("-")


def undated_key(name: str) -> str:
    """The same without a date at its end, which names a version of the VLM."""
    return _DATE.sub("", alike_key(name))


def near_key(name: str) -> str:
    """A key that names share which may be of one VLM: without a date, and GPT4o as gpt-4o.

    A separator between digits stays: Qwen2-57B and Qwen2.5-7B are two.
    """
    return _BETWEEN.sub("", undated_key(name))


def short_name(recorded: str) -> str | None:
    """A VLM's name from what was recorded of it, often the path of a local copy.

    Returns
    -------
    str or None
        ORGANISATION/NAME where a path shows it: of Hugging Face's cache the folder models--ORGANISATION--NAME, of
        another path the last two parts. None if there is none, as in snapshots/HASH with nothing before it.
    """
    text = recorded.strip().strip("'\"")
    cached = _CACHED.search(text)
    if cached:
        name = "/".join(filter(None, cached[1].split("--", maxsplit=1)))
    elif _SNAPSHOT.search(text):
        return None
    else:
        parts = [part for part in re.split(r"[/\\]+", text) if part not in ("", ".", "..", "~")]
        name = "/".join(parts[-2:]).strip()
    return name if name and name.isprintable() else None


def cached_name(name: str) -> str:
    """A name as it is, but of a path into Hugging Face's cache ORGANISATION/NAME."""
    return (short_name(name) or name) if _CACHED.search(name) else name


def near_names(names: Sequence[str], outcomes: Mapping[str, int], known: Sequence[str]) -> list[tuple[str, str]]:
    """Names that may be other spellings of a VLM.

    Parameters
    ----------
    names : sequence of str
    outcomes : mapping of str to int
        How many outcomes each has.
    known : sequence of str
        The names of profiles.

    Returns
    -------
    list of (str, str)
        Each such name, and the one to call it: that of a profile, or else the one with the most outcomes.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(near_key(name), []).append(name)
    profiles: dict[str, str] = {}
    for name in known:
        profiles.setdefault(near_key(name), name)
    pairs = []
    for key, group in groups.items():
        best = profiles.get(key) or max(group, key=lambda name: (outcomes.get(name, 0), -len(name)))
        for name in group:
            finds_it = len(group) == 1 and undated_key(name) == alike_key(best)  # the profile, without a renaming
            if name != best and not finds_it:
                pairs.append((name, best))
    return pairs
