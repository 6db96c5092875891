import json
import subprocess

import pytest
from huggingface_hub import ModelCard

from arms.cli.card import _commit
from arms.routers.origin import Origin
from tests.cli.helpers import check_failed, run, run_json
from tests.fakes import make_router

NUMBERS = {"em_low": 0.7, "em_high": 0.9, "best_single_em": 0.6, "gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}


def metrics(em):
    return {"id": {pool: {"em": em + more, "queries": 9, **NUMBERS} for pool, more in (("base", 0), ("extended", 0.1))}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Routers of the dataset mine, and the metrics of a run on it."""
    monkeypatch.chdir(tmp_path)
    router = make_router()
    router.origin = Origin("mine", {"train": 5, "val": 2, "id": 9, "ood": 0}, "0" * 64, ("train",), {})
    for folder in ("arms", "arms-base", "baselines/knn", "own"):
        router.save(f"data/routers/{folder}")
    (tmp_path / "metrics").mkdir()
    for name, content in (("arms", metrics(0.8)), ("knn", metrics(0.5)), ("summary", {"data": "mine"})):
        (tmp_path / f"metrics/{name}.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "em"),
    [("arms", 0.9), ("./arms-base", 0.8), ("baselines/knn", 0.6), ("own", None)],
)
def test_each_router_has_its_own_metrics(project, folder, em):
    result = run("card", f"data/routers/{folder}")
    assert result.exit_code == 0, result.output
    results = ModelCard(result.stdout).data.eval_results
    assert (results[0].metric_value if results else None) == (em and pytest.approx(em))
    assert "- Dataset: mine; queries: train 5, val 2, id 9, ood 0." in result.stdout


def test_metrics_of_another_dataset_are_not_taken(project):
    (project / "metrics/summary.json").write_text('{"data": "theirs"}')
    assert "No metrics are known." in run("card").stdout


def test_a_file(project):
    result = run("card", "--out", "README.md")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "wrote README.md\n")
    assert (project / "README.md").read_text() == run("card").stdout


def test_json(project):
    content = run_json("card")
    assert content["head"]["model-index"][0]["name"] == "arms"
    assert content["text"] in run("card").stdout
    assert run("card", "--json", "--out", "README.md").exit_code == 2


def test_no_router(project):
    check_failed(run("card", "nowhere"), "nowhere: no router there")


def test_the_commit(project, monkeypatch):
    assert _commit() is None
    for words in (["init", "-q"], ["add", "metrics"], ["commit", "-qm", "all"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words], check=True)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    assert _commit() == f"{commit}, with changes that are not committed"
    assert f"- Commit of the project: {commit}" in run("card").stdout
    monkeypatch.setenv("PATH", "")
    assert _commit() is None
