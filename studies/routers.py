"""Fit, time and judge every router, the light ones of params.yaml and the heavy ones of the studies."""

import logging
import statistics
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from arms.baselines.output_aware import OutputAwareRouter
from arms.baselines.registry import find_router
from arms.data.atomic import atomic_file, atomic_folder
from arms.data.prepared import write_json
from arms.data.scores import POOLS, Scores, read_scores
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.judge import ByPool, Judge
from arms.evaluation.metrics import round_metrics
from arms.features.loader import Queries
from arms.params import read_section
from arms.reports.leaderboard import leaderboard
from arms.routers.base import Router
from stages.embedded import Embedded, read_embedded
from stages.workspace import PLOTS, SCORES, Stopwatch, Workspace, open_workspace, progress_bar, stage
from studies.variants import PARAMS, RESULTS, StudyParams

SINGLE_QUERIES = 50
Json = dict[str, Any]

logger = logging.getLogger("studies.routers")


def main() -> None:
    """Write studies/results/<data>/routers.json, and the Pareto plot's data to data/plots/routers."""
    workspace, watch = open_workspace(), Stopwatch()
    params, study = workspace.params, read_section(PARAMS, StudyParams)
    embedded = read_embedded(workspace)
    routers, times = fit_all(workspace, embedded, {} if study.quick else study.routers)
    judge = Judge(embedded.inputs.prepared, {}, samples=params.evaluate.bootstrap_samples, seed=params.evaluate.seed)
    cost_judge = CostJudge(judge, params.costs)
    metrics = {name: cost_judge.metrics(by_pool) for name, by_pool in routers.items()}
    folder = RESULTS / params.data
    with atomic_file(folder / "routers.json") as draft:
        write_json(
            {
                "leaderboard": leaderboard(metrics, times),
                "metrics": metrics,
                "pairs": judge.pairs(routers),
                "sources": {pool: cost_judge.sources("id", _vlms(embedded, pool)) for pool in POOLS},
            },
            draft,
        )
    with atomic_folder(PLOTS / "routers") as plots:
        write_json([round_metrics(record, digits=8) for record in cost_judge.records(routers)], plots / "pareto.json")
    logger.info("fitted and judged %d routers in %.1f s", len(routers), watch.elapsed_s)


def fit_all(
    workspace: Workspace, embedded: Embedded, heavy: Mapping[str, Json]
) -> tuple[dict[str, ByPool], dict[str, dict[str, Json]]]:
    """Every router's scores and times by pool; ARMS' scores are those of the pipeline."""
    routers, times = _pipeline_scores(workspace), dict[str, dict[str, Json]]()
    light = workspace.params.baselines
    jobs = [
        (name, pool, settings, where)
        for where, of in (("params.yaml.baselines", light), ("studies/params.yaml.routers", heavy))
        for name, settings in of.items()
        if embedded.has_answers or not _reads_answers(name, settings, where)
        for pool in POOLS
    ]
    with progress_bar("routers", "fits") as progress:
        for done, (name, pool, settings, where) in enumerate(jobs, start=1):
            start = time.perf_counter()
            router = embedded.fit(name, settings, _vlms(embedded, pool), where)
            fit_s = time.perf_counter() - start
            start = time.perf_counter()
            scores = embedded.score(router, name, pool)
            per_query_s = (time.perf_counter() - start) / max(1, len(embedded.scored))
            routers.setdefault(name, {})[pool] = scores
            times.setdefault(name, {})[pool] = {
                "fit_s": round(fit_s, 3),
                "us_per_query": round(per_query_s * 1e6, 2),
                "single_us": single_latency_us(router, embedded.scored),
            }
            progress(done, len(jobs))
    return routers, times


def _reads_answers(name: str, settings: Mapping[str, Any], where: str) -> bool:
    """Whether a router cannot do without recorded answers; says so, as this dataset has none."""
    if not issubclass(find_router(settings.get("router", name), where), OutputAwareRouter):
        return False
    logger.warning("%s.%s: left out, as the dataset records no answers (column output of its outcomes)", where, name)
    return True


def single_latency_us(router: Router, queries: Queries) -> float | None:
    """Median time to score one query alone, in microseconds; None for a router that has to wait for answers."""
    if isinstance(router, OutputAwareRouter) or not len(queries):
        return None
    taken = []
    for row in range(min(SINGLE_QUERIES, len(queries))):
        query = queries.subset(np.array([row]))
        start = time.perf_counter()
        router.score(query)
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken) * 1e6, 1)


def _pipeline_scores(workspace: Workspace) -> dict[str, ByPool]:
    """ARMS on both pools, and the other way to extend it."""

    def read(router: str, pool: str) -> Scores:
        return read_scores(SCORES / router / f"{router}-{pool}.parquet")

    chosen = workspace.params.extend.strategy
    other = "incremental" if chosen == "independent" else "independent"
    return {
        "arms": {"base": read("arms", "base"), "extended": read(chosen, "extended")},
        other: {pool: read(other, pool) for pool in POOLS},
    }


def _vlms(embedded: Embedded, pool: str) -> tuple[str, ...]:
    prepared = embedded.inputs.prepared
    return prepared.base if pool == "base" else prepared.extended


if __name__ == "__main__":
    with stage("router_study"):
        main()
