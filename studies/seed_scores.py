"""The score tables of ARMS with each seed, in data/scores/seeds: a folder for each of its routers, a file a seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from arms.data.atomic import atomic_folder
from arms.data.scores import Scores, read_scores, write_scores
from arms.errors import ArmsError
from arms.params.training import Strategy
from stages.scores import ARMS, SEEDS, ByPool, without_twin
from stages.workspace import SCORES

FOLDER = SCORES / SEEDS
REMEDY = "run: dvc repro studies/dvc.yaml:seeds"


def write_seed_scores(tables: Mapping[int, Sequence[Scores]]) -> None:
    """Write every table as <router>/<seed>-<pool>.parquet; a folder for each router is there even if it is empty."""
    for router in ARMS:
        with atomic_folder(FOLDER / router) as folder:
            for seed, of_seed in tables.items():
                for scores in of_seed:
                    if scores.router == router:
                        write_scores(scores, folder / f"{seed}-{scores.pool}.parquet")


def read_phi_scores() -> dict[int, Scores]:
    """Phi's scores on the base pool, by seed; an ArmsError if there are none."""
    return {_seed_of(file): _read(file, "plain", "base") for file in _files("plain", "base")}


def read_seed_runs(strategy: Strategy) -> tuple[list[int], dict[str, list[ByPool]]]:
    """The seeds, and by router its tables by pool for each seed.

    As in the pipeline, `plain` is Phi on the base pool and the chosen strategy on the extended one, and that strategy
    is left out there.
    """
    by_seed: dict[int, dict[str, ByPool]] = {seed: {} for seed in read_phi_scores()}
    for router in ARMS:
        for pool in ("base", "extended"):
            for file in _files(router, pool, needed=False):
                by_seed[_seed_of(file)].setdefault(router, {})[pool] = _read(file, router, pool)
    runs: dict[str, list[ByPool]] = {}
    for of_seed in by_seed.values():
        of_seed["plain"]["extended"] = of_seed[strategy]["extended"]
        for name, by_pool in without_twin(of_seed, strategy).items():
            runs.setdefault(name, []).append(by_pool)
    return list(by_seed), runs


def _files(router: str, pool: str, *, needed: bool = True) -> list[Path]:
    found = sorted((FOLDER / router).glob(f"*-{pool}.parquet"), key=_seed_of)
    if needed and not found:
        raise ArmsError(f"{FOLDER / router}: expected <seed>-{pool}.parquet, found none; {REMEDY}")
    return found


def _read(file: Path, router: str, pool: str) -> Scores:
    scores = read_scores(file)
    if (scores.router, scores.pool) != (router, pool):
        raise ArmsError(
            f"{file}: expected the scores of {router} on the {pool} pool, got those of {scores.router} on the "
            f"{scores.pool} pool; {REMEDY}"
        )
    return scores


def _seed_of(file: Path) -> int:
    seed = file.name.partition("-")[0]
    if not seed.isdecimal():
        raise ArmsError(f"{file}: expected a table named <seed>-<pool>.parquet; move it out of data/scores")
    return int(seed)
