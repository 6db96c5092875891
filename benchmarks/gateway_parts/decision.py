"""A decision of the gateway, against its own limit: decoding its picture and both forward passes, each alone."""

from pathlib import Path
from typing import Any

import httpx
import torch

from arms.cli.completers import STARTER
from arms.routers.router import Router
from benchmarks.gateway_parts.load import Questions, Scale
from benchmarks.gateway_parts.servers import Target
from benchmarks.record import Line
from benchmarks.routing_parts.one import milliseconds, parts_alone
from benchmarks.timing import interleave

PART = "decision"
_WARM_UP = 5


def measure_decision(target: Target, scale: Scale, folder: Path) -> list[dict[str, Any]]:
    """Milliseconds, in turn: the parts in this process, and what the gateway says that its decision took."""
    device, questions, path = torch.device("cpu"), Questions(), folder / "small.png"
    path.write_bytes(questions.picture())
    parts = parts_alone(Router.load(STARTER, device="cpu"), device, path)

    def decide() -> float:
        body = {"model": target.model, "messages": questions.new_picture()}
        return float(client.post(target.url, json=body).headers["x-arms-decision-ms"])

    timers = [lambda work=work: milliseconds(work, device) for work in parts.values()]
    with httpx.Client(timeout=60, trust_env=False) as client:
        interleave(_WARM_UP, *timers, decide)
        *alone, decisions = interleave(scale.decisions, *timers, decide)

    def line(name: str, runs: tuple[float, ...]) -> Line:
        return Line(part=PART, name=name, unit="ms", runs=runs)

    limit = line("decoding and both forward passes, alone", tuple(map(sum, zip(*alone, strict=True))))
    return [limit.to_json(), line("a decision of the gateway", decisions).over(limit, at_most=1.5).to_json()]
