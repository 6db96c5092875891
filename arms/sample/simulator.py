"""What a simulated VLM does with a query: whether it is right, what it says, what that costs and how long it takes."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from arms.sample.answers import say_right, say_wrong
from arms.sample.conditions import Conditions
from arms.sample.fleet import SimulatedVlm
from arms.sample.forms import Form
from arms.sample.lexicon import FAMILIES
from arms.sample.scene import Fact

_PATCH_PX = 14  # an image costs a token per patch of this side
_TOKEN_BYTES = 4  # of text in UTF-8


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedQuery:
    """A query as the simulator sees it, with facts that a router must find out for itself."""

    fact: Fact
    language: str | None  # None: nothing is asked in words
    question: str
    benchmark: str
    form: Form | None
    pictures: tuple[Conditions, ...]

    @property
    def answer_language(self) -> str:
        """That of the question; English where there is none."""
        return self.language or "en"

    def traits(self) -> list[tuple[str, ...]]:
        """All that `skills` knows about: for each picture, or once if there is none."""
        words = () if self.language is None else (self.language, FAMILIES[self.language])
        common = (self.benchmark, self.fact.task, *words, *((self.form,) if self.form else ()))
        return [(*common, *picture.traits()) for picture in self.pictures] or [common]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a VLM did on a query; cost and latency are None where not recorded."""

    correct: bool
    output: str
    cost_usd: float | None
    latency_s: float | None
    timed_out: bool  # the call failed by chance, so its outcome is unknown


def chance(vlm: SimulatedVlm, traits: Sequence[Collection[str]]) -> float:
    """The true probability that the VLM answers a query correctly: of its log-odds on the pictures, the mean counts."""
    return 1 / (1 + math.exp(-sum(map(vlm.skills.logit, traits)) / len(traits)))


def answer(
    vlm: SimulatedVlm, query: SimulatedQuery, probability: float, *, missing_share: float, rng: np.random.Generator
) -> Outcome:
    """Let the VLM answer once.

    Parameters
    ----------
    vlm : SimulatedVlm
    query : SimulatedQuery
    probability : float
        Of being right, see `chance`.
    missing_share : float
        Probability that a paid VLM's call times out, whatever the query.
    rng : numpy.random.Generator
    """
    # Drawn first and always, so that another missing_share leaves every other draw as it was.
    luck, timeout, pace = rng.random(), rng.random(), rng.standard_normal()
    correct = bool(luck < probability)
    if correct:
        output = say_right(query.fact, query.answer_language, vlm.manner)
    else:
        output = say_wrong(query.fact, query.answer_language, vlm.manner, vlm.faults, rng)
    return Outcome(
        correct=correct,
        output=output,
        cost_usd=_cost_usd(vlm, query, output),
        latency_s=None if vlm.latency is None else vlm.latency[0] * math.exp(vlm.latency[1] * pace),
        timed_out=vlm.profile.access == "paid" and bool(timeout < missing_share),
    )


def _cost_usd(vlm: SimulatedVlm, query: SimulatedQuery, output: str) -> float | None:
    """The price of the pictures, the question and the output; None for a VLM without prices."""
    price_in, price_out = vlm.profile.price_in, vlm.profile.price_out
    if price_in is None or price_out is None:
        return None
    image_tokens = sum(math.prod(math.ceil(side / _PATCH_PX) for side in of.size) for of in query.pictures)
    return ((image_tokens + _text_tokens(query.question)) * price_in + _text_tokens(output) * price_out) / 1e6


def _text_tokens(text: str) -> int:
    return math.ceil(len(text.encode()) / _TOKEN_BYTES)
