"""Routers on only those test queries that have several images, none, or no question."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from arms.data.prepared import Prepared
from arms.data.query_forms import FORMS, query_forms
from arms.data.splits import TEST_SPLITS
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.judge import Judge
from arms.evaluation.seeds import Runs, SeedJudge
from arms.params.costs import CostsParams

Json = dict[str, Any]
_KEPT = ("em", "em_low", "em_high", "best_single_em", "gain", "gain_low", "gain_high", "oracle_em", "queries")


def metrics_by_form(
    prepared: Prepared, routers: Mapping[str, Runs], costs: CostsParams, *, samples: int, seed: int
) -> Json:
    """Judge routers on each form of queries by itself, the best single VLM chosen on all training queries as always.

    Parameters
    ----------
    prepared : Prepared
    routers : mapping of str to Runs
    costs : CostsParams
    samples, seed : int
        The bootstrap's draws and their seed.

    Returns
    -------
    dict of form -> router -> split -> pool -> metric; empty if all test queries have the same form
    """
    queries = prepared.queries
    forms, is_test = query_forms(queries), queries["split"].isin(TEST_SPLITS).to_numpy()
    found = [form for form in FORMS if (is_test & (forms == form)).any()]
    if len(found) < 2:
        return {}
    judged: Json = {}
    for form in found:
        part = replace(prepared, queries=queries[~is_test | (forms == form)].reset_index(drop=True))
        judge = Judge(part, {}, samples=samples, seed=seed)
        seed_judge, cost_judge = SeedJudge(judge, samples=samples, seed=seed), CostJudge(judge, costs)
        judged[form] = {name: _kept(seed_judge.metrics(runs, cost_judge)) for name, runs in routers.items()}
    return judged


def _kept(metrics: Json) -> Json:
    """A few of a router's metrics, by split and pool; a pool without queries is left out."""
    return {
        split: {pool: {key: values[key] for key in _KEPT} for pool, values in pools.items() if values["em"] is not None}
        for split, pools in metrics.items()
    }
