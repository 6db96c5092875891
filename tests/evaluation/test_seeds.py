"""Routers with several seeds: means, intervals and pairs, on made-up outcomes."""

import numpy as np
import pandas as pd
import pytest

from arms.data.prepared import Prepared
from arms.data.profiles import VlmProfile
from arms.data.scores import Scores
from arms.evaluation.cost_judge import CostJudge
from arms.evaluation.judge import Judge
from arms.evaluation.seeds import SeedJudge, mean_metrics
from arms.params.costs import CostsParams

VLMS = (VlmProfile(name="one", access="free", params_b=2), VlmProfile(name="two", access="free", params_b=7))
COSTS = CostsParams(characters_per_token=1.0, image_tokens=0, answer_tokens=1, own_compute_usd_per_b=0.1)
BOOTSTRAP = {"samples": 200, "seed": 1}


@pytest.fixture(params=["all outcomes", "some missing"])
def judge(request):
    """80 test queries, each answered by one of two VLMs or by both, some by none."""
    rng = np.random.default_rng(0)
    right = {"one": rng.random(100) < 0.6, "two": rng.random(100) < 0.5}
    queries = pd.DataFrame(
        {
            "query_id": [f"q{i}" for i in range(100)],
            "question": "why",
            "images": [("a.png",)] * 100,
            "images_sha256": [(str(i // 2),) for i in range(100)],
            "scene": [str(i // 2) for i in range(100)],
            "split": ["train"] * 20 + ["id"] * 80,
        }
    )
    rows = [
        {"query_id": f"q{i}", "vlm": vlm, "correct": float(of[i]), "cost_usd": np.nan}
        for vlm, of in right.items()
        for i in range(100)
        if vlm == "one" or i % 4 or request.param == "all outcomes"
    ]
    return Judge(Prepared(queries, pd.DataFrame(rows), VLMS, base=("one", "two"), new=()), {}, **BOOTSTRAP)


def run(name, seed):
    confidence = np.random.default_rng(seed).random((80, 2)).astype(np.float32)
    ids = tuple(f"q{i}" for i in range(20, 100))
    return {"base": Scores(name, "base", ids, ("one", "two"), confidence, {"name": "argmax"})}


def test_a_metric_is_the_mean_over_seeds_and_its_interval_holds_their_variance(judge):
    runs, cost_judge, seed_judge = (
        [run("r", seed) for seed in (1, 2, 3)],
        CostJudge(judge, COSTS),
        SeedJudge(judge, **BOOTSTRAP),
    )
    single = [cost_judge.metrics(by_pool)["id"]["base"] for by_pool in runs]
    found = seed_judge.metrics(runs, cost_judge)["id"]["base"]
    for name in ("em", "gain", "auroc", "cost_usd_per_1k"):
        assert found[name] == pytest.approx(np.mean([of[name] for of in single]), abs=1e-4)
    assert found["queries"] == single[0]["queries"]
    assert found["em_low"] < found["em"] < found["em_high"]
    assert found["gain_low"] < found["gain"] < found["gain_high"]
    assert seed_judge.em_by_seed(runs) == {"id": {"base": [of["em"] for of in single]}, "ood": {"base": []}}


def test_one_seed_has_the_metrics_of_its_run(judge):
    cost_judge = CostJudge(judge, COSTS)
    by_pool = run("r", 1)
    assert SeedJudge(judge, **BOOTSTRAP).metrics([by_pool], cost_judge) == cost_judge.metrics(by_pool)


def test_pairs_of_single_runs_are_those_of_the_judge(judge):
    routers = {name: run(name, seed) for seed, name in enumerate("abc")}
    found = SeedJudge(judge, **BOOTSTRAP).pairs({name: [by_pool] for name, by_pool in routers.items()})
    assert found == judge.pairs(routers)
    assert [record["split"] for record in found] == ["id"] * 3 + ["ood"] * 3
    assert found[-1]["difference"] is None, "there are no such queries"


def test_pairs_of_several_seeds(judge):
    seed_judge = SeedJudge(judge, **BOOTSTRAP)
    routers = {"a": [run("a", seed) for seed in (1, 2)], "b": [run("b", 3)]}
    ems = {name: seed_judge.em_by_seed(runs)["id"]["base"] for name, runs in routers.items()}
    record = seed_judge.pairs(routers)[0]
    assert record["difference"] == pytest.approx(np.mean(ems["a"]) - np.mean(ems["b"]), abs=2e-4)


def test_mean_metrics():
    runs = [{"id": {"em": 0.5, "queries": 7, "auroc": None}}, {"id": {"em": 0.6, "queries": 7, "auroc": 0.5}}]
    assert mean_metrics(runs) == {"id": {"em": 0.55, "queries": 7, "auroc": None}}
