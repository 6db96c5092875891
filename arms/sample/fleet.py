"""The simulated VLMs: their profiles, and how they talk, err, and how long they take."""

from collections.abc import Mapping
from dataclasses import dataclass

from arms.data.profiles import VlmProfile
from arms.sample.answers import Fault, Manner
from arms.sample.skills import SKILLS, Skills


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedVlm:
    """One VLM of the sample's pool. All names and facts are invented."""

    profile: VlmProfile
    manner: Manner
    faults: Mapping[Fault, float]  # shares of its wrong answers; sum to 1
    latency: tuple[float, float] | None = None  # median in s, and spread of its logarithm; None: not recorded

    @property
    def skills(self) -> Skills:
        """How good it is at what."""
        return SKILLS[self.profile.name]


FLEET: tuple[SimulatedVlm, ...] = (
    SimulatedVlm(
        profile=VlmProfile(
            name="sim-wren-2b",
            provider="Hedgerow Lab",
            params_b=2.2,
            architecture="projector (two-layer MLP)",
            language_model="Thicket-1.5B",
            vision_model="Pinhole-S/14",
            access="free",
            released="2024-03",
        ),
        manner="terse",
        faults={"under": 0.5, "over": 0.1, "refuses": 0.1, "english": 0.3},
    ),
    SimulatedVlm(
        profile=VlmProfile(
            name="sim-otter-7b",
            provider="Estuary Institute",
            params_b=7.3,
            architecture="query transformer (64 queries)",
            language_model="Reed-7B",
            vision_model="Ripple-L/14",
            access="free",
            released="2024-06",
        ),
        manner="sentence",
        faults={"under": 0.2, "over": 0.7, "refuses": 0.1},
    ),
    SimulatedVlm(
        profile=VlmProfile(
            name="sim-lynx-8b",
            provider="Taiga Research",
            params_b=8.1,
            architecture="projector (tiled high resolution)",
            language_model="Larch-7B",
            vision_model="Pinhole-H/14",
            access="free",
            released="2024-09",
        ),
        manner="stopped",
        faults={"under": 0.45, "over": 0.45, "refuses": 0.1},
    ),
    SimulatedVlm(
        profile=VlmProfile(
            name="sim-heron-11b",
            provider="Estuary Institute",
            params_b=10.9,
            architecture="gated cross-attention",
            language_model="Reed-9B",
            vision_model="Ripple-H/14",
            access="free",
            released="2024-11",
        ),
        manner="bold",
        faults={"under": 0.6, "over": 0.1, "refuses": 0.3},
    ),
    SimulatedVlm(
        profile=VlmProfile(
            name="sim-atlas",
            provider="Meridian AI",
            architecture="native multimodal mixture of experts",
            language_model="Atlas core",
            vision_model="Atlas eye",
            access="paid",
            price_in=4.0,
            price_out=16.0,
            released="2025-02",
        ),
        manner="careful",
        faults={"under": 0.2, "over": 0.3, "refuses": 0.5},
        latency=(3.2, 0.35),
    ),
    SimulatedVlm(
        profile=VlmProfile(
            name="sim-borealis",
            provider="Northlight",
            architecture="early fusion",
            language_model="Aurora 3",
            vision_model="Polar-ViT",
            access="paid",
            price_in=1.5,
            price_out=6.0,
            released="2025-04",
        ),
        manner="sentence",
        faults={"under": 0.7, "over": 0.2, "refuses": 0.1},
        latency=(1.8, 0.45),
    ),
    SimulatedVlm(
        profile=VlmProfile(
            name="sim-cobalt",
            provider="Meridian AI",
            architecture="projector (distilled)",
            language_model="Atlas core mini",
            vision_model="Atlas eye mini",
            access="paid",
            price_in=0.3,
            price_out=1.2,
            released="2025-05",
        ),
        manner="terse",
        faults={"under": 0.1, "over": 0.6, "refuses": 0.1, "english": 0.2},
        latency=(0.7, 0.3),
    ),
)
