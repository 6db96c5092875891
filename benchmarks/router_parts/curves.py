"""The cost-quality curve of a router, whole, against a sweep that tries one penalty after the other."""

from functools import partial

import numpy as np

from arms.evaluation.cost_quality import cost_quality_curve
from benchmarks.record import Line
from benchmarks.router_parts.scoring import CPU, times_as_fast
from benchmarks.router_parts.setup import SEED, Setup
from benchmarks.timing import interleave, seconds

PART = "curves"


def measure_curves(setup: Setup) -> list[Line]:
    """The whole curve, and the time for each of its points."""
    scale, rng = setup.scale, np.random.default_rng(SEED)
    shape = scale.curve_queries, scale.vlms
    confidence, outcomes = rng.random(shape), rng.integers(0, 2, shape).astype(np.float64)
    costs = np.geomspace(1e-5, 5e-3, scale.vlms) * rng.lognormal(0, 0.3, shape)
    draw = partial(cost_quality_curve, confidence, costs, costs, outcomes)
    curve = draw()
    # Between a point's penalty and the next one's, where no two VLMs are level.
    middles = (curve.penalty[:-1] + curve.penalty[1:]) / 2
    tried = np.linspace(0, len(middles) - 1, scale.curve_points).round().astype(np.int64)
    swept = sweep(confidence, costs, outcomes, middles[tried])
    np.testing.assert_allclose(swept, np.stack([curve.cost, curve.accuracy], axis=1)[tried], rtol=1e-9)

    work = partial(sweep, confidence, costs, outcomes, middles[tried])
    whole, plain = interleave(scale.rounds, partial(seconds, draw, CPU), partial(seconds, work, CPU))
    points = len(curve.penalty)
    note = f"{scale.curve_queries:,} queries and {scale.vlms} VLMs give {points:,} points"
    reference = Line(
        part=PART,
        name="plain sweep, a point",
        unit="us/point",
        runs=tuple(taken / len(tried) * 1e6 for taken in plain),
    )
    own = Line(part=PART, name="curve, a point", unit="us/point", runs=tuple(taken / points * 1e6 for taken in whole))
    return [
        Line(part=PART, name="curve, all points", unit="s", runs=whole, note=note),
        reference,
        times_as_fast(own, reference),
    ]


def sweep(
    confidence: np.ndarray, costs: np.ndarray, outcomes: np.ndarray, penalties: np.ndarray
) -> list[tuple[float, float]]:
    """Mean cost and accuracy under each penalty, all queries at once by numpy."""
    rows, points = np.arange(len(confidence)), []
    for penalty in penalties:
        chosen = (confidence - penalty * costs).argmax(axis=1)
        points.append((costs[rows, chosen].mean(), outcomes[rows, chosen].mean()))
    return points
