"""The profiles at hand, data/vlms.yaml, and which of them belong to the VLMs that a log names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from arms.catalogue.spellings import alike_key, undated_key
from arms.data.profiles import Access, VlmProfile
from arms.errors import ArmsError

if TYPE_CHECKING:
    import pandas as pd

CATALOGUE = Path("data/vlms.yaml")

_SHOWN = 20  # names in a message


def rename_vlms(
    names: Sequence[str], outcomes: "pd.DataFrame", rename: Mapping[str, str]
) -> tuple[tuple[str, ...], "pd.DataFrame"]:
    """Call VLMs by other names than the log does.

    Parameters
    ----------
    names : sequence of str
        What the log calls them.
    outcomes : DataFrame
        With a column `vlm`.
    rename : mapping of str to str
        Two may become one: their outcomes are then those of one VLM.

    Raises
    ------
    ArmsError
        If the log has no VLM of a name that is to be another.
    """
    unknown = [name for name in rename if name not in names]
    if unknown:
        raise ArmsError(f"rename: the log has no VLM {', '.join(map(repr, unknown))}; it has {_list(names) or 'none'}")
    if not rename:
        return tuple(names), outcomes
    new = {name: rename.get(name, name) for name in names}
    renamed = outcomes["vlm"].map(lambda name: new.get(name, name))
    return tuple(dict.fromkeys(new.values())), outcomes.assign(vlm=renamed)


def match_profiles(
    names: Sequence[str],
    catalogue: Sequence[VlmProfile],
    access: Access | None,
    access_of: Mapping[str, Access] | None = None,
) -> tuple[tuple[VlmProfile, ...], tuple[str, ...]]:
    """A profile for each VLM, under the name that the log gives it; see `profile_finder` for which one fits.

    Parameters
    ----------
    names : sequence of S str
    catalogue : sequence of VlmProfile
    access : 'free', 'paid' or None
        Of the VLMs that no profile fits.
    access_of : mapping of str to 'free' or 'paid', optional
        By VLM, where it is not that of the others.

    Returns
    -------
    profiles : tuple of S VlmProfile
    bare : tuple of str
        The names of those with nothing known but `access`.

    Raises
    ------
    ArmsError
        If no profile fits a VLM and nothing says its access, or `access_of` names a VLM that is not there or whose
        profile says otherwise.
    """
    find, access_of = profile_finder(catalogue), access_of or {}
    found = {name: find(name) for name in names}
    _check_access(access_of, found)
    bare = tuple(name for name, profile in found.items() if profile is None)
    unsaid = [name for name in bare if access is None and name not in access_of]
    if unsaid:
        raise ArmsError(_missing_text(unsaid, [profile.name for profile in catalogue]))
    profiles = []
    for name, profile in found.items():
        try:
            profiles.append(
                VlmProfile(name=name, access=access_of.get(name, access))  # type: ignore[arg-type]
                if profile is None
                else replace(profile, name=name)
            )
        except ArmsError as error:
            raise ArmsError(f"VLM {name!r} of the log: {error}; give it another name with --rename") from error
    return tuple(profiles), bare


def profile_finder(catalogue: Sequence[VlmProfile]) -> Callable[[str], VlmProfile | None]:
    """A function that gives the profile that fits a VLM's name, or None.

    A profile fits if it has that very name, or one that differs only in case, in what separates its words or in the
    organisation before a slash; else the one of the name without the date at its end. Of several that fit the first is
    taken.
    """
    exact = {profile.name: profile for profile in reversed(catalogue)}
    alike = {alike_key(profile.name): profile for profile in reversed(catalogue)}
    return lambda name: exact.get(name) or alike.get(alike_key(name)) or alike.get(undated_key(name))


def _check_access(access_of: Mapping[str, Access], found: Mapping[str, VlmProfile | None]) -> None:
    """Raise an ArmsError if the access of a VLM is said that is not there, or otherwise than in its profile."""
    for name, access in access_of.items():
        if name not in found:
            there = _list([*found]) or "none"
            raise ArmsError(f"--access {name}={access}: the log has no VLM {name!r}; it has {there}")
        profile = found[name]
        if profile is not None and profile.access != access:
            raise ArmsError(
                f"--access {name}={access}: expected {profile.access}, as its profile {profile.name} says; change the "
                "profile, or name another file of profiles: --vlms"
            )


def _missing_text(names: Sequence[str], known: Sequence[str]) -> str:
    """What to do about VLMs without a profile."""
    keys = {alike_key(name): name for name in known}
    lines = [f"the log has VLMs without a profile: {_list(names)}"]
    for name in names[:_SHOWN]:
        close = get_close_matches(alike_key(name), list(keys), n=1, cutoff=0.5)
        if close:
            lines.append(f"if {name} is {keys[close[0]]}: --rename {name}={keys[close[0]]}")
    lines.append(
        "say what is known of them in data/vlms.yaml (arms vlms add NAME --access free) or another file (--vlms), or "
        "that they are free or paid, and no more: --access free, or for one of them --access NAME=paid"
    )
    return "\n".join(lines)


def _list(names: Sequence[str]) -> str:
    """Names on one line, not all of very many."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest:,} more" if rest > 0 else "")
