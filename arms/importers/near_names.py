"""Says which VLMs of a log may be one under several spellings, with the flag that joins them."""

import shlex
from collections.abc import Sequence

import pandas as pd

from arms.catalogue.match import profile_finder
from arms.catalogue.spellings import alike_key, near_names
from arms.data.profiles import VlmProfile
from arms.importers.set_aside import SetAside


def note_near_names(
    names: Sequence[str], outcomes: pd.DataFrame, catalogue: Sequence[VlmProfile], aside: SetAside
) -> None:
    """Note names that are nearly those of another VLM or profile, and profiles taken although a date differs.

    Parameters
    ----------
    names : sequence of str
    outcomes : DataFrame
        With a column `vlm`.
    catalogue : sequence of VlmProfile
    aside : SetAside
    """
    counts = {str(name): int(count) for name, count in outcomes["vlm"].value_counts().items()}
    for name, other in near_names(names, counts, [profile.name for profile in catalogue]):
        aside.note(
            "VLM whose name is nearly another's",
            name,
            "nothing if they are two; if they are one, import again with the --rename beside it",
            detail=f"--rename {shlex.quote(f'{name}={other}')}",
        )
    find = profile_finder(catalogue)
    for name in names:
        profile = find(name)
        if profile is not None and alike_key(profile.name) != alike_key(name):
            advice = "nothing if it says what is true of this version; else give it a profile of its own: arms vlms add"
            aside.note("VLM with the profile of its name without the date", name, advice, detail=profile.name)
