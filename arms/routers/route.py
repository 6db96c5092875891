"""Where a query goes: the ranking of the pool, and what is to be said of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from arms.routers.messages import Asked

if TYPE_CHECKING:
    from arms.safe.why import Why


@dataclass(frozen=True)
class RankedVlm:
    """A VLM and the router's confidence, in [0, 1], that it will answer correctly.

    If the policy weighs costs, also the VLM's expected cost in USD.
    """

    vlm: str
    confidence: float
    expected_cost_usd: float | None = None

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold, as `arms route --json` prints it: a cost only where the policy weighs costs."""
        content: dict[str, Any] = {"vlm": self.vlm, "confidence": round(self.confidence, 4)}
        if self.expected_cost_usd is not None:
            content["expected_cost_usd"] = float(f"{self.expected_cost_usd:.4g}")
        return content


@dataclass(frozen=True)
class Route:
    """Where one query goes: the policy's choice first, the rest of the pool by falling confidence.

    `why` says what stands behind it, if that was asked for; `asked` what was taken of a conversation; `unable` which
    VLMs of the pool cannot answer, and why.
    """

    ranking: tuple[RankedVlm, ...]
    why: "Why | None" = None
    asked: Asked | None = None
    unable: Mapping[str, str] = field(default_factory=dict)

    @property
    def vlm(self) -> str:
        """The chosen VLM."""
        return self.ranking[0].vlm

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold, as `arms route --json` prints it: vlm, ranking; why, asked and unable if there are."""
        content: dict[str, Any] = {"vlm": self.vlm, "ranking": [ranked.to_json() for ranked in self.ranking]}
        if self.why is not None:
            content["why"] = asdict(self.why)
        if self.asked is not None:
            content["asked"] = self.asked.to_json()
        if self.unable:
            content["unable"] = dict(self.unable)
        return content
