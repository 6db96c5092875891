"""The safe router: one route beside one of its net, by the size of the memory, and the fit of what joins them.

``python -m benchmarks.safe``. The net is the one that comes with arms; queries in the memory, outcomes and left-out
evidence are made up from a seed. benchmarks/record.py describes the results.
"""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from PIL import Image

from arms.cli.completers import STARTER
from arms.data.atomic import atomic_file
from arms.data.query_forms import FORMS
from arms.features.dataset import Embedder
from arms.params.training import SafeParams
from arms.routers.arms import ArmsRouter
from arms.routers.router import Router
from arms.routers.saved import load_router
from arms.safe.confidence import Confidence
from arms.safe.evidence import Evidence
from arms.safe.fitting import join
from arms.safe.joint import SOURCES, Joint
from arms.safe.left_out import LeftOut
from arms.safe.memory import Memory
from arms.safe.router import SafeRouter
from arms.safe.trust import Trust, TrustByForm
from arms.safe.weights import Weights
from benchmarks.record import RESULTS, Clock, Line, format_table, write_report
from benchmarks.timing import interleave, seconds

SIZES, QUICK_SIZES = (4_000, 100_000, 1_000_000), (100, 200)
FITTED, QUICK_FITTED = (10_000, 20), (200, 4)  # left-out queries, VLMs
ROUNDS, QUICK_ROUNDS = 40, 2
CPU = torch.device("cpu")


@click.command()
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from safe.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, render: bool, out: Path) -> None:
    """Print a table, and write safe.json and safe.md; with --quick safe-quick.json and .md."""
    file = out / ("safe-quick.json" if quick else "safe.json")
    if not render:
        clock = Clock()
        lines = measure_routes(QUICK_SIZES if quick else SIZES, QUICK_ROUNDS if quick else ROUNDS)
        lines += measure_fit(*(QUICK_FITTED if quick else FITTED))
        click.echo(format_table(lines))
        settings = {"sizes": QUICK_SIZES if quick else SIZES, "fitted": QUICK_FITTED if quick else FITTED}
        write_report(file, [line.to_json() for line in lines], settings=settings, clock=clock, gpu=False)
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(safe_page(json.loads(file.read_text())), encoding="utf-8")


def measure_routes(sizes: tuple[int, ...], rounds: int) -> list[Line]:
    """The time of one route, from the decoded picture to the ranking."""
    net = load_router(STARTER, device="cpu")
    assert isinstance(net, ArmsRouter)
    routers = [Router(net), *(Router(joined(net, size)) for size in sizes)]
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8))

    def route(router: Router) -> float:
        return 1000 * seconds(lambda: router.route(image, "How many chairs are there?"), CPU)

    for router in routers:
        route(router)  # the first builds the index
    runs = interleave(rounds, *(lambda router=router: route(router) for router in routers))
    plain = Line(part="route", name="only the net", unit="ms", runs=runs[0])
    lines = [plain]
    for size, of, router in zip(sizes, runs[1:], routers[1:], strict=True):
        assert isinstance(router.router, SafeRouter)
        note = f"vectors in memory: {router.router.memory.vectors.nbytes / 2**20:,.0f} MiB"
        line = Line(part="route", name=f"joined, {size:,} queries in memory", unit="ms", runs=of, note=note)
        lines.append(line.over(plain, at_most=2.0))
    return lines


def joined(net: ArmsRouter, size: int) -> SafeRouter:
    """The net with a memory of made-up queries."""
    random, encoders = np.random.default_rng(1), net.encoders
    widths, pool = (encoders.text.width, encoders.image.width), len(net.vlms)
    vectors = random.normal(size=(size, sum(widths))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    outcomes = (random.random((size, pool)) < 0.6).astype(np.float32)
    centres = (np.zeros(widths[0], dtype=np.float32), np.zeros(widths[1], dtype=np.float32))
    memory = Memory(tuple(map(str, range(size))), vectors, centres, outcomes, "flat")
    everyone, sources = np.ones(pool), len(SOURCES)
    weights = Weights(np.full((sources, 4), 0.1), np.array([0.1, 0.3, 0.5]))
    joint = Joint(
        np.zeros(pool), everyone, everyone.astype(bool), weights, TrustByForm.everywhere(Trust(9.0, 0.1, 6)),
        Confidence(1.0, 1.0, 0.0, np.zeros(sources)),
    )  # fmt: skip
    return SafeRouter(net, memory, joint, Embedder(encoders, 64, CPU))


def measure_fit(size: int, pool: int) -> list[Line]:
    """The time to learn weights, certificate and confidences from evidence on left-out queries."""
    random, sources = np.random.default_rng(2), len(SOURCES)
    contrasts = random.normal(size=(size, pool, sources))
    outcomes = (random.normal(size=(size, pool)) < contrasts.mean(axis=2)).astype(np.float32)
    evidence = Evidence(
        np.zeros((size, pool)),
        contrasts,
        np.ones(contrasts.shape),
        np.zeros((size, sources)),
        random.random(size),
        np.full(size, FORMS[0]),
    )
    half = np.arange(size // 2)
    parts = [
        LeftOut(evidence.subset(half), outcomes[half], None),
        LeftOut(evidence.subset(half), outcomes[half], np.array([f"task {row % 8}" for row in half])),
    ]
    params = SafeParams(use=True, num_folds=3, most_kinds=6, tolerance=0.01, index="flat")
    runs = tuple(seconds(lambda: join(np.zeros(pool), parts, params), CPU) for _ in range(3))
    return [Line(part="fit", name=f"joining, {size:,} left-out queries, {pool} VLMs", unit="s", runs=runs)]


def safe_page(report: dict[str, Any]) -> str:
    """The lines as a section of docs/results/benchmarks.md."""
    machine = report["machine"]
    head = (
        f"`python -m benchmarks.safe`, commit {report['commit']['id'][:7]}, {machine['cores']} cores "
        f"({machine['cpu']}), of which other processes kept {report['others_busy_cores']} busy. One route, from the "
        "decoded picture to the ranking, with the bundled encoders and exact search in a memory of made-up queries; "
        "and the fit of what joins the sources, without the left-out nets, each of which trains as long as the net."
    )
    rows = [
        f"| {line['name']} | {line['figure']:.3g} {line['unit']} | "
        f"{'' if line['ratio'] is None else format(line['ratio'], '.3g')} | {line['note']} |"
        for line in report["lines"]
    ]
    table = ["| what | median | ratio to only the net | |", "|---|---|---|---|", *rows]
    return "\n".join(["## The safe router", "", head, "", *table]) + "\n"


if __name__ == "__main__":
    main()
