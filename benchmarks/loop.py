"""The loop: does a router that learns from its own traffic choose better?

``make repro``, then ``python -m benchmarks.loop`` with the sample as `data`. A gateway serves the router that knows the
base pool. The new VLMs of the sample join it by their profiles only, and the gateway explores them while the training
queries are sent to it, once a day; the VLMs answer as the sample recorded. Feedback comes back, is imported, the router
is extended by it, and the gateway loads it anew. All by the commands of docs/learn-from-traffic.md. The test queries
are never sent. benchmarks/record.py describes the results.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from arms.data.atomic import atomic_file
from arms.data.prepared import Prepared, read_prepared
from arms.errors import ArmsError
from arms.evaluation.bootstrap import bootstrap_means, interval
from arms.evaluation.metrics import compare
from arms.evaluation.outcomes import is_answerable, is_complete
from arms.params.tree import read_params
from benchmarks.loop_parts.served import Served, correct_of_choices, serve_sample
from benchmarks.loop_parts.upstream import DAY, recorded_answers, serve_recorded
from benchmarks.record import RESULTS, Clock, write_report

DATA = "sample"
TRAFFIC = "loop-traffic"  # the dataset that is imported, and removed
BASE = Path("data/routers/arms-base")
STEPS = ("only the base pool", "the new VLMs by their profiles")
SAMPLES, SEED = 2_000, 1


@dataclass(frozen=True)
class Traffic:
    """How much is explored of the requests, and on how many days each query is sent."""

    explore: float
    days: int


FULL = (Traffic(0.1, 1), Traffic(0.9, 5))
QUICK = (Traffic(0.9, 2),)


@dataclass(frozen=True)
class Test:
    """The test queries that are judged: every VLM's outcome is known, and one of them is right."""

    queries: pd.DataFrame
    outcomes_NS: np.ndarray
    scenes: np.ndarray
    vlms: tuple[str, ...]


@dataclass(frozen=True)
class Learnt:
    """What one gateway learned: right or wrong on test queries at each step, outcomes, and right answers."""

    correct: list[np.ndarray]
    learnt: int
    right: float


@click.command()
@click.option("--quick", is_flag=True, help="Send and judge few queries, to test that it works.")
@click.option("--render", is_flag=True, help="Run nothing; write the page from loop.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(quick: bool, render: bool, out: Path) -> None:
    """Print the page, and write loop.json and loop.md; with --quick loop-quick.json and .md."""
    file = out / ("loop-quick.json" if quick else "loop.json")
    if not render:
        try:
            run(file, 200 if quick else None, QUICK if quick else FULL)
        except ArmsError as error:
            raise click.ClickException(str(error)) from error
    page = loop_page(json.loads(file.read_text()))
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(page, encoding="utf-8")
    click.echo(page)


def run(file: Path, most: int | None, kinds: Sequence[Traffic]) -> None:
    """Run the loop with each kind of traffic, and write what was right at each step as JSON."""
    if read_params().data != DATA or not BASE.exists():
        raise ArmsError(f"expected {BASE}, trained on the sample; set data: {DATA} in params.yaml, and run: dvc repro")
    prepared, clock = read_prepared(Path("data/prepared") / DATA), Clock()
    test, traffic = test_of(prepared, most), traffic_of(prepared, most)
    with serve_recorded(recorded_answers(prepared)) as base:
        rounds = [learn(prepared, test, traffic, base, kind) for kind in kinds]
    correct = rounds[0].correct
    lines = [line_of(name, correct[0], correct[step], test) for step, name in enumerate(STEPS)]
    for kind, one in zip(kinds, rounds, strict=True):
        about = {"explore": kind.explore, "days": kind.days, "learnt": one.learnt, "right": one.right}
        name = f"their outcomes of {kind.days} day{'s' * (kind.days > 1)}, {kind.explore:.0%} explored"
        lines.append(line_of(name, correct[0], one.correct[-1], test) | about)
    settings = {"sent": len(traffic), "judged": len(test.queries), "new": list(prepared.new)}
    write_report(file, lines, settings=settings, clock=clock, gpu=False)


def learn(prepared: Prepared, test: Test, queries: pd.DataFrame, base: str, traffic: Traffic) -> "Learnt":
    """One gateway, from the router that knows the base pool to the one that learned the new VLMs."""
    images, new = Path("data/raw") / DATA, prepared.new
    with tempfile.TemporaryDirectory(prefix="arms-loop-") as temporary:
        folder = Path(temporary)
        write_profiles(folder / "new.yaml", new)
        shutil.copytree(BASE, folder / "live")
        with serve_sample(folder, folder / "live", prepared.extended, base, traffic.explore, images) as gateway:
            chosen = [gateway.choices(test.queries)]
            extend(folder, gateway)
            chosen.append(gateway.choices(test.queries))
            right = float(np.mean([send_day(gateway, queries, day, traffic) for day in range(traffic.days)]))
            learnt = import_outcomes(folder, new)
            extend(folder, gateway, "--outcomes", str(folder / "new.parquet"))
            chosen.append(gateway.choices(test.queries))
    return Learnt([correct_of_choices(choices, test.outcomes_NS, test.vlms) for choices in chosen], learnt, right)


def send_day(gateway: Served, queries: pd.DataFrame, day: int, traffic: Traffic) -> float:
    """Send every query once; the share of the answers that were right."""
    click.echo(
        f"day {day + 1} of {traffic.days}: {len(queries):,} queries, {traffic.explore:.0%} explored ...", err=True
    )
    return gateway.send(queries.assign(query_id=queries["query_id"] + f"{DAY}{day}"))


def test_of(prepared: Prepared, most: int | None) -> Test:
    """The first test queries that can be judged."""
    queries, vlms = prepared.split("id"), prepared.extended
    outcomes = prepared.outcome_matrix(queries["query_id"], vlms)
    rows = np.flatnonzero(is_complete(outcomes) & is_answerable(outcomes))[:most]
    some = queries.iloc[rows]
    return Test(some, outcomes[rows], prepared.scene_groups(some["query_id"]), vlms)


def traffic_of(prepared: Prepared, most: int | None) -> pd.DataFrame:
    """Queries of train and val, in random order."""
    queries = pd.concat([prepared.split("train"), prepared.split("val")])
    return queries.sample(frac=1, random_state=SEED)[:most]


def write_profiles(file: Path, new: Sequence[str]) -> None:
    """The profiles of the new VLMs, as `arms extend` takes them."""
    yaml = YAML(typ="safe")
    entries = yaml.load((Path("data/raw") / DATA / "vlms.yaml").read_text(encoding="utf-8"))
    yaml.dump([entry for entry in entries if entry["name"] in new], file)


def extend(folder: Path, gateway: Served, *outcomes: str) -> None:
    """Put a router with the new VLMs in the place of the one that is served, and have the gateway load it."""
    arms(
        "extend",
        "--router",
        str(BASE),
        "--profile",
        f"{folder}/new.yaml",
        *outcomes,
        "--out",
        f"{folder}/live",
        "--replace",
    )
    gateway.reload()


def import_outcomes(folder: Path, new: Sequence[str]) -> int:
    """Import the gateway's log, and write the outcomes of the new VLMs into new.parquet; how many there are."""
    arms(
        "import",
        "gateway",
        f"{folder}/memory.db",
        "--name",
        TRAFFIC,
        "--vlms",
        f"data/raw/{DATA}/vlms.yaml",
        "--replace",
    )
    dataset = Path("data/raw") / TRAFFIC
    outcomes = pd.read_parquet(dataset / "outcomes.parquet", columns=["query_id", "vlm", "correct"])
    shutil.rmtree(dataset)
    Path(f"conf/data/{TRAFFIC}.yaml").unlink(missing_ok=True)
    outcomes["query_id"] = outcomes["query_id"].str.rpartition(DAY)[0]
    outcomes = outcomes[outcomes["vlm"].isin(list(new))].drop_duplicates(["query_id", "vlm"])
    outcomes.to_parquet(folder / "new.parquet")
    return len(outcomes)


def arms(*words: str) -> None:
    """Run a command of `arms`."""
    click.echo(f"$ arms {' '.join(words)}", err=True)
    done = subprocess.run([sys.executable, "-c", "from arms.cli import main; main()", *words], check=False)
    if done.returncode:
        raise ArmsError(f"arms {words[0]}: expected it to work, it ended with status {done.returncode}")


def line_of(name: str, before: np.ndarray, right: np.ndarray, test: Test) -> dict[str, Any]:
    """The EM of a step, and its difference from the first one, with 95 % intervals by scenes."""
    low, high = interval(bootstrap_means(right[:, None], test.scenes, SAMPLES, SEED)[:, 0])
    line = {"name": name, "em": float(right.mean()), "em_low": low, "em_high": high}
    return line | compare(right, before, test.scenes, SAMPLES, SEED)


def loop_page(report: dict[str, Any]) -> str:
    """The lines as a section of docs/results/benchmarks.md."""
    settings = report["settings"]
    rows = [
        "| the gateway's router knows | outcomes of the new VLMs | answers that were right meanwhile | EM afterwards "
        "| more than at first |",
        "|---|---|---|---|---|",
    ]
    for number, line in enumerate(report["lines"]):
        known = f"{line['learnt']:,} | {line['right']:.3f}" if "learnt" in line else " | "
        more = f"{line['difference']:+.3f} ({line['low']:+.3f} to {line['high']:+.3f})" if number else ""
        em = f"{line['em']:.3f} ({line['em_low']:.3f} to {line['em_high']:.3f})"
        rows.append(f"| {line['name']} | {known} | {em} | {more} |")
    lines = [
        "## Learning from traffic",
        "",
        f"`python -m benchmarks.loop`, commit {report['commit']['id'][:7]}, {report['took_s'] / 60:.0f} min. A gateway "
        f"serves the sample's router of the base pool, which knows nothing of {len(settings['new'])} further VLMs "
        f"behind it: {', '.join(settings['new'])}. They join by their profiles. Then {settings['sent']:,} queries "
        "of train and val are sent once a day; a share of them is explored, and feedback says whether each answer was "
        "right. The imported outcomes extend the router, and the gateway loads it anew. EM is that of its choices on "
        f"{settings['judged']:,} test queries, which are never sent. The 95 % intervals are by scenes; those of "
        "differences are paired.",
        "",
        *rows,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
