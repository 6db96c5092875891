"""The whole pipeline on a tiny sample, through the commands that a user types."""

import json
import re
import shutil
import signal
import sys

import pytest

BASELINES = {"knn", "prknn", "prox-router", "kmeans", "ovr", "linear", "elo", "best-single", "random"}
ROUTERS = {"arms", "plain", "incremental", "independent", "oracle", *BASELINES}


def test_repro_writes_the_metrics_of_every_router(project):
    metrics = {name: json.loads(content) for name, content in project.metrics().items()}
    written = {"vlms.json", "leaderboard.json", "summary.json", "sha256.json"}
    assert set(metrics) == {f"{router}.json" for router in ROUTERS} | written
    for router in ROUTERS:
        for split in ("id", "ood"):
            pools = ("extended",) if router == "independent" else ("base", "extended")  # its base pool is Phi's
            assert tuple(metrics[f"{router}.json"][split]) == pools
            for pool in pools:
                values = metrics[f"{router}.json"][split][pool]
                assert values["em_low"] <= values["em"] <= values["em_high"] <= values["oracle_em"] == 1
                assert {
                    "best_single_em",
                    "gain_low",
                    "gap_closed",
                    "best_possible_em",
                    "auroc",
                    "ece_all",
                    "ece",
                } <= set(values)
    assert metrics["oracle.json"]["id"]["base"]["em"] == 1
    for split in ("id", "ood"):
        plain, chosen = (metrics[f"{name}.json"][split]["extended"] for name in ("plain", "independent"))
        assert plain == chosen, "plain ARMS on the extended pool is the chosen strategy"
        assert metrics["arms.json"][split]["extended"]["brier"] != plain["brier"], "ARMS is joined with more"
    one, other = (metrics[f"{name}.json"]["id"]["base"] for name in ("incremental", "plain"))
    assert one["over_phi"] == pytest.approx(one["em"] - other["em"], abs=2e-4), "what was forgotten"
    assert metrics["best-single.json"]["ood"]["extended"]["gain"] == 0


def test_second_repro_does_nothing(project):
    assert "Data and pipelines are up to date." in project.dvc("repro")
    assert project.run("git", "status", "--porcelain") == ""


def test_pretraining_is_a_project_of_its_own(project):
    assert "pretrain" not in project.dvc("status")


@pytest.mark.clone
def test_forced_repro_gives_identical_metrics(project):
    before = project.metrics()
    project.dvc("repro", "--force")
    assert project.metrics() == before
    assert project.run("git", "status", "--porcelain") == "", "dvc.lock changed"


@pytest.mark.clone
def test_speed_settings_rerun_nothing(project):
    file = project.folder / "params.yaml"
    text = file.read_text()
    file.write_text(text.replace("extract_batch_size: 64", "extract_batch_size: 16"))
    try:
        assert "Data and pipelines are up to date." in project.dvc("repro", "--dry")
    finally:
        file.write_text(text)


@pytest.mark.clone
def test_experiment_with_other_epochs_encodes_nothing_and_shows_in_diffs(project):
    try:
        output = project.dvc("exp", "run", "-S", "epochs=2")
        for skipped in ("sample", "prepare", "encode@image", "encode@text", "baselines"):
            assert f"Stage '{skipped}' didn't change, skipping" in output
        for run in ("train", "extend@incremental", "extend@independent", "safe", "evaluate"):
            assert f"Running stage '{run}'" in output
        assert re.search(r"trained Phi for 2 epochs in [\d.]+ s, kept the weights of epoch [12]\n", output)
        assert output.count("kept the weights of epoch 1\n") >= 2, "of both extensions"
        changed = json.loads(project.dvc("metrics", "diff", "--all", "--json"))
        assert set(changed) == {"metrics/summary.json"}
        assert len(changed["metrics/summary.json"]) == 11, "ten numbers and the dataset's name"
        targets = ("--targets", "metrics/incremental.json", "metrics/knn.json")
        changed = json.loads(project.dvc("metrics", "diff", *targets, "--json"))
        assert "diff" in changed["metrics/incremental.json"]["id.base.brier"]
        assert "metrics/knn.json" not in changed
        assert json.loads(project.dvc("params", "diff", "--json"))["params.yaml"]["epochs"]["new"] == 2
        assert "id.base.brier" in project.dvc("metrics", "diff", *targets)
        assert "file://" in project.dvc("plots", "diff", "HEAD")
        assert "epochs" in project.dvc("exp", "show", "--csv")
    finally:
        project.run("git", "checkout", "--", ".")
        project.dvc("checkout", "dvc.yaml")  # the studies have no outs here


@pytest.mark.clone
def test_switching_the_dataset_is_one_setting(project):
    project.run("arms", "import", "tables", "data/raw/sample", "--name", "mini")
    mini = project.folder / "conf/data/mini.yaml"  # as the import writes it: no VLM is new
    try:
        project.dvc("exp", "run", "-S", "data=mini")
        arms = json.loads((project.folder / "metrics/arms.json").read_text())
        assert arms["id"]["extended"] == arms["id"]["base"], "without new VLMs the pools are the same"
        assert (project.folder / "data/features/sample/bundled/image.zarr").exists(), "the other features stay"
    finally:
        mini.unlink()
        project.run("git", "checkout", "--", ".")
        project.dvc("checkout", "dvc.yaml")  # the studies have no outs here


@pytest.mark.clone
def test_a_dataset_that_is_not_there_is_said_in_words(project):
    file = project.folder / "params.yaml"
    text = file.read_text()
    try:
        output = project.dvc("exp", "run", "-S", "data=nope", check=False)
        assert file.read_text().splitlines()[3:] == text.splitlines()[3:], "only the line of `data` is another"
    finally:
        file.write_text(text)  # as long as before, so Git may take what DVC wrote for unchanged
    assert "check: error: conf/data/nope.yaml: no such settings file; known here: " in output
    assert "[Errno 2]" not in output
    assert "Traceback" not in output


@pytest.mark.clone
def test_the_cut_is_a_setting_too(project):
    """With all layers tunable the store holds pixels, beside the embeddings of the frozen encoder."""
    settings = [f"conf/encoders/bundled.yaml:{part}.tunable_layers=all" for part in ("image", "text")]
    try:
        output = project.dvc("exp", "run", *(word for setting in settings for word in ("-S", setting)))
        assert "Stage 'prepare' didn't change, skipping" in output
        assert "encoded 0 of" not in output
        description = json.loads((project.folder / "data/routers/phi/router.json").read_text())
        assert description["fingerprints"]["image"]["arrays"] == ["pixels"]
        groups = project.folder / "data/features/sample/bundled/image.zarr"
        assert len(list(groups.glob("*/zarr.json"))) == 2, "the embeddings are still there"
        image = next((project.folder / "data/raw/sample/images").rglob("*.png"))
        project.run("arms", "route", "--image", str(image), "--question", "How many?", "--router", "data/routers/phi")
    finally:
        project.run("git", "checkout", "--", ".")
        project.dvc("checkout", "dvc.yaml")  # the studies have no outs here


OTHERS = [
    pytest.param(folder, marks=pytest.mark.clone)
    for folder in ("incremental", "independent", "arms", "baselines/knn", "baselines/linear")
]


@pytest.mark.parametrize("folder", ["phi", "arms-base", *OTHERS])
def test_trained_router_routes(project, folder):
    image = next((project.folder / "data/raw/sample/images").rglob("*.png"))
    arguments = ["--image", str(image), "--question", "How many circles are there?"]
    router = f"data/routers/{folder}"
    answer = json.loads(project.run("arms", "route", *arguments, "--router", router, "--json").splitlines()[-1])
    assert len(answer["ranking"]) == (4 if folder in ("phi", "arms-base") else 7)
    assert answer["vlm"] == answer["ranking"][0]["vlm"]
    assert all(0 <= ranked["confidence"] <= 1 for ranked in answer["ranking"])


@pytest.mark.clone
def test_killed_training_leaves_nothing_under_the_final_name(project):
    folder = project.folder / "data/routers/phi"
    moved = folder.rename(folder.with_name("aside"))
    process = project.start(sys.executable, "-m", "stages.train")
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "epoch 1" in line:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not folder.exists() or (folder / "router.json").exists()
    finally:
        if folder.exists():
            shutil.rmtree(folder)
        moved.rename(folder)


@pytest.mark.clone
def test_image_that_went_bad_after_prepare_is_named(project):
    store = project.folder / "data/features/sample/bundled/image.zarr"
    moved = store.rename(store.with_name("aside"))
    image = next((project.folder / "data/raw/sample/images").rglob("*.png"))
    content = image.read_bytes()
    image.write_bytes(content[:40])
    try:
        output = project.run(sys.executable, "-m", "stages.encode", "image", check=False)
    finally:
        image.write_bytes(content)
        shutil.rmtree(store)
        moved.rename(store)
    assert f"encode: error: {image.relative_to(project.folder)}: expected an image as prepare found it" in output
    assert "Traceback" not in output


@pytest.mark.clone
def test_unusable_setting_ends_a_stage_with_its_text(project):
    file = project.folder / "params.yaml"
    text = file.read_text()
    file.write_text(text.replace("num_experts: 4", "num_experts: 0"))
    try:
        output = project.run(sys.executable, "-m", "stages.train", check=False)
    finally:
        file.write_text(text)
    assert "train: error: params.yaml.router.num_experts: expected greater than or equal to 1, got 0" in output
    assert "Traceback" not in output
