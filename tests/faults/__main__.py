"""Run the fault campaign, print what happened, and end with status 1 if anything was wrong: python -m tests.faults.

It makes a small project, runs its pipeline twice, damages every file of it in turn, and ends every stage and command in
every way that a process can end. It takes some half an hour.
"""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from tests.faults.bytes_campaign import DVC, REFUSED, RIGHT, WRONG, count, try_files
from tests.faults.deaths import JOBS, on_own_disk, try_deaths
from tests.pipeline import Project, run_pipeline, write_project

_MEGABYTES = 1024  # of the small disk
_SEEDS = {"params.yaml": "\nseed: 1\n", "conf/data/sample.yaml": "\n  seed: 1\n"}


@click.command()
@click.option("--project", type=click.Path(path_type=Path), help="Two runs made before, in first/ and older/.")
@click.option("--flips", default=3, show_default=True, help="Bits to flip in each file, one after the other.")
@click.option("--per-kind", type=int, help="Damage only so many files of each kind.")
@click.option("--tries", default=3, show_default=True, help="Times at which a process is killed or interrupted.")
@click.option("--only", multiple=True, help="Only these stages and commands.")
@click.option("--part", type=click.Choice(["bytes", "deaths"]), help="Only one half of the campaign.")
@click.option("--seed", default=0, show_default=True)
def main(
    project: Path | None,
    flips: int,
    per_kind: int | None,
    tries: int,
    only: tuple[str, ...],
    part: str | None,
    seed: int,
) -> None:
    """Run the fault campaign."""
    with tempfile.TemporaryDirectory(prefix="arms-faults-") as temporary:
        folder = project or Path(temporary)
        if not (folder / "older").exists():
            make_runs(folder)
        counts: Counter[tuple[str, str, str]] = Counter()
        wrong: list[str] = []
        work = Path(temporary) / "work"
        if part != "deaths":
            shutil.copytree(folder / "first", work, symlinks=True)
            found = count(_told(try_files(work, folder / "older", per_kind=per_kind, flips=flips, seed=seed)))
            counts, wrong = counts + found[0], wrong + found[1]
        if part != "bytes":
            jobs = [job for job in JOBS if not only or job.name in only]
            with on_own_disk(folder / "first", Path(temporary) / "disk", _MEGABYTES) as disk:
                found = count(_told(try_deaths(disk, folder / "older", jobs=jobs, tries=tries, seed=seed)))
            counts, wrong = counts + found[0], wrong + found[1]
    click.echo(table(counts))
    for text in wrong:
        click.echo(f"WRONG {text}")
    sys.exit(1 if wrong else 0)


def make_runs(folder: Path) -> None:
    """Two runs of the pipeline on a tiny sample, the older one with other seeds."""
    first = Project(folder / "first")
    write_project(first.folder)
    run_pipeline(first)
    older = first.copy(folder / "older")
    for name, seed in _SEEDS.items():
        file = older.folder / name
        text = file.read_text()
        assert seed in text, f"{name} no longer holds {seed!r}"
        file.write_text(text.replace(seed, seed.replace("1", "2")))
    older.dvc("repro")


def table(counts: Counter[tuple[str, str, str]]) -> str:
    """A row for each kind of file, stage or command, with each damage: how many cases, and how they ended."""
    rows = sorted({(what, damage) for what, damage, _ in counts})
    columns = (RIGHT, REFUSED, DVC, WRONG)
    lines = [f"{'what':<22}{'damage':<20}{'cases':>7}" + "".join(f"{name:>13}" for name in columns)]
    total: Counter[str] = Counter()
    for what, damage in rows:
        of = {name: counts[what, damage, name] for name in columns}
        total.update(of)
        lines.append(f"{what:<22}{damage:<20}{sum(of.values()):>7}" + "".join(f"{of[name]:>13}" for name in columns))
    lines.append(f"{'all':<42}{sum(total.values()):>7}" + "".join(f"{total[name]:>13}" for name in columns))
    return "\n".join(lines)


def _told(cases: Iterator[tuple[str, str, str, str]]) -> Iterator[tuple[str, str, str, str]]:
    """The cases, those that went wrong said at once."""
    for case in cases:
        if case[2] == WRONG:
            click.echo(f"WRONG {case[3]}", err=True)
        yield case


if __name__ == "__main__":
    main()
