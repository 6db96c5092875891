"""Do the intervals of off-policy estimates hold the truth as often as they say?

``python -m benchmarks.off_policy``. The sample's queries are asked in random order, a router with some noise chooses
and explores as the gateway does, and other policies are judged from the log. What they are truly worth is known, as the
sample knows every VLM's answer. benchmarks/record.py describes the results.
"""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from arms.data.atomic import atomic_file
from arms.evaluation.off_policy.estimators import LEAST_SIZE
from benchmarks.off_policy_parts.coverage import ESTIMATORS, simulate
from benchmarks.off_policy_parts.traffic import sample_population
from benchmarks.record import RESULTS, Clock, write_report

RUNS, IMAGES = 500, 1_000
SIZES, SHARES = (2_000, 10_000), (0.02, 0.1, 0.3)
STATED = 0.95
FEW = 50  # runs of a kind that were not refused; of fewer there is no coverage
SEED = 1


@click.command()
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--render", is_flag=True, help="Simulate nothing; write the page from off_policy.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, render: bool, out: Path) -> None:
    """Write off_policy.json and off_policy.md; with --quick off_policy-quick.json and .md."""
    file = out / ("off_policy-quick.json" if quick else "off_policy.json")
    if not render:
        sizes, shares = ((600,), (0.3,)) if quick else (SIZES, SHARES)
        measure(sizes, shares, FEW if quick else RUNS, 60 if quick else IMAGES, file)
    page = coverage_page(json.loads(file.read_text()))
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(page, encoding="utf-8")
    click.echo(page)


def measure(sizes: tuple[int, ...], shares: tuple[float, ...], runs: int, images: int, file: Path) -> None:
    """Simulate every size of a log with every share of exploration, and write the lines as JSON."""
    clock, lines = Clock(), list[dict[str, Any]]()
    population = sample_population(images, SEED)
    for decisions in sizes:
        for explore in shares:
            click.echo(f"{decisions:,} decisions, explore {explore:g} ...", err=True)
            lines += simulate(population, decisions, explore, runs, SEED)
    settings = {"runs": runs, "queries": len(population.right), "vlms": len(population.vlms), "least_size": LEAST_SIZE}
    write_report(file, lines, settings=settings, clock=clock, gpu=False)


def coverage_page(report: dict[str, Any]) -> str:
    """The lines as a section of docs/results/benchmarks.md."""
    settings, lines = report["settings"], report["lines"]
    told = [line for line in lines if line["runs"] - line["refused"] >= FEW]
    coverages = [line["coverage"] for line in told]
    spread = 2 * np.sqrt(STATED * (1 - STATED) / settings["runs"])
    low = sum(coverage < STATED - spread for coverage in coverages)
    verdict = (
        f"Of {len(told)} coverages of intervals that are said to hold the truth in {STATED:.0%} of all logs, "
        f"{low} are below {STATED - spread:.3f}, two standard errors of {settings['runs']} runs less; the lowest is "
        f"{min(coverages):.3f}, the mean {np.mean(coverages):.3f}."
        if told
        else "Too few logs were not refused."
    )
    head = (
        f"`python -m benchmarks.off_policy`, commit {report['commit']['id'][:7]}. {settings['runs']} logs of each "
        f"kind: {settings['queries']:,} queries of the sample, {settings['vlms']} VLMs, pictures are drawn with "
        "replacement. Each cell is the coverage of the 95 % interval, and in brackets its mean width. A log that "
        f"counts as fewer than {settings['least_size']:g} decisions of the policy judged is refused; a row where "
        "nearly all logs are refused has no coverage."
    )
    titles = [
        "policy judged",
        "decisions",
        "explore",
        "refused",
        "effective",
        *(f"{of} by {estimator}" for of, estimator in _cells()),
    ]
    rows = [titles, ["---"] * len(titles)]
    kinds = dict.fromkeys((line["target"], line["decisions"], line["explore"]) for line in lines)
    for kind in kinds:
        found = {
            (line["of"], line["estimator"]): line
            for line in lines
            if (line["target"], line["decisions"], line["explore"]) == kind
        }
        first = found["em", "ips"]
        effective = "" if first["effective"] is None else f"{first['effective']:.0f}"
        about = [kind[0], f"{kind[1]:,}", f"{kind[2]:g}", f"{first['refused'] / first['runs']:.0%}", effective]
        rows.append([*about, *(_cell(found[cell]) for cell in _cells())])
    table = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["## Off-policy estimates", "", head, "", verdict, "", *table]) + "\n"


def _cells() -> list[tuple[str, str]]:
    return [(of, estimator) for of in ("em", "cost") for estimator in ESTIMATORS]


def _cell(line: dict[str, Any]) -> str:
    if line["runs"] - line["refused"] < FEW:
        return ""
    width = f"{line['width']:.3f}" if line["of"] == "em" else f"${line['width']:.5f}"
    return f"{line['coverage']:.3f} ({width})"


if __name__ == "__main__":
    main()
