"""What each gateway adds to the upstream's own time, and how many requests a second it passes on."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.gateway_parts.client import WARM_UP, Load, load
from benchmarks.gateway_parts.servers import VLMS, Target
from benchmarks.record import Line
from benchmarks.timing import interleave

AT_ONCE = (1, 8)
SIDE = 256  # pixels
_SEED = 1
Messages = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is run."""

    rounds: int
    requests: int  # of each kind, in a round
    decisions: int  # one by one


class Questions:
    """Questions that are all different, without a picture or with a small one, which may be new each time."""

    def __init__(self) -> None:
        self._number, self._rng = 0, np.random.default_rng(_SEED)
        self._same = self.picture()

    def picture(self) -> bytes:
        """A PNG file."""
        coarse = self._rng.integers(0, 256, (SIDE // 16, SIDE // 16, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
        return file.getvalue()

    def text(self) -> Messages:
        """One without a picture."""
        return [{"role": "user", "content": self._question()}]

    def new_picture(self) -> Messages:
        """One about a picture of its own."""
        return self._about(self.picture())

    def same_picture(self) -> Messages:
        """One about a picture that was asked about before."""
        return self._about(self._same)

    def _question(self) -> str:
        self._number += 1
        return f"How many red shapes are there, in case {self._number}?"

    def _about(self, picture: bytes) -> Messages:
        url = "data:image/png;base64," + base64.b64encode(picture).decode()
        parts = [{"type": "text", "text": self._question()}, {"type": "image_url", "image_url": {"url": url}}]
        return [{"role": "user", "content": parts}]


@dataclass(frozen=True)
class Kind:
    """What is asked of which targets."""

    name: str
    ask: Callable[[], Messages]
    targets: tuple[Target, ...]


def kinds_of(targets: dict[str, Target], questions: Questions) -> list[Kind]:
    """A named VLM, so that no gateway decides; then text, new pictures, and one picture again and again."""
    upstream, arms, memory = (targets[name] for name in ("upstream", "ARMS", "ARMS with a memory"))
    others = (targets["LiteLLM"],) if "LiteLLM" in targets else ()
    named = replace(arms, model=VLMS[0])
    return [
        Kind("a VLM by its name", questions.text, (upstream, named, *others)),
        Kind("text", questions.text, (upstream, arms, memory, *others)),
        Kind("a small picture", questions.new_picture, (upstream, arms, *others)),
        Kind("a repeated picture", questions.same_picture, (upstream, arms, *others)),
    ]


def measure_load(targets: dict[str, Target], scale: Scale) -> list[dict[str, Any]]:
    """The lines of all kinds, with so many requests at a time."""
    found = []
    for kind in kinds_of(targets, Questions()):
        for at_once in AT_ONCE:
            found += _measure(kind, at_once, scale)
    return found


def _measure(kind: Kind, at_once: int, scale: Scale) -> list[dict[str, Any]]:
    """The targets take turns; each is compared with the upstream in the same round."""

    def ask(target: Target) -> Callable[[], Load]:
        return lambda: load(target, [kind.ask() for _ in range(scale.requests + WARM_UP * at_once)], at_once)

    upstream, *runs = interleave(scale.rounds, *map(ask, kind.targets))
    lines = _lines(kind, at_once, kind.targets[0], upstream, None)
    for target, of_target in zip(kind.targets[1:], runs, strict=True):
        lines += _lines(kind, at_once, target, of_target, upstream)
    return lines


def _lines(
    kind: Kind, at_once: int, target: Target, runs: tuple[Load, ...], upstream: tuple[Load, ...] | None
) -> list[dict[str, Any]]:
    """Requests a second; milliseconds, or what is more than the upstream's own."""
    before: tuple[Load | None, ...] = (None,) * len(runs) if upstream is None else upstream
    about = {"kind": kind.name, "at_once": at_once, "target": target.name}

    def line(what: str, unit: str, figure: Callable[[Load], float], *, differs: bool = True) -> dict[str, Any]:
        figures = tuple(
            figure(run) - (figure(base) if base is not None and differs else 0.0)
            for run, base in zip(runs, before, strict=True)
        )
        name = f"{kind.name}, {at_once} at a time, {target.name}: {what}"
        return Line(part="load", name=name, unit=unit, runs=figures).to_json() | about | {"what": what}

    return [
        line("rate", "requests/s", lambda run: run.rate, differs=False),
        line("p50", "ms", lambda run: run.percentile(50)),
        line("p99", "ms", lambda run: run.percentile(99)),
    ]
