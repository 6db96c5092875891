"""The studies on a tiny sample, and what their parts do."""

import json

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.params.section import read_section
from stages.workspace import open_workspace
from studies.settings import FIVE_METRICS, PARAMS, STUDIES, StudyParams
from tests.fakes import make_queries, make_router

FIGURES = {
    "ablation",
    "tuning",
    "data",
    "epochs",
    "gates",
    "confidences",
    "map",
    "rescue-id",
    "rescue-ood",
    "em",
    "reliability",
    "theta",
    "few-shot",
    "initial",
    "pareto",
    "unseen-task",
    "unseen-benchmark",
    "risk-coverage-task",
    "risk-coverage-benchmark",
}


@pytest.fixture(scope="module")
def studied(project):
    project.dvc("repro", "studies/dvc.yaml")
    return project


def read(project, name):
    return json.loads((project.folder / "studies/results/sample" / name).read_text())


@pytest.mark.clone
def test_the_full_variant_with_the_pipelines_seed_is_the_pipelines_router(studied):
    """Then a study's difference comes only from its setting."""
    metrics = json.loads((studied.folder / "metrics/plain.json").read_text())
    first, second = read(studied, "ablation/full.json")["runs"]
    for split in ("id", "ood"):
        for name in ("em", "accuracy", "auroc"):
            assert first["metrics"][split][name] == metrics[split]["base"][name]
        none = {"difference": 0, "low": 0, "high": 0, "claim_low": 0, "claim_high": 0, "p": 1}
        assert read(studied, "summary.json")["studies"]["ablation"]["full"]["phi_minus_this"][split] == none
    assert first["metrics"] != second["metrics"], "another seed is another run"
    assert read(studied, "data/100.json")["runs"] == read(studied, "ablation/full.json")["runs"]


@pytest.mark.clone
def test_a_seeds_run_is_what_training_with_that_seed_gives(studied):
    """The variant of the epochs is trained anew, with the settings that the pipeline has here."""
    trained, of_arms = read(studied, "epochs/1.json")["runs"], read(studied, "ablation/full.json")["runs"]
    assert [run["seed"] for run in trained] == [1, 2]
    assert trained == of_arms


@pytest.mark.clone
def test_every_variant_is_another_router(studied):
    full, concat, half, frozen = (
        [run["metrics"] for run in read(studied, f"{name}.json")["runs"]]
        for name in ("ablation/full", "ablation/concat", "data/50", "tuning/image-frozen")
    )
    assert all(other != full for other in (concat, half, frozen))


@pytest.mark.clone
def test_the_summary_gives_mean_and_spread(studied):
    runs, spread = read(studied, "data/50.json")["runs"], read(studied, "summary.json")["studies"]["data"]["50"]
    ems = [run["metrics"]["id"]["em"] for run in runs]
    assert spread["id"]["em"] == {"mean": pytest.approx(np.mean(ems), abs=1e-4), "low": min(ems), "high": max(ems)}
    assert spread["seeds"] == [1, 2]
    arms = [run["metrics"]["id"]["em"] for run in read(studied, "ablation/full.json")["runs"]]
    difference = spread["phi_minus_this"]["id"]
    assert difference["difference"] == pytest.approx(np.mean(arms) - np.mean(ems), abs=2e-4)
    assert difference["claim_low"] <= difference["difference"] <= difference["claim_high"]


@pytest.mark.clone
def test_every_figure_is_drawn(studied):
    figures = studied.folder / "studies/figures/sample"
    assert {file.stem for file in figures.glob("*.png")} == FIGURES


@pytest.mark.clone
def test_what_was_read_of_the_router_adds_up(studied):
    summary = read(studied, "summary.json")
    assert set(summary["metrics"]) == {file.stem for file in (studied.folder / "metrics").glob("*.json")} - {"sha256"}
    queries = sum(record["queries"] for record in summary["gates"])
    prepared = {row["split"]: row["queries"] for row in summary["statistics"] if row["benchmark"] == "all"}
    assert queries == prepared["id"] + prepared["ood"]
    for record in summary["gates"]:
        assert sum(record["weights"]) == pytest.approx(1, abs=1e-3)
    pairs = json.loads((studied.folder / "studies/results/sample/reading/confidences.json").read_text())
    counted = {split: sum(p["right"] + p["wrong"] for p in pairs if p["split"] == split) for split in ("id", "ood")}
    assert counted == {split: 4 * prepared[split] for split in ("id", "ood")}, "each outcome of the base pool once"


@pytest.mark.clone
def test_the_strategies_are_judged_on_the_same_queries(studied):
    found = read(studied, "extension/strategies.json")
    assert set(found["strategies"]) == {
        "full retraining", "incremental", "independent", "zero-shot", "kNN", "Phi alone",
    }  # fmt: skip
    for of in found["strategies"].values():
        for split in ("id", "ood"):
            em, alone, full = (
                of["metrics"][split]["em"] - margin["difference"]
                for margin in ({"difference": 0}, of["over_phi_alone"][split], of["over_full"][split])
            )
            assert alone == pytest.approx(found["strategies"]["Phi alone"]["metrics"][split]["em"], abs=2e-4)
            assert full == pytest.approx(found["strategies"]["full retraining"]["metrics"][split]["em"], abs=2e-4)
            assert 0 <= of["new_share"][split] <= 1 >= em
    assert found["strategies"]["Phi alone"]["new_share"]["id"] == 0


@pytest.mark.clone
def test_the_pipelines_strategies_are_those_of_the_study(studied):
    found = read(studied, "extension/strategies.json")["strategies"]
    for name in ("incremental", "independent"):
        metrics = json.loads((studied.folder / f"metrics/{name}.json").read_text())
        assert found[name]["metrics"]["id"]["em"] == metrics["id"]["extended"]["em"]


@pytest.mark.clone
def test_theta_of_one_compares_both_routers_everywhere(studied):
    """At a theta of 1 Phi never decides by itself, so a new VLM is chosen more often than at a lower theta."""
    records = read(studied, "extension/strategies.json")["theta"]
    assert {record["theta"] for record in records} == {round(0.5 + step / 20, 2) for step in range(11)}
    assert {(record["split"], record["calibrated"]) for record in records} == {
        (split, calibrated) for split in ("val", "id", "ood") for calibrated in (True, False)
    }


@pytest.mark.clone
def test_figure_7_has_five_metrics(studied):
    at_one = [record for record in read(studied, "extension/strategies.json")["theta"] if record["theta"] == 1]
    metrics = json.loads((studied.folder / "metrics/independent.json").read_text())
    (calibrated,) = [record for record in at_one if record["split"] == "id" and record["calibrated"]]
    for name in ("accuracy", "precision", "recall", "f1"):  # there the pipeline's theta does not matter
        assert calibrated[name] == metrics["id"]["extended"][name]
    for record in read(studied, "extension/initial.json"):
        assert {"share", "split", "seed", "em_all", *FIVE_METRICS} == set(record)
    tables = read(studied, "summary.json")["extension"]["initial"]
    assert {record["metric"] for record in tables} == {"em_all", *FIVE_METRICS}


@pytest.mark.clone
def test_few_outcomes_are_drawn_for_each_seed(studied):
    records = read(studied, "extension/few-shot.json")
    drawn = {(record["outcomes"], record["strategy"]) for record in records}
    assert (0, "incremental") in drawn
    assert (0, "independent") not in drawn, "there is nothing for Theta to learn from"
    assert {count for count, strategy in drawn if strategy == "independent"} == {8, 16, 64, 256, 1024}
    assert {count for count, strategy in drawn if strategy == "arms"} == {0, 8, 16, 64, 256, 1024}
    assert {record["seed"] for record in records} == {1, 2}


@pytest.mark.clone
def test_all_routers_are_judged_and_timed(studied):
    study = read(studied, "routers/judged.json")
    metrics = json.loads((studied.folder / "metrics/knn.json").read_text())
    for split, pools in study["leaderboard"].items():
        for pool, panel in pools.items():
            assert {"arms", "incremental", "knn", "knn-image", "frugal", "ovr", "random"} == set(panel) & {
                "arms", "incremental", "independent", "knn", "knn-image", "frugal", "ovr", "random"
            }  # fmt: skip
            assert panel["knn"]["em"] == metrics[split][pool]["em"], "the pipeline's router"
            assert panel["knn"]["fit_s"] > 0
            assert panel["knn"]["us_per_query"] < panel["knn"]["single_us"]
            assert panel["frugal"]["cost_usd_per_1k"] > 0
    assert set(study["sources"]["extended"].values()) == {"estimated", "recorded"}


@pytest.mark.clone
def test_the_seeds_of_routers_are_in_their_numbers(studied):
    study = read(studied, "routers/judged.json")
    assert study["seeds"]["arms"] == study["seeds"]["kmeans"] == [1, 2]
    assert study["seeds"]["knn"] == study["seeds"]["frugal"] == [1]
    metrics = json.loads((studied.folder / "metrics/arms.json").read_text())
    for split in ("id", "ood"):
        for pool in ("base", "extended"):
            ems = study["em_by_seed"]["arms"][split][pool]
            assert ems[0] == metrics[split][pool]["em"], "the pipeline's own run"
            assert study["leaderboard"][split][pool]["arms"]["em"] == pytest.approx(np.mean(ems), abs=2e-4)


@pytest.mark.clone
def test_claims_are_those_of_the_pairs(studied):
    study = read(studied, "routers/judged.json")
    claims, summary = study["claims"], read(studied, "summary.json")["routers"]
    assert summary["claims"] == claims
    for split in ("id", "ood"):
        assert set(claims[split]["base"]["arms"]) == {"best-single", "knn", "linear"}
        for router, of in claims[split]["base"].items():
            for reference, claim in of.items():
                beats = reference in summary["beaten"][split]["base"].get(router, ())
                assert beats == (claim["verdict"] == "better") == (claim["low"] > 0)
                assert claim["low"] <= claim["difference"] <= claim["high"]


@pytest.mark.clone
def test_every_kind_with_enough_queries_is_left_out(studied):
    found = read(studied, "unseen.json")
    assert set(found["trust_id"]) == {"arms", "plain", "knn"}, "the routers of the pipeline"
    assert read(studied, "summary.json")["unseen"] == found
    benchmarks = found["left_out"]["benchmark"]["routers"]
    assert set(benchmarks) == {"arms", "plain", "knn", "knn-image"}
    for of in benchmarks.values():
        assert set(of["folds"]) == {"charts-compare", "shapes-count", "words-read"}, "not the benchmark of ood"
        assert min(fold["queries_all"] for fold in of["folds"].values()) >= 8


@pytest.mark.clone
def test_the_page_is_written_of_what_was_studied(studied):
    studied.run("arms", "report", "--out", "docs/results.md")
    page = (studied.folder / "docs/results/sample.md").read_text()
    assert page.startswith("# Results on sample\n")
    assert "## Which layers train" in page
    for name in FIGURES:
        assert f"(../../studies/figures/sample/{name}.png)" in page


@pytest.mark.clone
def test_a_second_repro_does_nothing(studied):
    assert "Data and pipelines are up to date." in studied.dvc("repro", "studies/dvc.yaml")


@pytest.mark.clone
def test_quick_is_one_seed_on_little_data(studied):
    before = read(studied, "ablation/concat.json")
    try:
        studied.run("python", "-m", "studies.variants", "ablation", "concat", "--quick")
        quick = read(studied, "ablation/concat.json")
    finally:
        (studied.folder / "studies/results/sample/ablation/concat.json").write_text(json.dumps(before))
    assert quick["quick"]
    assert len(quick["runs"]) == 1
    assert quick["runs"][0]["metrics"] != before["runs"][0]["metrics"]


def test_every_variant_is_a_setting_that_exists():
    params = read_section(PARAMS, StudyParams)
    for study in STUDIES:
        for variant, settings in getattr(params.studies, study).items():
            assert open_workspace(settings.split()).params, variant


def test_an_unknown_setting_is_named():
    with pytest.raises(ArmsError, match=r"router\.fusoin=concat: expected a setting of params\.yaml"):
        open_workspace(["router.fusoin=concat"])


def test_a_larger_share_of_the_images_holds_the_smaller_one():
    labelled = make_queries(40).label(make_router().encoders)
    queries = labelled.queries
    shares = {
        share: labelled.subset(np.flatnonzero(labelled.in_share(share, seed=3))).queries for share in (0.25, 0.5, 1.0)
    }
    ids = {share: set(part.ids) for share, part in shares.items()}
    assert ids[0.25] < ids[0.5] < ids[1.0] == set(queries.ids)
    for part in shares.values():
        images = set(part.first_images)
        whole = {query for query, image in zip(queries.ids, queries.first_images, strict=True) if image in images}
        assert set(part.ids) == whole, "all queries of an image, or none"
    assert (labelled.in_share(0.25, seed=4) != labelled.in_share(0.25, seed=3)).any()
    assert labelled.in_share(0.001, seed=3, at_least=1).any()
