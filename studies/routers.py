"""Fit, time and judge every router, with several seeds: those of params.yaml and the heavy ones of studies/params.yaml.

A router whose class takes no seed is fitted once. ARMS' runs are those of `studies.seeds`.
"""

import logging
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arms.baselines.registry import build_router, find_router, settings_of
from arms.data.atomic import atomic_folder
from arms.data.prepared import write_json
from arms.data.scores import POOLS
from arms.data.splits import SCORED_SPLITS
from arms.errors import ArmsError
from arms.evaluation.by_form import metrics_by_form
from arms.evaluation.claims import against
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.judge import Judge
from arms.evaluation.leaderboard import leaderboard
from arms.evaluation.metrics import round_metrics
from arms.evaluation.seeds import Runs, SeedJudge
from arms.features.dataset import Dataset
from arms.features.loader import Queries
from arms.params.tree import Params
from arms.progress import progress_bar
from arms.reports.pareto_figure import pareto
from arms.routers.base import BaseRouter
from stages.dataset import open_embedded
from stages.scores import ByPool
from stages.workspace import Stopwatch, open_workspace, stage
from studies.seed_scores import read_seed_runs
from studies.settings import RESULTS, StudyParams, read_study_params

SINGLE_QUERIES = 50
ROUTERS_BY_FORM = ("arms", "best-single", "knn", "linear")
Json = dict[str, Any]

logger = logging.getLogger("studies.routers")


@dataclass(frozen=True)
class Job:
    """A router to fit on both pools.

    Attributes
    ----------
    where : str
        Where its settings come from, for error messages.
    seeds : list of int
        The seeds to fit it with; one if its class takes none.
    """

    name: str
    settings: Json
    where: str
    seeds: list[int]


def main() -> None:
    """Write studies/results/<data>/routers: judged.json, and if costs are known pareto.png."""
    workspace, watch = open_workspace(), Stopwatch()
    params, study = workspace.params, read_study_params()
    dataset = open_embedded(workspace)
    jobs = router_jobs(params, study, dataset.has_answers)
    fitted, times = fit_all(jobs, dataset)
    arms_seeds, arms_runs = read_seed_runs(params.extend.strategy)
    seeds = dict.fromkeys(arms_runs, arms_seeds) | {job.name: job.seeds for job in jobs}
    fitted_s = watch.elapsed_s
    judged, records = judge_all(params, dataset, arms_runs | fitted, times)
    with atomic_folder(RESULTS / params.data / "routers") as folder:
        write_json({"seeds": seeds} | judged, folder / "judged.json")
        if records:  # costs are known
            pareto(records, folder / "pareto.png")
    runs = sum(len(job.seeds) for job in jobs) * len(POOLS)
    logger.info(
        "fitted %d routers in %d runs in %.1f s, judged %d in %.1f s",
        len(jobs), runs, fitted_s, len(judged["metrics"]), watch.elapsed_s - fitted_s,
    )  # fmt: skip


def judge_all(
    params: Params, dataset: Dataset, routers: Mapping[str, Runs], times: Mapping[str, Json]
) -> tuple[Json, list[Json]]:
    """All numbers of judged.json except the seeds, and the points of the figure, which are of the first seeds."""
    bootstrap = {"samples": params.evaluate.bootstrap_samples, "seed": params.evaluate.seed}
    judge = Judge(dataset.prepared, {}, **bootstrap)
    cost_judge, seed_judge = CostJudge(judge, params.costs), SeedJudge(judge, **bootstrap)
    metrics: Json = {}
    with progress_bar("judge", "routers") as progress:
        for done, (name, runs) in enumerate(routers.items()):
            progress(done, len(routers))
            metrics[name] = seed_judge.metrics(runs, cost_judge)
    pairs = seed_judge.pairs(routers)
    judged = {
        "leaderboard": leaderboard(metrics, times),
        "em_by_seed": {name: seed_judge.em_by_seed(runs) for name, runs in routers.items()},
        "claims": against(pairs),
        "metrics": metrics,
        "pairs": pairs,
        "forms": metrics_by_form(dataset.prepared, _compared(routers), params.costs, **bootstrap),
        "sources": {pool: cost_judge.sources("id", vlms) for pool, vlms in _pools(dataset).items()},
    }
    first = {name: runs[0] for name, runs in routers.items()}
    return judged, [round_metrics(record, digits=8) for record in cost_judge.records(first)]


def _compared(routers: Mapping[str, Runs]) -> dict[str, Runs]:
    """Those that the tables by form show."""
    return {name: runs for name, runs in routers.items() if name in ROUTERS_BY_FORM}


def fit_all(jobs: Sequence[Job], dataset: Dataset) -> tuple[dict[str, list[ByPool]], dict[str, dict[str, Json]]]:
    """Every router's scores by seed and pool, and its times by pool, which are of the first seed."""
    runs: dict[str, list[ByPool]] = {job.name: [{} for _ in job.seeds] for job in jobs}
    times: dict[str, dict[str, Json]] = {job.name: {} for job in jobs}
    queries, done = dataset.queries(*SCORED_SPLITS), 0
    total = sum(len(job.seeds) for job in jobs) * len(POOLS)
    with progress_bar("routers", "fits") as progress:
        for pool, vlms in _pools(dataset).items():
            answers = dataset.answers(queries, vlms)
            train, val = (dataset.labelled(split, vlms, answers=True) for split in ("train", "val"))
            for job in jobs:
                for place, seed in enumerate(job.seeds):
                    start = time.perf_counter()
                    router = build_router(job.name, vlms, job.settings, seed=seed, where=job.where).fit(train, val)
                    fitted = time.perf_counter()
                    runs[job.name][place][pool] = router.scores(job.name, pool, queries, answers)
                    if place == 0:
                        scored = time.perf_counter()
                        times[job.name][pool] = {
                            "fit_s": round(fitted - start, 3),
                            "us_per_query": round((scored - fitted) / max(1, len(queries)) * 1e6, 2),
                            "single_us": single_latency_us(router, queries),
                        }
                    done += 1
                    progress(done, total)
    return runs, times


def router_jobs(params: Params, study: StudyParams, has_answers: bool) -> list[Job]:
    """The routers to fit, without those that ask VLMs if no answers are recorded, which is warned of."""
    heavy = {} if study.quick else study.routers
    if unknown := sorted(study.fewer_seeds.keys() - params.baselines.keys() - study.routers.keys()):
        raise ArmsError(
            f"studies/params.yaml.fewer_seeds: unknown router {unknown[0]!r}; known: "
            f"{', '.join(sorted({*params.baselines, *study.routers}))}"
        )
    jobs = []
    for where, of in (("params.yaml.baselines", params.baselines), ("studies/params.yaml.routers", heavy)):
        for name, settings in of.items():
            router_class = find_router(settings.get("router", name), where)
            if has_answers or not router_class.asks_vlms:
                seeds = study.seeds[: study.fewer_seeds.get(name)]
                one = study.quick or "seed" not in settings_of(router_class)
                jobs.append(Job(name, settings, where, [params.seed] if one else seeds))
            else:
                logger.warning(
                    "%s.%s: left out, as the dataset records no answers (column output of its outcomes)", where, name
                )
    return jobs


def single_latency_us(router: BaseRouter, queries: Queries) -> float | None:
    """Median time to score a single query, in microseconds; None for a router that has to wait for answers."""
    if router.asks_vlms or not len(queries):
        return None
    taken = []
    for row in range(min(SINGLE_QUERIES, len(queries))):
        query = queries.subset(np.array([row]))
        start = time.perf_counter()
        router.score(query)
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken) * 1e6, 1)


def _pools(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    return {"base": dataset.prepared.base, "extended": dataset.prepared.extended}


if __name__ == "__main__":
    with stage("routers"):
        main()
