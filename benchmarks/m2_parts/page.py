"""What the rehearsal of M2's size measured, as a section of docs/results/benchmarks.md."""

import statistics
from typing import Any

from arms.reports.markdown import markdown_table
from benchmarks.m2_parts.shape import M2, Shape
from benchmarks.m2_parts.stages import STAGES

VAL_SHARE, EPOCHS, COUNT = 0.05, 2, 64
STEP = f"training on {COUNT} queries"
_TITLES = {"bundled": "The bundled encoders, frozen", "m2-tuned": "Encoders of the published pair's sizes, tuned whole"}

Figures = dict[tuple[str, str], float]


def m2_page(report: dict[str, Any]) -> str:
    """The section: the dataset, each stage's time and memory, and what the tuned pair would take."""
    figures = {(line["part"], line["name"]): line["figure"] for line in report["lines"]}
    machine, scale = report["machine"], report["settings"]["scale"]
    on = f"{machine['cores']} cores ({machine['cpu']})" + (f" and a {machine['gpu']}" if machine["gpu"] else "")
    parts = [
        "## M2's size, rehearsed",
        f"`python -m benchmarks.m2{'' if scale == 1 else f' --scale {scale:g}'}`, commit "
        f"{str(report['commit']['id'])[:7]}, {report['took_s'] / 60:.0f} min on {on}, of which other processes kept "
        f"{report['others_busy_cores']} busy, so times are upper bounds. A made-up dataset in the shape of M2, "
        f"{'whole' if scale == 1 else f'{scale:g} of its queries'}, with the published settings. What the VLMs answer "
        "is made up too: the figures of EM say only that there was something to learn.",
        _dataset(figures),
        *(part for name in _TITLES if (name, "train: time") in figures for part in _pipeline(name, figures, scale)),
        *_tuned(report, figures),
    ]
    return "\n\n".join(parts) + "\n"


def _dataset(figures: Figures) -> str:
    queries, outcomes, pictures = (f"{figures['dataset', name]:,.0f}" for name in ("queries", "outcomes", "pictures"))
    gib, seconds = figures["dataset", "picture files"], figures["dataset", "writing it"]
    return (
        f"{queries} queries, {outcomes} outcomes of 7 VLMs, and {pictures} distinct pictures of 300 pixels to 4K in "
        f"{gib:.1f} GiB of JPEG files, written in {seconds:.0f} s. The pictures of MME-RealWorld have 2,000 x 1,500 "
        "pixels on average, as published, and two questions each; the sizes of the others are assumed, with a picture "
        "for each question, and so is how the 46,107 queries divide into the three benchmarks."
    )


def _pipeline(encoders: str, figures: Figures, scale: float) -> list[str]:
    """A row for each stage, and what ARMS reached."""
    whole = [] if scale == 1 else ["time for all of M2 at this rate"]
    rows = [["stage", "time", "on one core", "peak memory", "written", *whole]]
    measured = [stage for stage in STAGES if (encoders, f"{stage}: time") in figures]  # an older record has fewer
    for stage in measured:
        time_s, core_s, gib, mib = (
            figures[encoders, f"{stage}: {what}"] for what in ("time", "on one core", "memory", "written")
        )
        cells = [f"{time_s:.0f} s", f"{core_s:.0f} s", f"{gib:.1f} GiB", f"{mib:,.0f} MiB"]
        rows.append([stage, *cells, *([] if scale == 1 else [f"{time_s / scale / 60:.0f} min"])])
    names = ("EM of ARMS", "EM of kNN", "EM of the best single VLM")
    reached = [["test", "queries", *(name.removeprefix("EM of ") + ", EM" for name in names)]]
    for place in ("id, base pool", "id, extended pool", "ood, base pool", "ood, extended pool"):
        ems = (f"{figures[encoders, f'{place}: {name}']:.3f}" for name in names)
        reached.append([place, f"{figures[encoders, f'{place}: queries']:,.0f}", *ems])
    note = [] if scale == 1 else ["The last column is scaled up by the number of queries, not measured."]
    return [f"### {_TITLES[encoders]}", markdown_table(rows, left=1), *note, markdown_table(reached, left=1)]


def _tuned(report: dict[str, Any], figures: Figures) -> list[str]:
    """What training the tuned pair on all of M2 would take: measured seconds a query times the number of queries."""
    step_s = figures["tuned", STEP]
    runs = next(line["runs"] for line in report["lines"] if line["name"] == STEP)
    rows = [["training", "queries", "hours"]]
    for name, queries in tuned_queries(M2).items():
        rows.append([name, f"{queries:,}", f"{EPOCHS * queries / COUNT * step_s / 3600:.1f}"])
    return [
        "### What tuning the published pair would take on this machine",
        f"Measured: {statistics.median(runs):.1f} s to train on {COUNT} queries of 4 VLMs, 16 a step ({min(runs):.1f} "
        f"to {max(runs):.1f} in {len(runs)} runs), with ViT-B/32 and DistilBERT tuned whole, weights from a seed. "
        f"Scaled up: {EPOCHS} epochs on the queries of M2 that the published settings train on, "
        f"{VAL_SHARE:.0%} of train kept for val. Validation and scoring come on top.",
        markdown_table(rows, left=1),
    ]


def tuned_queries(shape: Shape) -> dict[str, int]:
    """The training queries of Phi, which are answerable, and of both extensions, which have new outcomes."""
    answerable, asked = shape.answerable - shape.test, shape.asked - shape.asked_test
    extended = dict.fromkeys(("extend, incremental", "extend, independent"), asked)
    return {name: round(count * (1 - VAL_SHARE)) for name, count in {"train": answerable, **extended}.items()}
