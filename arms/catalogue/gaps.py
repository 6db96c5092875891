"""What profiles leave unsaid, and what cannot be done for it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from arms.catalogue.match import profile_finder
from arms.catalogue.spellings import alike_key
from arms.data.profiles import VlmProfile, read_vlms
from arms.data.tables import OUTCOMES, VLMS_FILE
from arms.errors import ArmsError

GapKind = Literal["facts missing", "facts known elsewhere", "names alike", "no outcomes", "no profile"]

_SENTENCE_FACTS = ("provider", "architecture", "language_model", "vision_model")
_PRICES = ("price_in", "price_out")
_NO_COST = (
    "its costs cannot be estimated: where none are recorded, --budget, --cheapest-above, --cost-penalty and the cost "
    "metrics have to do without it"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Something that is not said, of one VLM or of several whose names are alike, and what it is missing for."""

    kind: GapKind
    vlms: tuple[str, ...]
    effect: str
    facts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The gap as JSON-able data."""
        return asdict(self)

    def text(self) -> str:
        """The gap on one line."""
        missing = f"{', '.join(self.facts)} missing: " if self.kind == "facts missing" else ""
        return f"{', '.join(self.vlms)}: {missing}{self.effect}"


def check_profiles(profiles: Sequence[VlmProfile], catalogue: Sequence[VlmProfile] = ()) -> tuple[Gap, ...]:
    """What is missing in profiles, VLM by VLM, and for what.

    Parameters
    ----------
    profiles : sequence of VlmProfile
    catalogue : sequence of VlmProfile
        Others that may know what these leave out.
    """
    gaps = [gap for profile in profiles for gap in _missing_facts(profile)]
    find = profile_finder(catalogue)
    for profile in profiles:
        other = find(profile.name)
        known = {} if other is None else _facts_to_take(profile, other)
        if known:
            facts = "; ".join(f"{fact}: {value}" for fact, value in known.items())
            effect = f"the catalogue knows more of it, which can be copied here: {facts}"
            gaps.append(Gap(kind="facts known elsewhere", vlms=(profile.name,), effect=effect, facts=tuple(known)))
    alike = defaultdict(list)
    for profile in profiles:
        alike[alike_key(profile.name)].append(profile.name)
    effect = "names that differ only in case and separators: a log's VLM may be taken for either; remove one"
    gaps += [Gap(kind="names alike", vlms=tuple(names), effect=effect) for names in alike.values() if len(names) > 1]
    return tuple(gaps)


def check_dataset_profiles(folder: Path, catalogue: Sequence[VlmProfile] = ()) -> tuple[Gap, ...]:
    """The same for the profiles of a dataset folder, and where its profiles and outcomes do not go together.

    Raises
    ------
    ArmsError
        If its vlms.yaml or outcomes.parquet cannot be read.
    """
    profiles = read_vlms(folder / VLMS_FILE)
    recorded = _recorded_vlms(folder / OUTCOMES.file)
    names = [profile.name for profile in profiles]
    silent = [name for name in names if name not in recorded]
    unknown = [name for name in recorded if name not in names]
    return (
        *check_profiles(profiles, catalogue),
        *(
            Gap(kind="no outcomes", vlms=(name,), effect="has no outcomes here: it can be chosen only from its profile")
            for name in silent
        ),
        *(
            Gap(
                kind="no profile",
                vlms=(name,),
                effect=f"has outcomes but no profile in {VLMS_FILE}: they are set aside",
            )
            for name in unknown
        ),
    )


def _missing_facts(profile: VlmProfile) -> list[Gap]:
    """The facts that a profile lacks, put together by what they are missing for."""
    lacks = [fact for fact in _PRICES if getattr(profile, fact) is None]
    found: list[tuple[list[str], str]] = []
    if profile.access == "paid" and lacks:
        found.append((lacks, _NO_COST))
    if profile.access == "free" and len(lacks) == 1:
        found.append(
            (
                lacks,
                "one price without the other is not used: its own compute is charged, as that of a VLM without prices",
            )
        )
    if profile.access == "free" and lacks and profile.params_b is None:
        effect = "its own compute is charged as that of the pool's mean size, and cannot be where no size is known"
        found.append((["params_b"], effect))
    unsaid = [fact for fact in _SENTENCE_FACTS if getattr(profile, fact) is None]
    if unsaid:
        found.append((unsaid, "the profile sentence, which the router reads, says less"))
    return [
        Gap(kind="facts missing", vlms=(profile.name,), effect=effect, facts=tuple(facts)) for facts, effect in found
    ]


def _facts_to_take(profile: VlmProfile, other: VlmProfile) -> dict[str, Any]:
    """What another profile of the same VLM tells and this one does not."""
    own = asdict(profile)
    return {fact: value for fact, value in asdict(other).items() if value is not None and own[fact] is None}


def _recorded_vlms(path: Path) -> list[str]:
    """The names of the VLMs that have outcomes; the other columns, which may be large, are not read."""
    try:
        names = pq.ParquetFile(path, page_checksum_verification=True).read(columns=["vlm"])["vlm"].unique().to_pylist()
    except FileNotFoundError as error:
        raise ArmsError(f"{path}: expected the dataset's outcomes, got no such file") from error
    except (pa.ArrowException, KeyError, OSError, UnicodeDecodeError) as error:
        raise ArmsError(f"{path}: expected a Parquet file with a column 'vlm', could not read it: {error}") from error
    return [name for name in names if isinstance(name, str)]
