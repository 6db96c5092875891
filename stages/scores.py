"""The score tables of the routers' stages, by router and pool: exactly those that the settings name."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from arms.data.prepared import Prepared
from arms.data.scores import Scores, read_scores
from arms.errors import ArmsError
from arms.params.training import Strategy
from stages.workspace import SCORES

ByPool = dict[str, Scores]
NETS = ("plain", "incremental", "independent")  # folders in data/scores: Phi's, and one for each strategy
ARMS = (*NETS, "arms")
BASELINES = "baselines"
SEEDS = "seeds"  # the studies' folder, which the pipeline does not read
BEST_POSSIBLE = "best-possible"
_BOTH = ("base", "extended")
_STAGES = {"plain": "train", "incremental": "extend", "independent": "extend", "arms": "safe", BASELINES: "baselines"}


def read_routers(strategy: Strategy, prepared: Prepared, baselines: Sequence[str]) -> dict[str, ByPool]:
    """Read the score tables that the pipeline wrote, of ARMS, the baselines and the ceilings.

    `plain` is Phi on the base pool and the chosen strategy on the extended one; `arms` is these, joined with more.

    Raises
    ------
    ArmsError
        If a table is missing or damaged, holds another router's scores, or is none that the settings name.
    """
    check_folders()
    routers = read_arms(prepared)
    ceilings = ["oracle", *([] if prepared.probabilities is None else [BEST_POSSIBLE])]
    for name, by_pool in read_tables(BASELINES, dict.fromkeys((*baselines, *ceilings), _BOTH)).items():
        routers[name] = by_pool
    routers["plain"]["extended"] = routers[strategy]["extended"]
    return routers


def read_arms(prepared: Prepared) -> dict[str, ByPool]:
    """The score tables of ARMS's stages, as they were written; raises as `read_routers`."""
    # On the base pool a cascade is just Phi. Without new VLMs every router is.
    independent = ("extended",) if prepared.new else _BOTH
    pools = {"plain": ("base",), "incremental": _BOTH, "independent": independent, "arms": _BOTH}
    return {name: by_pool for folder in ARMS for name, by_pool in read_tables(folder, {folder: pools[folder]}).items()}


def read_tables(folder: str, pools: dict[str, tuple[str, ...]]) -> dict[str, ByPool]:
    """Read a folder of data/scores that holds a table for each of these routers and pools, and nothing else."""
    files = {f"{router}-{pool}.parquet": (router, pool) for router, of in pools.items() for pool in of}
    _refuse_others(SCORES / folder, files, f"a table of the stage {_STAGES[folder]}")
    tables: dict[str, ByPool] = {router: {} for router in pools}
    for name, (router, pool) in files.items():
        file = SCORES / folder / name
        if not file.is_file():
            raise ArmsError(
                f"{file}: expected the scores of {router} on the {pool} pool, got no such file; "
                f"run: dvc repro {_STAGES[folder]}"
            )
        scores = read_scores(file)
        if (scores.router, scores.pool) != (router, pool):
            raise ArmsError(
                f"{file}: expected the scores of {router} on the {pool} pool, got those of {scores.router} on the "
                f"{scores.pool} pool; run: dvc repro {_STAGES[folder]}"
            )
        tables[router][pool] = scores
    return tables


def check_folders() -> None:
    """Raise an ArmsError that names what lies in data/scores and is no stage's."""
    _refuse_others(SCORES, (*ARMS, BASELINES, SEEDS), "a folder of scores that a stage writes")


def _refuse_others(folder: Path, known: Iterable[str], what: str) -> None:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        if name not in known and not name.startswith("."):
            raise ArmsError(
                f"{folder / name}: expected only what the pipeline wrote there, got something that is not {what}; move "
                "it out of data/scores"
            )


def without_twin(routers: dict[str, ByPool], strategy: Strategy) -> dict[str, ByPool]:
    """The routers without the chosen strategy's scores on the extended pool, which `plain` has already."""
    shown = dict(routers)
    shown[strategy] = {pool: scores for pool, scores in routers[strategy].items() if pool != "extended"}
    return {name: by_pool for name, by_pool in shown.items() if by_pool}
