"""VLM profiles: the facts in vlms.yaml, and the sentence a router reads about each VLM."""

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

from ruamel.yaml import YAML

from arms.data.atomic import atomic_file
from arms.errors import ArmsError

Access = Literal["free", "paid"]
ProfileKind = Literal["full", "name"]

# Columns of a score table, in which each VLM is a column by its name.
QUERY_ID = "query_id"
ASKED = "asked: "  # begins the names of columns

CAPABILITIES = ("max_images", "context_tokens", "tools")  # unknown ones are no obstacle
_TEXTS = ("provider", "architecture", "language_model", "vision_model", "released")


@dataclass(frozen=True, kw_only=True, slots=True)
class VlmProfile:
    """The known facts about one VLM; None is undisclosed.

    Raises
    ------
    ArmsError
        If a fact has a wrong type or is out of range. Whole numbers become floats, texts one line.
    """

    name: str  # unique in a dataset; outcomes name the VLM by it
    provider: str | None = None
    params_b: float | None = None  # parameters in billions; > 0
    architecture: str | None = None
    language_model: str | None = None
    vision_model: str | None = None
    access: Access
    price_in: float | None = None  # USD per million prompt tokens; >= 0
    price_out: float | None = None  # USD per million output tokens; >= 0
    released: str | None = None  # a date as text: 2024, 2024-05 or 2024-05-13
    max_images: int | None = None  # in one query; >= 0
    context_tokens: int | None = None  # of prompt and answer together; > 0
    tools: bool | None = None  # whether it calls tools

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ArmsError(f"name: expected text, got {self.name!r}{_quote_hint(self.name)}")
        if not self.name.isprintable():  # outcomes name the VLM by it, so it is kept to the letter
            raise ArmsError(f"name: expected printable characters on one line, got {self.name!r}")
        if self.name == QUERY_ID or self.name.startswith(ASKED):  # or its scores could not be written, after training
            raise ArmsError(f"name: expected a name that score tables do not use themselves, got {self.name!r}")
        for key in _TEXTS:
            value = getattr(self, key)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise ArmsError(f"{key}: expected text, or null where undisclosed, got {value!r}{_quote_hint(value)}")
            if value is not None:
                object.__setattr__(self, key, _one_line(value))
        if self.access not in get_args(Access):
            raise ArmsError(f"access: expected one of {', '.join(get_args(Access))}, got {self.access!r}")
        for key, expected in (
            ("params_b", "a number > 0 (billions of parameters)"),
            ("price_in", "a number >= 0 (USD per million tokens)"),
            ("price_out", "a number >= 0 (USD per million tokens)"),
        ):
            value = getattr(self, key)
            if value is not None:
                if not _is_amount(value) or (key == "params_b" and value == 0):
                    raise ArmsError(f"{key}: expected {expected}, or null where undisclosed, got {value!r}")
                object.__setattr__(self, key, float(value))
        for key, least in (("max_images", 0), ("context_tokens", 1)):
            value = getattr(self, key)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise ArmsError(f"{key}: expected an integer >= {least}, or null where unknown, got {value!r}")
        if not (self.tools is None or isinstance(self.tools, bool)):
            raise ArmsError(f"tools: expected true or false, or null where unknown, got {self.tools!r}")


def read_vlms(path: str | Path) -> tuple[VlmProfile, ...]:
    """Read the profiles of vlms.yaml, a YAML 1.2 list of mappings, in the order of the file.

    A key left out is a fact undisclosed; name and access are needed. Extra keys are errors, as they would be typos.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    tuple of VlmProfile

    Raises
    ------
    ArmsError
        If the file is missing or is not such a list, or an entry breaks the rules; names the file, entry and key.
    """
    path = Path(path)
    if not path.is_file():  # a pipe would be waited for
        came = "something else" if os.path.lexists(path) else "no such file"
        raise ArmsError(f"{path}: expected the VLM profiles, got {came}")
    try:
        entries = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except Exception as error:  # a broken file makes the parser raise errors of many types; each says what is wrong
        raise ArmsError(f"{path}: expected a YAML list of VLM profiles, could not read it: {error}") from error
    if not isinstance(entries, list) or not entries:
        came = "an empty file or list" if not entries else f"a {type(entries).__name__}"
        raise ArmsError(f"{path}: expected a list of VLM profiles, each starting with '- name:', got {came}")
    vlms = tuple(parse_entry(entry, f"{path}, entry {number}") for number, entry in enumerate(entries, start=1))
    check_distinct_names(vlms, path)
    return vlms


def write_vlms(vlms: Iterable[VlmProfile], path: str | Path) -> None:
    """Write profiles as vlms.yaml; the same profiles give the same bytes.

    Every fact is named (null where undisclosed), and of the capabilities those that are known.

    Parameters
    ----------
    vlms : iterable of VlmProfile
    path : str or Path
        Replaced if there.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 2**16  # one line per fact
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        yaml.dump([written_facts(vlm) for vlm in vlms], stream)


def written_facts(vlm: VlmProfile) -> dict[str, Any]:
    """The facts that a file names: all, null where undisclosed, but of the capabilities those that are known."""
    facts = asdict(vlm)
    return {key: value for key, value in facts.items() if value is not None or key not in CAPABILITIES}


def check_distinct_names(vlms: Sequence[VlmProfile], where: str | Path) -> None:
    """Raise an ArmsError, opening with `where`, if two profiles share a name."""
    repeated = [name for name, count in Counter(vlm.name for vlm in vlms).items() if count > 1]
    if repeated:
        raise ArmsError(f"{where}: expected one entry per VLM name, got several for {', '.join(map(repr, repeated))}")


def profile_sentence(vlm: VlmProfile, kind: ProfileKind) -> str:
    """The sentence M_j that a router encodes for VLM j; it depends only on the profile.

    Parameters
    ----------
    vlm : VlmProfile
    kind : 'full' or 'name'
        'full' has the name, provider, parameter count, architecture, language and vision model and access, and leaves
        out what is undisclosed; 'name' is only the name.

    Returns
    -------
    str
        On one line.

    Raises
    ------
    ArmsError
        If `kind` is neither.
    """
    if kind not in get_args(ProfileKind):
        raise ArmsError(f"profile: expected one of {', '.join(get_args(ProfileKind))}, got {kind!r}")
    if kind == "name":
        return _one_line(vlm.name)
    maker = f" by {vlm.provider}" if vlm.provider else ""
    size = f" with {vlm.params_b:g} billion parameters" if vlm.params_b is not None else ""
    facts = (
        ("architecture", vlm.architecture),
        ("language model", vlm.language_model),
        ("vision model", vlm.vision_model),
    )
    known = [f"{label}: {value}" for label, value in (*facts, ("access", vlm.access)) if value is not None]
    return _one_line(f"{vlm.name} is a vision-language model{maker}{size}; {'; '.join(known)}.")


def parse_entry(entry: Any, where: str) -> VlmProfile:
    """One mapping of vlms.yaml as a profile; `where` is the file and the entry's number."""
    if not isinstance(entry, dict):
        raise ArmsError(f"{where}: expected a mapping with a name and facts, got {entry!r}")
    if "name" in entry:
        where = f"{where} ({entry['name']})"
    known = [field.name for field in fields(VlmProfile)]
    for key in entry:
        if key not in known:
            raise ArmsError(f"{where}: unknown key {key!r}; known: {', '.join(known)}")
    for key in ("name", "access"):
        if key not in entry:
            raise ArmsError(f"{where}: key {key!r} is missing; known: {', '.join(known)}")
    facts = dict(entry)
    if type(facts.get("released")) is date:  # YAML reads a full date as a date, 2024-05 as text
        facts["released"] = facts["released"].isoformat()
    try:
        return VlmProfile(**facts)
    except ArmsError as error:
        raise ArmsError(f"{where}: {error}") from error


def _is_amount(value: Any) -> bool:
    """Whether a value is a finite number >= 0; a bool is not a number here."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _quote_hint(value: Any) -> str:
    """What to do about a value that YAML did not read as text."""
    return "" if value is None or isinstance(value, str) else "; put it in quotes"


def _one_line(text: str) -> str:
    """Text with every run of white space made one space."""
    return " ".join(text.split())
