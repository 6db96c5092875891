"""The one place that checks names that become names of files: of datasets, encoder pairs, presets and routers."""

import re
from collections.abc import Collection

# What the pipeline writes under these names, in metrics/, data/scores/ or data/routers/, is its own.
PIPELINE_ROUTERS = frozenset(
    "arms arms-base baselines best-possible incremental independent leaderboard oracle phi plain production sha256 "
    "summary vlms".split()
)
PIPELINE_DATASETS = frozenset({"sample"})  # the pipeline draws it anew whenever its settings change

_NAME = re.compile(r"[^\W_][\w.-]*")  # letters of any script
_LONGEST = 100  # bytes: file systems allow 255, of which the pipeline adds some


def name_problem(name: str, reserved: Collection[str] = ()) -> str:
    """What is wrong with a name; an empty string if it can be used.

    Parameters
    ----------
    name : str
        Letters, digits, `_`, `-` and `.`, beginning with a letter or digit: so it stays in its folder, and no command
        takes it for an option.
    reserved : collection of str
        Names that are taken, whatever their case: some file systems make no difference.
    """
    if not _NAME.fullmatch(name):
        return f"expected a name of letters, digits, '_', '-' and '.', beginning with a letter or digit, got {name!r}"
    if len(name.encode("utf-8", "replace")) > _LONGEST:
        return f"expected a name of {_LONGEST} bytes at most, got {name[:20]!r}..."
    if name.lower() in reserved:
        return f"expected another name than {name!r}, which is the pipeline's own; taken: {', '.join(sorted(reserved))}"
    return ""
