"""Judge every router by its scores and the recorded outcomes."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arms.data.atomic import atomic_folder
from arms.data.prepared import read_prepared, write_json
from arms.data.sealed import seal_folder
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.curves import em_records
from arms.evaluation.judge import Judge
from arms.evaluation.leaderboard import leaderboard
from arms.evaluation.metrics import round_metrics
from arms.evaluation.summary import summary
from arms.reports.complete_cases import NONE_COMPLETE, judged_or_replayed
from arms.reports.figures import em_bars, reliability, sentence
from arms.reports.pareto_figure import pareto
from stages.scores import BEST_POSSIBLE, ByPool, read_routers, without_twin
from stages.workspace import METRICS, PLOTS, Stopwatch, open_workspace, stage

MARGIN = {"": "difference", "_low": "low", "_high": "high"}

logger = logging.getLogger("stages.evaluate")


def main() -> None:
    """Write metrics/<router>.json for every router, vlms.json, leaderboard.json and summary.json, and the plots."""
    workspace, watch = open_workspace(), Stopwatch()
    params, prepared = workspace.params, read_prepared(workspace.prepared)
    routers = read_routers(params.extend.strategy, prepared, list(params.baselines))
    best_possible = routers.pop(BEST_POSSIBLE, {})
    judge = Judge(prepared, best_possible, samples=params.evaluate.bootstrap_samples, seed=params.evaluate.seed)
    cost_judge = CostJudge(judge, params.costs)
    metrics = {name: cost_judge.metrics(scores) for name, scores in routers.items()}
    if "knn" in routers:
        _add_margins(metrics["arms"], "knn", routers["arms"], routers["knn"], judge)
    # What incremental training forgot: compare the incremental router with Phi on the base pool.
    on_base = {split: {"base": by_pool["base"]} for split, by_pool in metrics["incremental"].items()}
    _add_margins(on_base, "phi", routers["incremental"], routers["plain"], judge)
    # The figures draw the oracle as a line or a star, not as a router.
    shown = {name: of for name, of in without_twin(routers, params.extend.strategy).items() if name != "oracle"}
    shown_metrics = {name: _in_pools(metrics[name], by_pool) for name, by_pool in shown.items()}
    singles = judge.singles()
    drawn = ("base", "extended") if prepared.new else ("base",)  # without new VLMs both pools are the same
    bars, curves, costs = (
        [record for record in records if record["pool"] in drawn]
        for records in (
            em_records(shown_metrics, singles),
            judge.reliability({name: routers[name] for name in ("arms", "knn") if name in routers}),
            cost_judge.records(shown),
        )
    )
    with atomic_folder(PLOTS / "evaluate") as folder:
        write_json([bar for bar in bars if _is_headline(bar)], folder / "em.json")
        write_json([point for point in curves if _is_headline(point)], folder / "reliability.json")
        for column in ("benchmark", "task", "language", "form"):
            write_json(judge.breakdown(shown, column), folder / f"em_by_{column}.json")
        write_json(judge.pairs(shown), folder / "pairs.json")
        write_json({name: judge.vlm_calibration(of) for name, of in shown.items()}, folder / "calibration.json")
        write_json([round_metrics(record, digits=8) for record in costs], folder / "pareto.json")
        if costs:
            pareto(costs, folder / "pareto.png")
        _draw_or_say(em_bars, bars, folder / "em.png")
        _draw_or_say(reliability, curves, folder / "reliability.png")
    # Last: what fails before leaves the metrics of the run before as they are.
    with atomic_folder(METRICS) as folder:
        for name, content in metrics.items():
            write_json(content, folder / f"{name}.json")
        write_json(singles, folder / "vlms.json")
        write_json(leaderboard(shown_metrics), folder / "leaderboard.json")
        write_json(summary(params.data, metrics["arms"]), folder / "summary.json")
        seal_folder(folder)
    _log_incomplete(metrics["arms"])
    headline, replayed = judged_or_replayed(metrics["arms"]["id"]["base"])
    logger.info(
        "evaluated %d routers in %.1f s; ARMS on id, base pool%s: EM %s against %s for the best single VLM, over all "
        "queries %s",
        len(metrics), watch.elapsed_s, ", partial replay" if replayed else "", headline["em"],
        headline["best_single_em"], headline["em_all"],
    )  # fmt: skip


def _draw_or_say(draw: Callable[[list[dict[str, Any]], Path], None], records: list[dict[str, Any]], path: Path) -> None:
    """Draw a figure; if no pool has a query to judge on, one that says so."""
    if records:
        draw(records, path)
    else:
        sentence(NONE_COMPLETE, path)


def _log_incomplete(metrics: dict[str, Any]) -> None:
    """Say on how few queries a pool is judged, where the outcome of some VLM is unknown on others."""
    for split, by_pool in metrics.items():
        for pool, values in by_pool.items():
            if left_out := values["queries_incomplete"]:
                logger.info(
                    "%s, %s pool: judged on the %d of %d queries on which every VLM has an outcome",
                    split, pool, values["queries_all"], values["queries_all"] + left_out,
                )  # fmt: skip


def _in_pools(metrics: dict[str, Any], pools: ByPool) -> dict[str, Any]:
    """The metrics in only these pools."""
    return {split: {pool: by_pool[pool] for pool in pools} for split, by_pool in metrics.items()}


def _add_margins(metrics: dict[str, Any], name: str, own: ByPool, other: ByPool, judge: Judge) -> None:
    """Add to one router's metrics its advantage over another router, with the paired interval."""
    for split, by_pool in metrics.items():
        for pool, values in by_pool.items():
            margin = judge.compare(own[pool], other[pool], split)
            values |= {f"over_{name}{end}": margin[key] for end, key in MARGIN.items()}


def _is_headline(record: dict[str, Any]) -> bool:
    """Whether a record is of the id test on the base pool, the one panel of plots that compare experiments."""
    return (record["split"], record["pool"]) == ("id", "base")


if __name__ == "__main__":
    with stage("evaluate"):
        main()
