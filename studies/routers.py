"""Fit, time and judge every router: the light ones of params.yaml and the heavy ones of studies/params.yaml."""

import logging
import statistics
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from arms.baselines.registry import build_router, find_router
from arms.data.atomic import atomic_folder
from arms.data.prepared import write_json
from arms.data.scores import POOLS
from arms.data.splits import SCORED_SPLITS
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.judge import Judge
from arms.evaluation.leaderboard import leaderboard
from arms.evaluation.metrics import round_metrics
from arms.features.dataset import Dataset
from arms.features.loader import Queries
from arms.progress import progress_bar
from arms.reports.pareto_figure import pareto
from arms.routers.base import BaseRouter
from stages.dataset import open_embedded
from stages.scores import ByPool, read_routers, without_twin
from stages.workspace import Stopwatch, Workspace, open_workspace, stage
from studies.settings import RESULTS, read_study_params

SINGLE_QUERIES = 50
Json = dict[str, Any]
Job = tuple[str, Json, str]  # a router's name, its settings, and the place that they come from

logger = logging.getLogger("studies.routers")


def main() -> None:
    """Write studies/results/<data>/routers: judged.json, and if costs are known pareto.png."""
    workspace, watch = open_workspace(), Stopwatch()
    params, study = workspace.params, read_study_params()
    dataset = open_embedded(workspace)
    fitted, times = fit_all(workspace, dataset, {} if study.quick else study.routers)
    strategy = params.extend.strategy
    routers = without_twin(read_routers(strategy), strategy) | fitted
    judge = Judge(dataset.prepared, {}, samples=params.evaluate.bootstrap_samples, seed=params.evaluate.seed)
    cost_judge = CostJudge(judge, params.costs)
    metrics = {name: cost_judge.metrics(by_pool) for name, by_pool in routers.items()}
    records = [round_metrics(record, digits=8) for record in cost_judge.records(routers)]
    with atomic_folder(RESULTS / params.data / "routers") as folder:
        write_json(
            {
                "leaderboard": leaderboard(metrics, times),
                "metrics": metrics,
                "pairs": judge.pairs(routers),
                "sources": {pool: cost_judge.sources("id", vlms) for pool, vlms in _pools(dataset).items()},
            },
            folder / "judged.json",
        )
        if records:  # costs are known
            pareto(records, folder / "pareto.png")
    logger.info("fitted and judged %d routers in %.1f s", len(routers), watch.elapsed_s)


def fit_all(
    workspace: Workspace, dataset: Dataset, heavy: Mapping[str, Json]
) -> tuple[dict[str, ByPool], dict[str, dict[str, Json]]]:
    """Every router's scores and times by pool."""
    routers: dict[str, ByPool] = {}
    times: dict[str, dict[str, Json]] = {}
    jobs = _jobs(workspace.params.baselines, heavy, dataset.has_answers)
    queries, done = dataset.queries(*SCORED_SPLITS), 0
    with progress_bar("routers", "fits") as progress:
        for pool, vlms in _pools(dataset).items():
            answers = dataset.answers(queries, vlms)
            train, val = (dataset.labelled(split, vlms, answers=True) for split in ("train", "val"))
            for name, settings, where in jobs:
                start = time.perf_counter()
                router = build_router(name, vlms, settings, seed=workspace.params.seed, where=where)
                router.fit(train, val)
                fitted = time.perf_counter()
                routers.setdefault(name, {})[pool] = router.scores(name, pool, queries, answers)
                per_query_s = (time.perf_counter() - fitted) / max(1, len(queries))
                times.setdefault(name, {})[pool] = {
                    "fit_s": round(fitted - start, 3),
                    "us_per_query": round(per_query_s * 1e6, 2),
                    "single_us": single_latency_us(router, queries),
                }
                done += 1
                progress(done, len(jobs) * len(POOLS))
    return {name: routers[name] for name, _, _ in jobs}, times


def _jobs(light: Mapping[str, Json], heavy: Mapping[str, Json], has_answers: bool) -> list[Job]:
    """The routers to fit; if no answers are recorded, those that ask VLMs are left out with a warning."""
    jobs = []
    for where, of in (("params.yaml.baselines", light), ("studies/params.yaml.routers", heavy)):
        for name, settings in of.items():
            if has_answers or not find_router(settings.get("router", name), where).asks_vlms:
                jobs.append((name, settings, where))
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
