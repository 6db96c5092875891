"""The routers that ARMS is compared with, in the pipeline: what they may learn from, and how they are judged."""

import json
import shutil

import pandas as pd
import pytest

from arms.data.scores import read_scores

pytestmark = pytest.mark.clone
CEILINGS = ("oracle", "best-possible")  # they see the outcomes, or the chances, by definition


@pytest.fixture(scope="module")
def other_outcomes(project, tmp_path_factory):
    """Flip the outcomes, answers and costs of some splits in a copy of the project, and score the baselines again."""
    tables = {}

    def score(*splits):
        if splits not in tables:
            folder = tmp_path_factory.mktemp("other") / "project"
            shutil.copytree(project.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(".git", "cache"))
            prepared = folder / "data" / "prepared" / "sample"
            queries, outcomes = (pd.read_parquet(prepared / f"{name}.parquet") for name in ("queries", "outcomes"))
            flipped = outcomes["query_id"].isin(queries.loc[queries["split"].isin(splits), "query_id"])
            outcomes.loc[flipped, "correct"] = ~outcomes.loc[flipped, "correct"].astype(bool)
            outcomes.loc[flipped, "cost_usd"] = 1.0
            outcomes.loc[flipped, "output"] = "something else"
            (prepared / "outcomes.parquet").unlink()  # it may be a link into the cache
            outcomes.to_parquet(prepared / "outcomes.parquet", index=False)
            other = type(project)(folder)
            other.run("python", "-m", "stages.baselines")
            tables[splits] = folder / "data" / "scores" / "baselines"
        return tables[splits]

    return score


def scores_in(folder):
    return {file.stem: file.read_bytes() for file in sorted(folder.glob("*.parquet")) if not is_ceiling(file.stem)}


def is_ceiling(name):
    return name.rpartition("-")[0] in CEILINGS


def test_no_test_outcome_reaches_a_fit(project, other_outcomes):
    before = scores_in(project.folder / "data" / "scores" / "baselines")
    assert len(before) == 2 * 9
    assert scores_in(other_outcomes("id", "ood")) == before


def test_train_outcomes_reach_every_fit_but_the_random_choice(project, other_outcomes):
    before = scores_in(project.folder / "data" / "scores" / "baselines")
    after = scores_in(other_outcomes("train"))
    assert {name for name, table in after.items() if table == before[name]} == {"random-base", "random-extended"}


def test_scores_are_of_the_queries_that_are_judged(project):
    scores = read_scores(project.folder / "data" / "scores" / "baselines" / "prknn-extended.parquet")
    queries = pd.read_parquet(project.folder / "data" / "prepared" / "sample" / "queries.parquet")
    assert sorted(scores.query_ids) == sorted(queries.loc[queries["split"] != "train", "query_id"])
    assert len(scores.vlms) == 7


def test_the_leaderboard_is_sorted_and_holds_every_router(project):
    board = json.loads((project.folder / "metrics" / "leaderboard.json").read_text())
    for pools in board.values():
        for panel in pools.values():
            ems = [row["em"] for row in panel.values()]
            assert ems == sorted(ems, reverse=True)
            assert {"arms", "incremental", "knn", "ovr", "best-single", "random"} <= set(panel)
            assert not {"oracle", "independent"} & set(panel), "the latter is ARMS on the extended pool"
            for row in panel.values():
                assert row["cost_usd_per_1k"] > 0
                assert 0 <= row["rank_score"] <= 100


def test_every_pair_of_routers_is_compared(project):
    pairs = json.loads((project.folder / "data" / "plots" / "evaluate" / "pairs.json").read_text())
    here = [pair for pair in pairs if (pair["split"], pair["pool"]) == ("id", "base")]
    routers = {pair["router"] for pair in here} | {pair["other"] for pair in here}
    assert len(here) == len(routers) * (len(routers) - 1) / 2
    metrics = {name: json.loads((project.folder / "metrics" / f"{name}.json").read_text()) for name in routers}
    for pair in here:
        one, other = (metrics[pair[key]]["id"]["base"]["em"] for key in ("router", "other"))
        assert pair["difference"] == pytest.approx(one - other, abs=2e-4)
        assert pair["low"] <= pair["difference"] <= pair["high"]


def test_the_pareto_plot_is_drawn(project):
    folder = project.folder / "data" / "plots" / "evaluate"
    records = json.loads((folder / "pareto.json").read_text())
    assert {record["kind"] for record in records} == {"curve", "router", "vlm", "oracle"}
    assert (folder / "pareto.png").stat().st_size > 10_000
