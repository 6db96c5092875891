"""From VLMEvalKit's files to metrics: a dataset that was imported goes through the pipeline like any other."""

import json

import pandas as pd
import pytest

from tests.importers.logs.vlmevalkit_many import FAILURES, IMAGES, NUM_QUERIES, VLMS, write_log

pytestmark = pytest.mark.clone
SETTINGS = {"data: sample ": "data: mine ", "epochs: 1 ": "epochs: 40 "}


@pytest.fixture(scope="module")
def imported(first_run, tmp_path_factory):
    """The project after the import and `dvc repro` on it."""
    clone = first_run.copy(tmp_path_factory.mktemp("imported") / "clone")
    write_log(clone.folder)
    clone.run("arms", "import", "vlmevalkit", "outputs", "--tsv", "LMUData", "--name", "mine", "--access", "free")
    params = clone.folder / "params.yaml"
    text = params.read_text()
    for old, new in SETTINGS.items():
        assert old in text
        text = text.replace(old, new)
    params.write_text(text)
    clone.dvc("repro")
    return clone


@pytest.fixture(scope="module")
def prepared(imported):
    folder = imported.folder / "data/prepared/mine"
    return pd.read_parquet(folder / "queries.parquet"), pd.read_parquet(folder / "outcomes.parquet")


def metrics(project, router):
    return json.loads(project.metrics()[f"{router}.json"])


def test_the_import_is_reported(imported):
    report = json.loads((imported.folder / "data/raw/mine/import_report.json").read_text())
    assert report["queries"] == {"kept": NUM_QUERIES, "set_aside": 0}
    assert report["outcomes"] == {"kept": NUM_QUERIES * len(VLMS) - FAILURES, "set_aside": FAILURES}
    assert report["images"] == {"found": sum(IMAGES.values()), "not_found": 0}
    assert report["correct"] == ["hit >= 1"]
    missing = {name: vlm["share_missing"] for name, vlm in report["vlms"].items()}
    assert missing == pytest.approx(dict(zip(sorted(VLMS), [0, 0, FAILURES / NUM_QUERIES], strict=True)))


def test_splits_are_by_image(prepared):
    queries, outcomes = prepared
    assert len(queries) == NUM_QUERIES
    assert queries["images_sha256"].nunique() == sum(IMAGES.values())
    assert (queries.groupby("images_sha256")["split"].nunique() == 1).all()
    assert {"train", "val", "id"} == set(queries["split"])
    assert set(queries["benchmark"]) == set(IMAGES)
    assert len(outcomes) == NUM_QUERIES * len(VLMS) - FAILURES


def test_metrics_are_those_of_the_tables(imported, prepared):
    """The best single VLM and the counts, worked out anew from the tables."""
    queries, outcomes = prepared
    right = outcomes.pivot(index="query_id", columns="vlm", values="correct").astype(float)
    train, test = (right.loc[queries["query_id"][queries["split"] == split]] for split in ("train", "id"))
    complete = test.dropna()
    answerable = complete[(complete == 1).any(axis=1)]
    values = metrics(imported, "arms")["id"]["base"]
    assert (values["queries"], values["queries_all"]) == (len(answerable), len(complete))
    assert values["queries_incomplete"] == len(test) - len(complete)
    assert len(answerable) < len(complete), "the log has questions that no VLM answers"
    assert values["pairs"] == len(answerable) * len(VLMS)
    best = train.dropna().mean().idxmax()
    assert values["best_single_em"] == pytest.approx(answerable[best].mean(), abs=1e-4)
    replayed = test[(test == 1).any(axis=1)]
    assert values.get("partial_queries", len(answerable)) == len(replayed)


@pytest.mark.parametrize("router", ["arms", "knn"])
def test_routers_learn_from_the_imported_outcomes(imported, router):
    values = metrics(imported, router)["id"]["base"]
    assert values["em_low"] <= values["em"] <= values["em_high"] <= values["oracle_em"] == 1
    assert values["gain"] == pytest.approx(values["em"] - values["best_single_em"], abs=2e-4)
    assert 0 < values["gain_low"] <= values["gain"] <= values["gain_high"]
    assert values["em_all"] == pytest.approx(values["em"] * values["queries"] / values["queries_all"], abs=2e-4)
    assert values["auroc"] > 0.8


def test_what_the_log_lacks_is_null(imported):
    content = metrics(imported, "arms")
    assert content["id"]["extended"] == content["id"]["base"], "no VLM is new"
    nothing = content["ood"]["base"]
    assert (nothing["queries"], nothing["em"], nothing["em_low"]) == (0, None, None)
    assert content["id"]["base"]["cost_usd_per_1k"] is None, "of two VLMs neither price nor size is known"
    assert "best_possible_em" not in content["id"]["base"], "nobody simulated these VLMs"


def test_every_vlm_and_router_is_in_the_tables(imported):
    singles = metrics(imported, "vlms")["id"]["base"]
    assert set(singles) == set(VLMS)
    board = metrics(imported, "leaderboard")["id"]["base"]
    assert {"arms", "knn", "best-single"} <= set(board)
    ems = [row["em"] for row in board.values()]
    assert ems == sorted(ems, reverse=True)
    assert "Best single VLM" in imported.run("arms", "report")
